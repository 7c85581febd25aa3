import { isKeyOfAccount } from '../../access/keys/keys.ts';
import type { Act } from '../../database/act.ts';
import type { Reader, Snapshot, Tx } from '../../database/database.ts';
import type { GateKeyRow, GateProcessRow } from '../../database/tables.ts';
import { system } from '../../kernel/actor.ts';
import { MINUTE, timestamp } from '../../kernel/clock.ts';
import { sha256 } from '../../kernel/crypto.ts';
import { refusal } from '../../kernel/errors.ts';
import { isSecret } from '../../kernel/ids.ts';
import type { JsonObject } from '../../kernel/json.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import type { GateKey } from '../../protocol/gate-messages.ts';
import type { KeyState } from '../../protocol/state.ts';
import { type Change, type Control, commitAct } from '../../removal/act.ts';
import {
  deleteGateKeys,
  deleteUnseen,
  hasAttachedUnnoted,
  insertGateKey,
  listDetachedKeys,
  listGateKeys,
  listGatesWithUnseen,
  listHeld,
  listKeysOf,
  touchAttached,
  touchGateKey,
} from './key-store.ts';
import {
  type Attachment,
  deleteProcess,
  findGate,
  findGateByHash,
  hasGate,
  lockGates,
  saveProcess,
} from './store.ts';

/** A gate whose credential was believed. */
export interface GateCredential {
  readonly id: string;
  readonly accountId: string;
  readonly name: string;
}

/** One for each process that shares a credential, and some to spare. */
const MOST_KEYS = 20;

/** What a gate has signed lives five minutes, and a seen key is noted as such every five. */
const UNSEEN_FOR = 15 * MINUTE;
const NOTED_EVERY = 5 * MINUTE;

/** The gate of that secret, of whichever account; null for anything that is not the secret of a gate that lives. */
export async function findGateBySecret(reader: Reader, secret: string): Promise<GateCredential | null> {
  if (!isSecret(secret, ['pcg'])) return null;
  // By the hash: how long a comparison takes tells nothing of the secret.
  const row = await findGateByHash(reader, sha256(secret));
  return row && { id: row.id, accountId: row.account_id, name: row.name };
}

/** Whether the credential of a gate that was believed before still lives. */
export async function gateLives(reader: Reader, gateId: string): Promise<boolean> {
  return await hasGate(reader, gateId);
}

/**
 * Publishes the key with which a gate signs assertions; resolves when it is in the key set that this node answers with,
 * and others follow as fast as their feed. A key that the gate has already is noted as seen, and nothing else. Refuses with 401 for a gate that is gone (schedule 18), 400
 * for a key that cannot be, 409 where every key of the gate is in use. Nothing is ever signed with it here, and
 * nothing that it signs is a credential.
 */
export async function publishGateKey(control: Control, gate: GateCredential, key: GateKey): Promise<void> {
  const jwk = readKey(key);
  const now = timestamp(control.clock.now());
  const name = { gate_id: gate.id, kid: key.kid };
  if (await control.database.write((tx) => touchGateKey(tx, name, now))) return;
  const act: Act = {
    accountId: gate.accountId,
    actor: { ...system, type: 'gate', id: gate.id, interface: 'gate' },
    authorize: async (tx) => {
      if (!(await findGate(tx, gate.accountId, gate.id))) throw unknownGate();
    },
  };
  await attempt(control, act, (tx) => attachKey(tx, { gate, kid: key.kid, jwk, now }));
}

/** The keys of the account's gates, for gates and for the key set. */
export async function gateKeyStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  const rows = await listGateKeys(snapshot, accountId);
  return [...new Map(rows.map((row) => [row.kid, keyItem(row)])).values()];
}

/**
 * Drops the keys that no attached process has and that were not seen for a quarter of an hour: nothing that they
 * signed lives. Any number of nodes may do this at once. `now` is milliseconds since the epoch. Rejects after the
 * last gate if one failed.
 */
