import { setTimeout as wait } from 'node:timers/promises';
import { recordAudit } from '../audit/audit.ts';
import type { Database, Reader, Tx } from '../database/database.ts';
import type { ClusterRow } from '../database/tables.ts';
import { operator, system } from '../kernel/actor.ts';
import { type Clock, MINUTE, timestamp } from '../kernel/clock.ts';
import { randomHex } from '../kernel/crypto.ts';
import { MARGIN } from '../protocol/lease.ts';
import { type FormerEpoch, type Head, isBeyond, type Rev } from '../protocol/rev.ts';
import {
  lockCluster,
  lockHead,
  readCluster,
  readFacts,
  readStandings,
  type ServerFacts,
  setRestoredAt,
  updateFacts,
  writeHead,
} from './epoch-store.ts';
import { readLeases } from './lease-store.ts';
import { listAccountIds, readHead } from './store.ts';

/** Another history in the place of the known one. */
export interface NewHistory {
  readonly cause: 'failover' | 'restore';
  /** Nothing was lost, so readings of the former epoch count up to where it was found to end. */
  readonly keepFormer: boolean;
}

/** Why an epoch begins: found by itself, said by whoever restored the database, or proven. */
export type NewEpoch =
  | NewHistory
  | { readonly cause: 'operator' }
  /** An administrator has read what is different after a restore: what there is now counts, and people sign in. */
  | { readonly cause: 'approval' }
  | { readonly cause: 'lost_commit'; readonly accountId: string; readonly rev: Rev };

/** What the server of the database is to whoever wants to decide by its word. */
export type History =
  | { readonly ok: true; readonly synchronous: boolean }
  | { readonly ok: false; readonly why: 'replica' }
  | ({ readonly ok: false; readonly why: 'new_history' } & NewHistory);

/**
 * Whether this is the primary of the history that is known (design §4.9). Ask at every renewal of a lease, on the
 * connection of the lease. The first to ask writes down what is found. On `new_history` wait until the longest lease
 * has passed, then call `beginEpoch` with the answer; nobody decides before. `last` is what this process was answered
 * before: if commits did not wait for a standby then, some may be lost whatever the database that took over believes.
 */
export async function checkHistory(database: Database, last?: { synchronous: boolean }): Promise<History> {
  const { facts, known } = await database.snapshot(async (snapshot) => ({
    facts: await readFacts(snapshot),
    known: await readCluster(snapshot),
  }));
  if (facts.isReplica) return { ok: false, why: 'replica' };
  const found = known && findNewHistory(known, facts);
  if (found) {
    const keepFormer = found.keepFormer && last?.synchronous !== false;
    return { ok: false, why: 'new_history', ...found, keepFormer };
  }
  if (!known || (known.synchronous === 1) !== facts.synchronous) await noteFacts(database, facts);
  return { ok: true, synchronous: facts.synchronous };
}

/** Where commits wait from now on, this one does as well: once it has returned, the standby has all of them. */
async function noteFacts(database: Database, facts: ServerFacts): Promise<void> {
  await database.write(async (tx) => {
    const known = await lockCluster(tx, facts);
    if (!findNewHistory(known, facts)) await updateFacts(tx, facts);
  });
}

/** Another database in the place of the known one is a restore; another timeline of it, a failover. */
function findNewHistory(known: ClusterRow, facts: ServerFacts): NewHistory | null {
  if (known.system_identifier !== facts.identity) return { cause: 'restore', keepFormer: false };
  if (known.timeline === facts.timeline) return null;
  return { cause: 'failover', keepFormer: known.synchronous === 1 };
}

/** The epoch that an account left, and the place at which it goes on. */
export interface BegunEpoch {
  readonly accountId: string;
  readonly former: FormerEpoch;
  readonly at: Rev;
}

/**
 * Begins a new epoch in every account, in one transaction with its audit entries; call when the longest lease has
 * passed. Readings of the former epoch count up to its end if nothing was lost, or else not at all, and then nobody
 * signs in, and no service token is known, until an administrator approves (schedules 10 and 21). Null if it turned out not to be needed any more:
 * several nodes notice at once, and all but one find it done. The caller logs it and polls the feed.
 */
export async function beginEpoch(
  { database, clock }: { database: Database; clock: Clock },
  epoch: NewEpoch,
): Promise<readonly BegunEpoch[] | null> {
  return await database.write(async (tx) => {
    const facts = await readFacts(tx);
    const known = await lockCluster(tx, facts);
    const keepFormer = await judge(tx, epoch, { known, facts });
    if (keepFormer === null) return null;
    const now = timestamp(clock.now());
    await updateFacts(tx, facts);
    if (epoch.cause === 'approval') await setRestoredAt(tx, null);
    if (!keepFormer && known.restored_at === null) await setRestoredAt(tx, now);
    const begun: BegunEpoch[] = [];
    const above = epoch.cause === 'lost_commit' ? epoch.rev.epoch : 0;
    for (const accountId of await listAccountIds(tx))
      begun.push(await beginIn(tx, accountId, { keepFormer, above }));
    for (const one of begun) await noteBegun(tx, { one, now, cause: epoch.cause });
    return begun;
  });
}

