import { type AuditFacts, recordAudit } from '../audit/audit.ts';
import type { Act } from '../database/act.ts';
import type { Database, Tx } from '../database/database.ts';
import { type Clock, MINUTE, timestamp } from '../kernel/clock.ts';
import { ApiError, refusal } from '../kernel/errors.ts';
import type { FeedItem } from '../protocol/feed.ts';
import type { Rev } from '../protocol/rev.ts';
import { detachedFeed, type Feed } from './feed.ts';
import { aloneInForce, type InForce } from './in-force.ts';
import { detachedRemovals, type Removals } from './removals.ts';
import {
  appendFeed,
  dropAnswersBefore,
  findAnswer,
  keepAnswer,
  readHead,
  type TakenPosition,
  takePosition,
} from './store.ts';

/** What every act needs. */
export interface Control {
  readonly database: Database;
  readonly feed: Feed;
  readonly inForce: InForce;
  readonly removals: Removals;
  readonly clock: Clock;
}

/**
 * Without other nodes and gates to wait for. With a feed that is detached as well: for a command beside the servers,
 * whose acts end nothing that anybody keeps in memory.
 */
export function aloneControl({
  database,
  clock,
  feed = detachedFeed,
}: Pick<Control, 'database' | 'clock'> & { feed?: Feed }): Control {
  return { database, clock, feed, inForce: aloneInForce(feed), removals: detachedRemovals };
}

/** What a change did: its answer, what gates must know of it, and its audit entry. */
export interface Change<T> {
  readonly result: T;
  readonly items?: readonly FeedItem[];
  readonly audit: AuditFacts;
  /** What the entry of each account says, where not all may know the same. */
  readonly auditIn?: (accountId: string) => AuditFacts;
  /** Asked after the counter row is locked, with all that committed before in sight; throws the refusal. */
  readonly guard?: (tx: Tx) => Promise<void>;
  /**
   * Done after the actor's right and the guard were asked: whatever could end or widen the actor's own right
   * (their own token, membership or group).
   */
  readonly finish?: (tx: Tx) => Promise<void>;
  /**
   * Nothing ends by it, it only adds: the answer does not wait for other nodes and gates, which catch up when they
   * meet what is new.
   */
  readonly onlyAdds?: boolean;
  /** Further accounts in which this act ends authority; each gets the items and an entry as well. */
  readonly alsoAccountIds?: readonly string[];
}

/** How long the answer of a DELETE is repeated to the same caller. */
const REPEAT_FOR = 5 * MINUTE;

/**
 * The one primitive (design §4): the domain change, the feed entries and the audit entry in one transaction,
 * the actor's right asked again after the counter is locked, and an answer only when it is in force. Every
 * path that changes or ends access comes through here.
 *
 * `change` locks owner rows first and may run again from its start; whatever it throws undoes everything. A
 * refusal is answered only after what it was read from is in force as well: a 404 says that access is gone.
 */
export async function commitAct<T>(
  control: Control,
  act: Act,
  change: (tx: Tx) => Promise<Change<T>>,
): Promise<T> {
  try {
    const { result, committed } = await control.database.write((tx) => perform(control, act, tx, change));
    for (const one of committed) await enforce(control, one);
    return result;
  } catch (error) {
    if (!(error instanceof ApiError)) {
      // The answer to COMMIT may be what was lost: then it happened, and must be in force here as well.
      await settle(control, act.accountId).catch(() => {});
      throw error;
    }
    await settle(control, act.accountId);
    return repeatedAnswer(control, act, error);
  }
}

/**
 * Resolves when everything that has committed in the account is in force. Asked before an answer that says
 * that something is gone: another caller's removal may have committed and not be in force yet (schedule 17).
 */
export async function settle(
  { database, feed, inForce }: Pick<Control, 'database' | 'feed' | 'inForce'>,
  accountId: string,
): Promise<void> {
  const head = await database.snapshot((snapshot) => readHead(snapshot, accountId));
  if (!head) return;
  await feed.reach(accountId, head);
  await inForce.reached(accountId, { epoch: head.epoch, position: head.chained });
}