export async function dropUnseenGateKeys(control: Control, now: number): Promise<void> {
  const { database } = control;
  if (await hasAttachedUnnoted(database.reader, timestamp(now - NOTED_EVERY))) {
    await database.write((tx) => touchAttached(tx, timestamp(now)));
  }
  const before = timestamp(now - UNSEEN_FOR);
  const failures: unknown[] = [];
  for (const { id, account_id: accountId, name } of await listGatesWithUnseen(database.reader, before)) {
    const act: Act = { accountId, actor: system, authorize: async () => {} };
    const dropped = attempt(control, act, (tx) => dropUnseen(tx, { id, accountId, name }, before));
    await dropped.catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw new AggregateError(failures, 'keys of a gate could not be dropped');
}

/**
 * Notes that a process is attached to a node, or to another than before. Its key must be published first, else the
 * database refuses. 401 for a process id that another gate has.
 */
export async function noteProcess(tx: Tx, row: GateProcessRow): Promise<void> {
  if (!(await saveProcess(tx, row))) throw unknownGate();
}

/**
 * Forgets that a process is attached to that node. One that has gone on to another stays, and with `attached_at` one
 * that has come back to the same.
 */
export async function dropProcess(tx: Tx, process: Attachment): Promise<void> {
  await deleteProcess(tx, process);
}

/** What gates and the key set are told of keys that a gate has no more; asked behind `lockGates`. */
export async function goneKeys(tx: Tx, accountId: string, kids: readonly string[]): Promise<FeedItem[]> {
  const held = await listHeld(tx, accountId, kids);
  return kids.filter((kid) => !held.has(kid)).map((id) => ({ kind: 'key', id, state: null }));
}

/** There is nothing to do any more: nothing is committed. */
class NothingToDo extends Error {}

async function attempt(control: Control, act: Act, change: (tx: Tx) => Promise<Change<void>>): Promise<void> {
  try {
    await commitAct(control, act, change);
  } catch (error) {
    if (!(error instanceof NothingToDo)) throw error;
  }
}

interface Attached {
  readonly gate: GateCredential;
  readonly kid: string;
  readonly jwk: KeyState['jwk'];
  readonly now: string;
}

async function attachKey(tx: Tx, { gate, kid, jwk, now }: Attached): Promise<Change<void>> {
  const { id, accountId, name } = gate;
  if (!(await lockGates(tx, accountId)).some((row) => row.id === id)) throw unknownGate();
  // A gate must not replace, nor by its end take away, a key that sessions are verified with.
  if (await isKeyOfAccount(tx, accountId, kid)) throw keyRefused('it is a key of the account');
  const keys = await listKeysOf(tx, id);
  // A second process with the same key was faster.
  if (keys.some((key) => key.kid === kid)) throw new NothingToDo();
  const dropped = await makeRoom(tx, id, keys.length);
  const stamps = { created_at: now, seen_at: now };
  const row = { kid, gate_id: id, account_id: accountId, public_jwk: JSON.stringify(jwk), ...stamps };
  await insertGateKey(tx, row);
  return {
    result: undefined,
    items: [...(await goneKeys(tx, accountId, dropped)), keyItem(row)],
    onlyAdds: dropped.length === 0,
    audit: { action: 'gate.attach_key', resource: { type: 'gate', id }, metadata: { name, kid, dropped } },
  };
}

/** Drops the keys that were longest unseen until there is room for one; attached ones stay. */
async function makeRoom(tx: Tx, gateId: string, held: number): Promise<string[]> {
  const excess = held - (MOST_KEYS - 1);
  if (excess <= 0) return [];
  const detached = (await listDetachedKeys(tx, gateId)).slice(0, excess).map(({ kid }) => kid);
  if (detached.length < excess) {
    throw refusal('conflict', { detail: `all ${MOST_KEYS} keys of the gate are in use` });
  }
  await deleteGateKeys(tx, gateId, detached);
  return detached;
}

async function dropUnseen(
  tx: Tx,
  { id, accountId, name }: GateCredential,
  before: string,
): Promise<Change<void>> {
  await lockGates(tx, accountId);
  const kids = await deleteUnseen(tx, { gateId: id, before });
  if (kids.length === 0) throw new NothingToDo();
  return {
    result: undefined,
    items: await goneKeys(tx, accountId, kids),
    audit: { action: 'gate.drop_keys', resource: { type: 'gate', id }, metadata: { name, keys: kids } },
  };
}

/** `former`, so that it is published and verifies, and no node looks for its private half. */
function keyItem({ kid, public_jwk }: Pick<GateKeyRow, 'kid' | 'public_jwk'>): FeedItem {
  const jwk = JSON.parse(public_jwk) as KeyState['jwk'];
  const state: KeyState = { kid, purpose: 'gate', stage: 'former', jwk };
  return { kind: 'key', id: kid, state: state as unknown as JsonObject };
}

/** RSA of 2048 to 4096 bits with the usual exponent, written in the one canonical way, under its own name. */
function readKey({ kid, kty, n, e }: GateKey): KeyState['jwk'] {
  const modulus = Buffer.from(n, 'base64url');
  const [first = 0, last = 0] = [modulus[0], modulus.at(-1)];
  const bits = modulus.length * 8 - (Math.clz32(first) - 24);
  if (kty !== 'RSA' || e !== 'AQAB') throw keyRefused('it must be RSA with the exponent 65537');
  if (modulus.toString('base64url') !== n || first === 0) throw keyRefused('its modulus is not canonical');
  if (bits < 2048 || bits > 4096 || last % 2 === 0) throw keyRefused('it must have 2048 to 4096 bits');
  if (kid !== sha256(n)) throw keyRefused('its id is not the hash of its modulus');
  return { kty, n, e };
}

function keyRefused(why: string) {
  return refusal('invalid', { detail: `the key of the gate is refused: ${why}` });
}

function unknownGate() {
  return refusal('authentication');
}