/** Whether readings of the former epoch go on counting; null if there is no need for a new one. */
async function judge(
  tx: Tx,
  epoch: NewEpoch,
  { known, facts }: { known: ClusterRow; facts: ServerFacts },
): Promise<boolean | null> {
  if (facts.isReplica) throw new Error('an epoch cannot begin on a standby');
  if (epoch.cause === 'operator') return false;
  if (epoch.cause === 'approval') return known.restored_at === null ? null : true;
  if (epoch.cause === 'lost_commit') return (await isLost(tx, epoch)) ? false : null;
  const found = findNewHistory(known, facts);
  return found ? found.keepFormer && epoch.keepFormer : null;
}

async function beginIn(
  tx: Tx,
  accountId: string,
  { keepFormer, above }: { keepFormer: boolean; above: number },
): Promise<BegunEpoch> {
  const head = await lockHead(tx, accountId);
  const former = { epoch: head.epoch, ended: keepFormer ? head.position : -1 };
  const at = {
    epoch: keepFormer ? head.epoch + 1 : Math.max(head.epoch, above) + 1 + strides(),
    position: head.position + 1,
  };
  await writeHead(tx, accountId, { ...at, floor: head.floor, formers: formersOf(head, former) });
  return { accountId, former, at };
}

/** The epochs in which something still counts, and the one that is over now. */
function formersOf({ floor, formers = [] }: Head, former: FormerEpoch): readonly FormerEpoch[] {
  if (former.ended < 0) return [former];
  return [...formers.filter(({ ended }) => ended >= floor), former];
}

/** One backup can be restored twice, and the first time forgotten: the two histories must not share an epoch. */
function strides(): number {
  return Number.parseInt(randomHex(3), 16);
}

async function noteBegun(
  tx: Tx,
  { one, now, cause }: { one: BegunEpoch; now: string; cause: NewEpoch['cause'] },
): Promise<void> {
  const { accountId, at, former } = one;
  await recordAudit(tx, {
    accountId,
    at,
    now,
    actor: cause === 'operator' || cause === 'approval' ? operator : system,
    facts: {
      action: cause === 'approval' ? 'database.approve' : 'epoch.begin',
      resource: { type: 'account', id: accountId },
      metadata: { cause, epoch: at.epoch, former_epoch: former.epoch, former_ended: former.ended },
    },
  });
}

/**
 * Takes a reading that goes beyond the head, after everything committed was read, for what it is: proof that the
 * database lost a commit, so that a removal may be lost as well. `rev` is of a token whose signature was verified, or
 * was applied by a node or gate of ours: nobody can make one up who does not have a signing key. Waits until the leases
 * that were given by the lost history have passed, then begins an epoch as after a restore. Null if it is no proof.
 */
export async function proofOfLostCommit(
  place: { database: Database; clock: Clock },
  proof: { accountId: string; rev: Rev },
): Promise<readonly BegunEpoch[] | null> {
  if (!(await place.database.snapshot((snapshot) => isLost(snapshot, proof)))) return null;
  await waitOutLeases(place.database.reader);
  return await beginEpoch(place, { cause: 'lost_commit', ...proof });
}

async function isLost(
  snapshot: Parameters<typeof readHead>[0],
  { accountId, rev }: { accountId: string; rev: Rev },
): Promise<boolean> {
  const head = await readHead(snapshot, accountId);
  return head !== null && isBeyond(rev, head);
}

const LONGEST_LEASE = MINUTE;

/** Resolves when every lease that the database knows of has passed, with the margin. */
export async function waitOutLeases(reader: Reader): Promise<void> {
  const lengths = (await readLeases(reader)).map((lease) => Math.min(lease.lease_ms, LONGEST_LEASE));
  if (lengths.length > 0) await wait(Math.max(...lengths) * (1 + MARGIN));
}

/** Since when the database is closed to sign-in, because an older state of it took its place; null while it is open. */
export async function closedSince(reader: Reader): Promise<string | null> {
  return (await readCluster(reader))?.restored_at ?? null;
}

/** Where each account stands, and when it was last changed: what an administrator compares after a restore. */
export async function listStandings(reader: Reader) {
  return await readStandings(reader);
}
