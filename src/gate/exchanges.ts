import { setImmediate } from 'node:timers';
import type { Clock } from '../kernel/clock.ts';
import type { FeedChange, FeedItem } from '../protocol/feed.ts';
import type { Lease } from '../protocol/lease.ts';
import type { Admitted } from './admission.ts';
import { changedBy, createKeys, endedBy, keyOf, touchedBy } from './exchange-keys.ts';
import type { Question } from './question.ts';

/** Why something open was ended. A closed list, for the log and for a WebSocket's last frame. */
export type CutReason = 'revoked' | 'policy' | 'expired' | 'lease_ended' | 'stopping';

/** Both ends of one request, upgrade or stream that is under way. None of its calls throws. */
export interface Exchange {
  readonly question: Question;
  readonly admitted: Admitted;
  /** It became a tunnel, which never ends by itself. */
  readonly isUpgraded: boolean;
  /** Ends it in this turn: upstream leg first, queued bytes dropped, sockets reset (decisions, Gate). */
  cut(reason: CutReason): void;
  /**
   * Nothing is taken from either side until `thaw` or `cut`. False if bytes are queued for a socket already: nobody
   * can hold those back, so it has to be decided in this turn.
   */
  freeze(): boolean;
  thaw(): void;
}

/** The place of an exchange among those that are open. */
export interface Place {
  /** Asked before every chunk, either way: neither cut nor frozen nor over by itself, and under a live lease. */
  mayFlow(): boolean;
  /** It has ended by itself. */
  leave(): void;
}

/**
 * Every exchange that is open at this gate, by whose it is. What a feed entry ends is cut before the entry counts
 * as applied; what a changed policy may end is frozen before, and decided after (design §4.5).
 */
export interface Exchanges {
  /** Call in the turn of the verdict, before the first byte. */
  enter(exchange: Exchange): Place;
  /** After the gate's memory has taken the batch, and in the same turn. */
  apply(batch: FeedChange): void;
  /** After the whole memory of an account was replaced, and in the same turn: all of it is decided anew. */
  reload(accountId: string): void;
  /**
   * The right to decide has ended: nothing flows from now on. What has bytes queued already is cut, since nobody can
   * hold those back (schedule 4). Also called by whoever finds out at a chunk.
   */
  suspend(): void;
  /** There is a new lease, and the memory has caught up under it: whatever was not ended meanwhile goes on. */
  resume(): void;
  /** Cuts what `suspend` has held: no new lease came in time. */
  cutSuspended(): void;
  /** Cuts what is over by itself; nothing of it flows since then anyway. */
  sweep(): void;
  /** Cuts all that are upgraded, which nobody need wait for. */
  cutUpgraded(reason: CutReason): void;
  cutAll(reason: CutReason): void;
  readonly size: number;
}

export interface ExchangesOptions {
  /** Until when it is admitted, in milliseconds since the epoch; null: no longer. From memory, in this turn. */
  readonly admittedUntil: (question: Question, admitted: Admitted) => number | null;
  readonly clock: Clock;
  /** Nothing flows without it, but what has a lease of its own. */
  readonly lease: Pick<Lease, 'isLive'>;
  readonly onCut: (exchange: Exchange, reason: CutReason) => void;
  /** Something failed that never should; whatever it failed for is cut. */
  readonly onFault: (error: unknown) => void;
}

interface Open {
  readonly exchange: Exchange;
  readonly keys: readonly string[];
  /** Ends what has a lease of its own when that has run out. */
  readonly timer: NodeJS.Timeout | null;
  endsAt: number;
  isFrozen: boolean;
  isOver: boolean;
}

/** How many frozen exchanges are decided in one turn of the loop. */
const AT_ONCE = 50;

