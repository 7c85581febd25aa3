import type { Act } from '../../database/act.ts';
import type { Reader, Tx } from '../../database/database.ts';
import { system } from '../../kernel/actor.ts';
import { DAY, type Stopwatch, timestamp } from '../../kernel/clock.ts';
import { type Change, type Control, commitAct } from '../../removal/act.ts';
import { endSeats, lockSeats } from '../users/seat-removals.ts';
import { type IdleKey, listIdleSeats, unusedSince } from '../users/seats.ts';
import { auditedSeat } from './seats.ts';

/** After how many milliseconds without sign-in and device a seat is given back. */
export interface ExpiryParts {
  readonly control: Control;
  /** Of the accounts in which seats expire. */
  readonly list: (reader: Reader) => Promise<readonly { accountId: string; inactiveTime: number }[]>;
  /** Of one account; null: they do not expire. */
  readonly find: (reader: Reader, accountId: string) => Promise<number | null>;
}

/** What the timer does with the seats of every account: see `turn`. */
export interface SeatTimer {
  /**
   * Gives back the seats of everybody who has not signed in, and whose devices were not seen, for as long as their
   * account says, exactly as when both kinds are taken away: once a day for each account, and at once in a new
   * process. Does so many at a time and goes on at the next turn. Any number of nodes may do this at the same time:
   * each seat is decided again in its transaction, behind the lock of its holder. Rejects after the last account if
   * one failed.
   */
  turn(): Promise<void>;
}

/** How far the look through an account has come. */
interface Look {
  /** By the stopwatch. */
  readonly begunAt: number;
  readonly after: IdleKey;
  readonly isDone: boolean;
}

const AT_ONCE = 100;
const BATCHES_A_TURN = 50;

/** Somebody was faster, or came back: nothing is committed. */
class NothingToDo extends Error {}

export function createSeatTimer(parts: ExpiryParts, stopwatch: Stopwatch): SeatTimer {
  const looks = new Map<string, Look>();

  const lookOf = (accountId: string): Look => {
    const known = looks.get(accountId);
    const now = stopwatch.elapsed();
    const isDue = !known || (known.isDone && now - known.begunAt >= DAY);
    return isDue ? { begunAt: now, after: null, isDone: false } : known;
  };

  const look = async (accountId: string, inactiveTime: number) => {
    for (let left = BATCHES_A_TURN; left > 0; left -= 1) {
      const before = lookOf(accountId);
      if (before.isDone) return;
      const next = await expireSome(parts, { accountId, inactiveTime, after: before.after });
      looks.set(accountId, { ...before, after: next, isDone: next === null });
    }
  };

  return {
    turn: async () => {
      const accounts = await parts.list(parts.control.database.reader);
      const known = new Set(accounts.map(({ accountId }) => accountId));
      for (const accountId of looks.keys()) if (!known.has(accountId)) looks.delete(accountId);
      const failures: unknown[] = [];
      for (const { accountId, inactiveTime } of accounts) {
        await look(accountId, inactiveTime).catch((error: unknown) => failures.push(error));
      }
      if (failures.length > 0) throw new AggregateError(failures, 'unused seats could not be given back');
    },
  };
}

interface Batch {
  readonly accountId: string;
  readonly inactiveTime: number;
  readonly after: IdleKey;
}

/** Looks at the next seats that may be unused; answers after whom to go on, null after the last. */
async function expireSome(parts: ExpiryParts, { accountId, inactiveTime, after }: Batch): Promise<IdleKey> {
  const { database, clock } = parts.control;
  const before = timestamp(clock.now() - inactiveTime);
  const asked = { accountId, before, after, limit: AT_ONCE };
  const { seatUids, last } = await listIdleSeats(database.reader, asked);
  if (seatUids.length > 0) await expire(parts, accountId, seatUids);
  return last;
}

async function expire(parts: ExpiryParts, accountId: string, seatUids: readonly string[]): Promise<void> {
  const act: Act = { accountId, actor: system, authorize: async () => {} };
  try {
    await commitAct(parts.control, act, (tx) => endUnused(tx, parts, { accountId, seatUids }));
  } catch (error) {
    if (!(error instanceof NothingToDo)) throw error;
  }
}

async function endUnused(
  tx: Tx,
  { control, find }: ExpiryParts,
  { accountId, seatUids }: { accountId: string; seatUids: readonly string[] },
): Promise<Change<void>> {
  const holders = [...(await lockSeats(tx, accountId, seatUids)).values()];
  // Read behind the locks: whoever signed in, or whatever setting was changed, until now counts.
  const inactiveTime = await find(tx, accountId);
  const now = control.clock.now();
  if (inactiveTime === null) throw new NothingToDo();
  const unused = await unusedSince(tx, { accountId, holders, since: timestamp(now - inactiveTime) });
  if (unused.length === 0) throw new NothingToDo();
  const changes = unused.map((holder) => ({ holder, keep: { access: false, gateway: false } }));
  const ended = await endSeats(tx, accountId, { changes, now: timestamp(now) });
  return {
    result: undefined,
    items: ended.flatMap(({ items }) => items),
    guard: async (later) => {
      // Turned off, or made longer, by an act that committed in between.
      if ((await find(later, accountId)) !== inactiveTime) throw new NothingToDo();
    },
    audit: {
      action: 'seats.expire',
      resource: { type: 'seats', id: accountId },
      metadata: { seats: ended.map(auditedSeat) },
    },
  };
}
