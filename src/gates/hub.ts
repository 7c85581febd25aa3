import type { Stopwatch } from '../kernel/clock.ts';
import type { FeedBatch } from '../protocol/feed.ts';
import { CLOSE, type FromNode } from '../protocol/gate-messages.ts';
import { type Lease, MARGIN } from '../protocol/lease.ts';
import { type Rev, reaches } from '../protocol/rev.ts';
import type { AccountSnapshot, Follower } from '../removal/feed.ts';
import type { OwnGates } from '../removal/in-force.ts';
import { isTooLarge } from './bring.ts';
import { createGateProcess, type GateProcess, type GateStream } from './process.ts';

/** How long an answer about one request may be used by a gate that has no lease, in milliseconds. */
const LONGEST_LEND = 2000;

/** While somebody waits, in milliseconds. */
const LOOK_AT_LEAST = 100;

export interface GateHubOptions {
  /** The node's own: nothing is granted beyond it. */
  readonly lease: Lease;
  /** How long a lease is, in milliseconds. */
  readonly length: number;
  readonly stopwatch: Stopwatch;
  /** This node answers for the feed of the account up to `at`; the gates named had to run out. */
  readonly onSettled: (accountId: string, at: Rev, waitedFor: readonly string[]) => void;
  /** A gate that was granted a lease did not apply an entry before it ran out. */
  readonly onLate: (gateName: string, processId: string) => void;
}

/** A gate process at its attachment. */
export interface Attaching {
  readonly processId: string;
  readonly gateId: string;
  readonly gateName: string;
  readonly accountId: string;
}

/**
 * The remote gates of this node: what each was sent, what it has applied, and until when it may decide (design §4.7).
 * A gate's lease ends within the node's; while an entry is unacked it is not renewed beyond what the node's lease was
 * when the entry came, so a gate that renews without applying cannot hold removals for ever.
 */
export interface GateHub extends OwnGates, Follower {
  apply(batch: FeedBatch): void;
  /** Registers a process: from now on nothing that is applied here is missed by its stream. */
  attach(who: Attaching, stream: GateStream): GateProcess;
  /** The stream is gone. Until its lease has run out the process still counts, unless it gave the lease back. */
  detach(process: GateProcess, stream: GateStream, options: { returned: boolean }): void;
  /**
   * An answer about one request was decided in this turn: for how many milliseconds it may be used, 0 if not at all.
   * Until then removals wait for it (schedule 5).
   */
  lend(accountId: string): number;
  /** Whether any gate may still decide by what this node granted or lent. */
  hasGrants(): boolean;
  /** Closes every stream. */
  closeAll(code: number): void;
}

/** How many processes of one credential are attached to a node at once. */
const MOST_PROCESSES = 100;

function crowd({ processes }: Account, gateId: string): number {
  return [...processes.values()].filter((one) => one.gateId === gateId && one.isAttached()).length;
}

interface Waiting {
  readonly at: Rev;
  readonly done: (waitedFor: readonly string[]) => void;
}

interface Lend {
  /** What the node had applied when it answered. */
  readonly at: Rev;
  until: number;
}

interface Account {
  applied: Rev | null;
  readonly processes: Map<string, GateProcess>;
  lends: Lend[];
  waiting: Waiting[];
  timer: NodeJS.Timeout | null;
}

