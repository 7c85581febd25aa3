import type { Act } from '../../database/act.ts';
import type { Tx } from '../../database/database.ts';
import type { KeySettingsRow, SigningKeyRow } from '../../database/tables.ts';
import { system } from '../../kernel/actor.ts';
import { type Stopwatch, timestamp } from '../../kernel/clock.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import { type Change, commitAct } from '../../removal/act.ts';
import { keyItem } from './keys.ts';
import { type KeyMaker, newPairs, publish, rotated } from './rotation.ts';
import { isFull, isOver, isRipe, isRotationDue, isUnderWay } from './schedule.ts';
import { changeKey, deleteKey, listKeys, listSettings, lockSettings } from './store.ts';

/** What the timer does with the keys of every account: see `turn`. */
export interface KeyTimer {
  /**
   * Lets keys sign that were published for long enough, drops those that nothing living was signed with, and
   * publishes new ones where the interval is over. Any number of nodes may do this at the same time: each
   * step is decided again in its transaction, behind a lock. Rejects after the last account if one failed.
   */
  turn(): Promise<void>;
}

/** The keys of one account, read behind the lock or before it. */
interface Known {
  readonly accountId: string;
  readonly settings: KeySettingsRow;
  readonly keys: readonly SigningKeyRow[];
}

/** Another node was faster: nothing is committed. */
class NothingToDo extends Error {}

/** How long, by the stopwatch, this process has known the key in its stage; it begins anew with the process. */
type SeenFor = (key: SigningKeyRow) => number;

export function createKeyTimer(maker: KeyMaker, stopwatch: Stopwatch): KeyTimer {
  const { database } = maker.control;
  const firstSeen = new Map<string, number>();

  const note = (keys: readonly SigningKeyRow[]) => {
    const present = new Set(keys.map(nameOf));
    for (const name of firstSeen.keys()) if (!present.has(name)) firstSeen.delete(name);
    for (const name of present) firstSeen.set(name, firstSeen.get(name) ?? stopwatch.elapsed());
  };

  const seenFor: SeenFor = (key) => {
    const now = stopwatch.elapsed();
    return now - (firstSeen.get(nameOf(key)) ?? now);
  };

  return {
    turn: async () => {
      const accounts: Known[] = [];
      for (const settings of await listSettings(database.reader)) {
        const accountId = settings.account_id;
        accounts.push({ accountId, settings, keys: await listKeys(database.reader, accountId) });
      }
      note(accounts.flatMap(({ keys }) => keys));
      const failures: unknown[] = [];
      for (const known of accounts) {
        await turnAccount(maker, known, seenFor).catch((error: unknown) => failures.push(error));
      }
      if (failures.length > 0) throw new AggregateError(failures, 'keys of an account could not be turned');
    },
  };
}

async function turnAccount(maker: KeyMaker, known: Known, seenFor: SeenFor): Promise<void> {
  const { accountId, keys } = known;
  const { clock } = maker.control;
  const ripe = (key: SigningKeyRow) => isRipe(key, seenFor(key));
  const over = (key: SigningKeyRow) => isOver(key, { now: clock.now(), seenFor: seenFor(key) });
  if (keys.some(ripe)) {
    await attempt(maker, accountId, (tx, locked) => promote(tx, locked, { ripe, now: clock.now() }));
  }
  if (keys.some(over)) {
    await attempt(maker, accountId, (tx, locked) => drop(tx, locked, over));
  }
  if (mustRotate(known, clock.now())) {
    const pairs = await newPairs();
    await attempt(maker, accountId, async (tx, locked) => {
      const now = clock.now();
      if (!mustRotate(locked, now)) return null;
      const items = await publish(tx, { ...maker, accountId, pairs, now });
      return { result: undefined, items, audit: rotated(accountId, items) };
    });
  }
}

/** One step in its own transaction, decided behind the lock; null: there is nothing to do any more. */
async function attempt(
  { control }: KeyMaker,
  accountId: string,
  step: (tx: Tx, locked: Known) => Promise<Change<void> | null>,
): Promise<void> {
  const act: Act = { accountId, actor: system, authorize: async () => {} };
  try {
    await commitAct(control, act, async (tx) => {
      const settings = await lockSettings(tx, accountId);
      const change =
        settings && (await step(tx, { accountId, settings, keys: await listKeys(tx, accountId) }));
      if (!change) throw new NothingToDo();
      return change;
    });
  } catch (error) {
    if (!(error instanceof NothingToDo)) throw error;
  }
}

function mustRotate({ settings, keys }: Known, now: number): boolean {
  return !isUnderWay(keys) && !isFull(keys) && isRotationDue(settings, now);
}

/** The next keys sign from here on, and the private halves of those that signed until now are erased. */
async function promote(
  tx: Tx,
  { accountId, keys }: Known,
  { ripe, now }: { ripe: (key: SigningKeyRow) => boolean; now: number },
): Promise<Change<void> | null> {
  const since = { stage_since: timestamp(now) };
  const changed: SigningKeyRow[] = [];
  const change = async (key: SigningKeyRow, what: Partial<SigningKeyRow>) => {
    await changeKey(tx, key, { ...what, ...since });
    changed.push({ ...key, ...what, ...since });
  };
  for (const next of keys.filter(ripe)) {
    const current = keys.find(({ stage, purpose }) => stage === 'current' && purpose === next.purpose);
    if (current) await change(current, { stage: 'former', private_jwk: null });
    await change(next, { stage: 'current' });
  }
  return changedKeys('keys.promote', accountId, changed.map(keyItem));
}

/** Nothing that these keys signed is valid any more: they leave the key set, the gates and the database. */
async function drop(
  tx: Tx,
  { accountId, keys }: Known,
  isDue: (key: SigningKeyRow) => boolean,
): Promise<Change<void> | null> {
  const over = keys.filter(isDue);
  for (const key of over) await deleteKey(tx, key);
  const items = over.map(({ id }) => ({ kind: 'key' as const, id, state: null }));
  return changedKeys('keys.drop', accountId, items);
}

function changedKeys(
  action: string,
  accountId: string,
  items: readonly (FeedItem & { readonly id: string })[],
): Change<void> | null {
  if (items.length === 0) return null;
  const metadata = { keys: items.map(({ id }) => id) };
  return { result: undefined, items, audit: { action, resource: { type: 'keys', id: accountId }, metadata } };
}

/** A key in its stage. */
function nameOf({ id, stage }: SigningKeyRow): string {
  return `${stage} ${id}`;
}