/** What one account has to know of an act before it is answered. */
interface Committed {
  readonly accountId: string;
  readonly at: Rev;
  /** Nobody beside this process has to know first. */
  readonly isLocal: boolean;
  readonly isRemoval: boolean;
}

/** Resolves when it is in force: here, or wherever somebody decides. */
async function enforce({ feed, inForce, removals }: Control, one: Committed): Promise<void> {
  const { accountId, at, isLocal, isRemoval } = one;
  if (isLocal) return await feed.reach(accountId, at);
  const waited = await inForce.reached(accountId, at);
  if (isRemoval) removals.finished({ accountId, at, ...waited });
}

async function perform<T>(control: Control, act: Act, tx: Tx, change: (tx: Tx) => Promise<Change<T>>) {
  const now = timestamp(control.clock.now());
  const done = await change(tx);
  const accountIds = [...new Set([act.accountId, ...(done.alsoAccountIds ?? [])])].sort();
  const committed: TakenPosition[] = [];
  for (const accountId of accountIds) committed.push(await takePosition(tx, accountId));
  refuseTaken(control, committed);
  await act.authorize(tx);
  await done.guard?.(tx);
  await done.finish?.(tx);
  const items = done.items ?? [];
  const isLocal = items.length === 0 || done.onlyAdds === true;
  const isRemoval = items.some(({ kind }) => kind === 'revocation');
  for (const taken of committed) {
    const batch = await appendFeed(tx, taken, items);
    const { actor, request } = act;
    const facts = done.auditIn?.(taken.accountId) ?? done.audit;
    await recordAudit(tx, { ...taken, now, actor, facts, ...(request ? { request } : {}) });
    if (isRemoval) await control.removals.note(tx, { ...taken, now });
    tx.afterCommit(() => control.feed.committed(batch));
  }
  if (act.repeat) await rememberAnswer(tx, act, now, done.result);
  return { result: done.result, committed: committed.map((taken) => ({ ...taken, isLocal, isRemoval })) };
}

/** A database that hands out a place a second time has lost what was there: nobody would apply what comes now. */
function refuseTaken({ feed }: Control, committed: readonly TakenPosition[]): void {
  if (!committed.some(({ accountId, at }) => feed.isTaken(accountId, at))) return;
  feed.poll().catch(() => {});
  throw refusal('unavailable', { cause: new Error('the database is behind what was applied here') });
}

async function rememberAnswer(tx: Tx, act: Act, now: string, result: unknown): Promise<void> {
  if (!act.repeat) return;
  await dropAnswersBefore(tx, act.accountId, timestamp(Date.parse(now) - REPEAT_FOR));
  await keepAnswer(tx, {
    id: act.repeat.key,
    account_id: act.accountId,
    body: JSON.stringify(result),
    at: now,
  });
}

/** A DELETE sent again by the client because its answer was lost is told what the first was told. */
async function repeatedAnswer<T>(control: Control, act: Act, error: ApiError): Promise<T> {
  if (!act.repeat?.isRetry || error.status !== 404) throw error;
  const answer = await findKept(control, act.repeat.key);
  if (answer === null) throw error;
  return JSON.parse(answer.body) as T;
}

/**
 * What a DELETE was answered that nobody sees the account or zone of any more, since that is what it deleted; null if
 * there was none within five minutes. Resolves when what it did is in force.
 */
export async function answerBefore(
  control: Pick<Control, 'database' | 'clock' | 'feed' | 'inForce'>,
  key: string,
): Promise<{ result: unknown } | null> {
  const answer = await findKept(control, key);
  if (answer === null) return null;
  await settle(control, answer.account_id);
  return { result: JSON.parse(answer.body) };
}

async function findKept({ database, clock }: Pick<Control, 'database' | 'clock'>, key: string) {
  return await findAnswer(database.reader, key, timestamp(clock.now() - REPEAT_FOR));
}