export function createGateHub(options: GateHubOptions): GateHub {
  const { lease, length, stopwatch, onSettled, onLate } = options;
  const accounts = new Map<string, Account>();

  const accountOf = (accountId: string): Account => {
    const known = accounts.get(accountId);
    if (known) return known;
    const fresh: Account = { applied: null, processes: new Map(), lends: [], waiting: [], timer: null };
    accounts.set(accountId, fresh);
    return fresh;
  };

  const forgetEnded = (account: Account) => {
    const now = stopwatch.elapsed();
    account.lends = account.lends.filter(({ until }) => until > now);
    for (const [id, process] of account.processes) {
      if (process.hasEnded(now) && process.hasUnacked() && !process.isLate) {
        process.isLate = true;
        onLate(process.gateName, id);
      }
      if (process.hasEnded(now) && !process.isAttached()) account.processes.delete(id);
    }
  };

  const blockers = (account: Account, at: Rev) => {
    const now = stopwatch.elapsed();
    const gates = [...account.processes.values()].filter((process) => process.blocks(at, now));
    const lends = account.lends.filter((lend) => lend.until > now && !reaches(lend.at, at));
    return { gates, lends };
  };

  /** Up to where nothing is outstanding. */
  const settledTo = ({ applied, processes, lends }: Account): Rev | null => {
    const now = stopwatch.elapsed();
    let lowest = applied;
    const lower = (at: Rev) => {
      if (lowest && !reaches(at, lowest)) lowest = at;
    };
    for (const process of processes.values()) {
      const first = process.hasEnded(now) ? null : process.firstUnacked();
      if (first) lower({ epoch: first.epoch, position: first.position - 1 });
    }
    for (const lend of lends) if (lend.until > now) lower(lend.at);
    return lowest;
  };

  const lateNames = (account: Account, at: Rev) =>
    [...account.processes.values()].filter((process) => process.owes(at)).map(({ gateName }) => gateName);

  const look = (accountId: string) => {
    const account = accountOf(accountId);
    // Before anybody is told that it is over.
    for (const process of account.processes.values()) process.closeIfOver(stopwatch.elapsed());
    const settled = settledTo(account);
    if (settled) {
      const waitedFor = lateNames(account, settled);
      const done = account.waiting.filter(({ at }) => reaches(settled, at));
      account.waiting = account.waiting.filter(({ at }) => !reaches(settled, at));
      onSettled(accountId, settled, waitedFor);
      for (const one of done) one.done(lateNames(account, one.at));
    }
    forgetEnded(account);
    lookLater(accountId, account);
  };

  /** A lease that runs out is an event of which nobody tells. */
  const lookLater = (accountId: string, account: Account) => {
    if (account.timer) clearTimeout(account.timer);
    account.timer = null;
    const now = stopwatch.elapsed();
    const ends = [...account.processes.values()].map((process) => process.endsAt());
    // What is over, or never was, is no event that is still to come; and nobody is left waiting for one that just was.
    const coming = [...ends, ...account.lends.map(({ until }) => until)].filter((end) => end > now);
    const next = Math.min(...coming, ...(account.waiting.length > 0 ? [now + LOOK_AT_LEAST] : []));
    const isWaited = account.waiting.length > 0 || account.lends.length > 0 || settledLags(account);
    if (!isWaited || !Number.isFinite(next)) return;
    const inMilliseconds = Math.max(1, Math.ceil(next - now));
    account.timer = setTimeout(() => look(accountId), inMilliseconds).unref();
  };

  const settledLags = (account: Account) => {
    const settled = settledTo(account);
    return account.applied !== null && settled !== null && !reaches(settled, account.applied);
  };

  /** Until when a grant may go that is made now, or that is made later to a gate that owes this entry. */
  const capNow = () => stopwatch.elapsed() + Math.min(length, lease.remaining());

  const load = ({ accountId, head }: AccountSnapshot) => {
    const account = accountOf(accountId);
    const to = { epoch: head.epoch, position: head.position };
    const from = account.applied ?? to;
    account.applied = to;
    // All of them owe it before anybody is looked at: closing a stream looks.
    for (const process of account.processes.values()) process.restart(from, to);
    for (const process of [...account.processes.values()]) process.close(CLOSE.forked);
    look(accountId);
  };

  const apply = (batch: FeedBatch) => {
    const { accountId, at, items, chain } = batch;
    const account = accountOf(accountId);
    account.applied = at;
    if (items.length === 0) return;
    const message: FromNode = { type: 'batch', ...at, items, chain };
    const written = JSON.stringify(message);
    const text = isTooLarge(written) ? null : written;
    const ended = new Set(
      items.flatMap((item) =>
        item.kind === 'revocation' && item.subject.type === 'gate' ? [item.subject.id] : [],
      ),
    );
    for (const process of account.processes.values()) {
      process.owe({ at, cap: capNow() }, text);
      if (ended.has(process.gateId)) process.revoke();
    }
    if (text === null) {
      // What is too large for a message comes with a snapshot: whoever lacks it owes it until then, as if away.
      for (const process of [...account.processes.values()])
        if (process.owes(at)) process.close(CLOSE.forked);
    }
    look(accountId);
  };

  return {
    load,
    apply,
    attach: (who, stream) => {
      const account = accountOf(who.accountId);
      const applied = account.applied ?? { epoch: 0, position: 0 };
      const known = account.processes.get(who.processId);
      // One process has one credential: else the end of the other would not end it.
      if (known && known.gateId !== who.gateId) throw new Error('a process of another gate');
      if (crowd(account, who.gateId) >= MOST_PROCESSES) throw new Error('too many processes of one gate');
      const process =
        known ??
        createGateProcess(who, { applied, lease, length, stopwatch, onChange: () => look(who.accountId) });
      account.processes.set(who.processId, process);
      process.connect(stream);
      return process;
    },
    detach: (process, stream, { returned }) => {
      process.disconnect(stream, { returned });
      look(process.accountId);
    },
    lend: (accountId) => {
      const account = accountOf(accountId);
      const milliseconds = Math.floor(Math.min(LONGEST_LEND, lease.remaining()));
      if (!(milliseconds > 0) || !account.applied) return 0;
      const until = stopwatch.elapsed() + milliseconds * (1 + MARGIN);
      const last = account.lends.at(-1);
      if (last && reaches(last.at, account.applied)) last.until = Math.max(last.until, until);
      else account.lends.push({ at: account.applied, until });
      return milliseconds;
    },
    settled: async (accountId, at) => {
      const account = accountOf(accountId);
      const { gates, lends } = blockers(account, at);
      if (gates.length === 0 && lends.length === 0) return [];
      return await new Promise((done) => {
        account.waiting.push({ at, done });
        lookLater(accountId, account);
      });
    },
    hasGrants: () => {
      const now = stopwatch.elapsed();
      return [...accounts.values()].some(
        ({ processes, lends }) =>
          lends.some(({ until }) => until > now) ||
          [...processes.values()].some((process) => !process.hasEnded(now)),
      );
    },
    closeAll: (code) => {
      for (const { processes } of accounts.values())
        for (const process of processes.values()) process.close(code);
    },
  };
}