export function createExchanges(options: ExchangesOptions): Exchanges {
  const { admittedUntil, clock, lease, onCut, onFault } = options;
  const bySubject = new Map<string, Set<Open>>();
  const all = new Set<Open>();
  const frozen = new Set<Open>();
  const keysOf = createKeys();
  let isDeciding = false;

  /** Under the lease that is, and under one that has ended; what has a lease of its own is in neither. */
  const leased = new Set<Open>();
  const held = new Set<Open>();

  const forget = (open: Open) => {
    open.isOver = true;
    if (open.timer) clearTimeout(open.timer);
    all.delete(open);
    for (const set of [frozen, leased, held]) set.delete(open);
    for (const key of open.keys) dropFrom(bySubject, key, open);
  };

  // One that fails to end must not keep the others alive, and a log that fails must not stop a removal.
  const guarded = (work: () => void) => {
    try {
      work();
    } catch (error) {
      onFault(error);
    }
  };

  const cut = (open: Open, reason: CutReason) => {
    if (open.isOver) return;
    forget(open);
    guarded(() => open.exchange.cut(reason));
    guarded(() => onCut(open.exchange, reason));
  };

  const endOf = ({ exchange: { question, admitted } }: Open) => {
    try {
      return admittedUntil(question, admitted);
    } catch (error) {
      onFault(error);
      return null;
    }
  };

  const decide = (open: Open, reason: CutReason) => {
    frozen.delete(open);
    if (open.isOver) return;
    const end = endOf(open);
    if (end === null) return cut(open, reason);
    open.endsAt = end;
    if (!open.isFrozen) return;
    open.isFrozen = false;
    if (!held.has(open)) guarded(() => open.exchange.thaw());
  };

  const holdStill = (open: Open) => {
    let isStill = false;
    guarded(() => {
      isStill = open.exchange.freeze();
    });
    return isStill;
  };

  const freeze = (open: Open) => {
    if (open.isOver || open.isFrozen) return;
    open.isFrozen = true;
    frozen.add(open);
    if (!held.has(open) && !holdStill(open)) decide(open, 'policy');
  };

  const suspend = () => {
    for (const open of leased) {
      leased.delete(open);
      held.add(open);
      if (!holdStill(open)) cut(open, 'lease_ended');
    }
  };

  const resume = () => {
    if (!lease.isLive()) return;
    // A copy: should the lease end in the middle, they are held again.
    for (const open of [...held]) {
      if (!held.delete(open)) continue;
      leased.add(open);
      if (!open.isFrozen) guarded(() => open.exchange.thaw());
    }
  };

  /** Asked at every chunk: no timer could be as exact (schedule 4). */
  const isLed = (open: Open) => {
    const { lent } = open.exchange.admitted;
    if (lent) return lent.isLive();
    if (!lease.isLive()) suspend();
    return leased.has(open);
  };

  const decideFrozen = () => {
    let left = AT_ONCE;
    for (const open of frozen) {
      if (left-- === 0) return void setImmediate(decideFrozen);
      decide(open, 'policy');
    }
    isDeciding = false;
  };

  const openOf = (keys: readonly string[]) => keys.flatMap((key) => [...(bySubject.get(key) ?? [])]);

  return {
    get size() {
      return all.size;
    },
    enter: (exchange) => {
      const { admitted } = exchange;
      const { endsAt, lent } = admitted;
      const timer = lent ? setTimeout(() => cut(open, 'lease_ended'), lent.remaining()) : null;
      const open: Open = { exchange, keys: keysOf(admitted), timer, endsAt, isFrozen: false, isOver: false };
      all.add(open);
      for (const key of open.keys) addTo(bySubject, key, open);
      if (!lent) leased.add(open);
      return {
        mayFlow: () => isLed(open) && !open.isOver && !open.isFrozen && clock.now() < open.endsAt,
        leave: () => forget(open),
      };
    },
    apply: ({ accountId, items }) => {
      const of = (keys: (accountId: string, item: FeedItem) => string[]) =>
        openOf(items.flatMap((item) => keys(accountId, item)));
      for (const open of of(endedBy)) cut(open, 'revoked');
      // A secret that was replaced is a removal as well, so there is no later.
      for (const open of of(changedBy)) decide(open, 'revoked');
      for (const open of of(touchedBy)) freeze(open);
      if (frozen.size === 0 || isDeciding) return;
      isDeciding = true;
      setImmediate(decideFrozen);
    },
    reload: (accountId) => {
      for (const open of openOf([keyOf(accountId, { type: 'account', id: accountId })]))
        decide(open, 'revoked');
    },
    suspend,
    resume,
    cutSuspended: () => {
      for (const open of held) cut(open, 'lease_ended');
    },
    sweep: () => {
      const now = clock.now();
      for (const open of all) if (!(now < open.endsAt)) cut(open, 'expired');
    },
    cutUpgraded: (reason) => {
      for (const open of all) if (open.exchange.isUpgraded) cut(open, reason);
    },
    cutAll: (reason) => {
      for (const open of all) cut(open, reason);
    },
  };
}

function addTo(map: Map<string, Set<Open>>, key: string, open: Open): void {
  const known = map.get(key);
  if (known) known.add(open);
  else map.set(key, new Set([open]));
}

function dropFrom(map: Map<string, Set<Open>>, key: string, open: Open): void {
  const known = map.get(key);
  known?.delete(open);
  if (known?.size === 0) map.delete(key);
}
