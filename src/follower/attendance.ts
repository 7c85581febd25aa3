import { setTimeout as wait } from 'node:timers/promises';
import { SECOND } from '../kernel/clock.ts';
import { CLOSE, type FromGate, type FromNode, GATE_PROTOCOL } from '../protocol/gate-messages.ts';
import type { BackOff } from './back-off.ts';
import type { LeaseKeeper } from './lease-keeper.ts';
import type { Memory } from './memory.ts';
import { type End, openStream, type Stream, type StreamOptions } from './stream.ts';
import { createSyncs } from './syncs.ts';

/** What a node tells of itself, and of whom it takes this gate for. */
export type Welcome = Extract<FromNode, { type: 'welcome' }>;

type Fed = Parameters<Memory['take']>[0];

export interface AttendanceOptions extends Pick<StreamOptions, 'token' | 'trust' | 'onFault'> {
  /** Followed one at a time; the next after a failure. */
  readonly origins: readonly string[];
  readonly hello: Omit<Extract<FromGate, { type: 'attach' }>, 'applied' | 'type' | 'protocol'>;
  readonly memory: Memory;
  /** Makes what keeps the lease by way of this attendance. */
  readonly createKeeper: (by: Pick<Attendance, 'sync' | 'abandon'>) => LeaseKeeper;
  readonly backOff: BackOff;
  readonly onWelcome: (welcome: Welcome, origin: string) => void;
  /** What was sent is in force, and nothing that it ended is open. */
  readonly onApplied: (what: Fed['type']) => void;
  /** Before the gate goes on to another attempt. */
  readonly onEnd: (end: End, origin: string) => void;
  /** The credential is gone, and the lease with it: nothing may be open any more when this returns. */
  readonly onRevoked: () => void;
}

/** The gate's place at a node: one stream at a time, again and again until it is over. */
export interface Attendance {
  readonly keeper: LeaseKeeper;
  begin(): void;
  /** Resolves when everything that had committed before the call is applied here; rejects if no node says so in time. */
  sync(): Promise<void>;
  /** The node that this gate is attached to; null while there is none. */
  readonly node: Welcome | null;
  /** Resolves when there is nothing to come back for, or after `leave` ended what had begun. */
  readonly over: Promise<End>;
  /** Gives the lease back, so that the node need not wait for this process, and comes back no more. */
  leave(): Promise<void>;
  /** The node does not answer: goes on to another. */
  abandon(): void;
}

interface Present {
  readonly stream: Stream;
  welcome: Welcome | null;
  /** Something that came on it was applied: from then on an ack speaks of this node's history. */
  isFed: boolean;
}

/** Attaches, follows, acks and renews. */
export function createAttendance(options: AttendanceOptions): Attendance {
  const { memory, backOff, origins } = options;
  const stopping = new AbortController();
  const syncs = createSyncs();
  const abandon = () => present?.stream.drop();
  const keeper = options.createKeeper({ sync: syncs.ask, abandon });
  let present: Present | null = null;
  let isAckDue = false;
  let isRevoked = false;
  let isLeaving = false;
  const over = Promise.withResolvers<End>();

  const revoke = () => {
    if (isRevoked) return;
    isRevoked = true;
    keeper.end();
    options.onRevoked();
  };

  const sayApplied = ({ stream, isFed }: Present) => {
    const { applied } = memory;
    if (applied && isFed) stream.say({ type: 'ack', epoch: applied.epoch, position: applied.position });
  };

  const ack = (stream: Stream) => {
    isAckDue = false;
    if (present?.stream !== stream) return;
    sayApplied(present);
    if (isRevoked) stream.close(1000);
    // What was just acked may be what stood in the way of a lease; with one, it is renewed in its time.
    else if (keeper.isWithout()) keeper.ask();
  };

  /** Once in a turn of the loop: a storm is acked by its last entry. */
  const ackSoon = (stream: Stream) => {
    if (isAckDue) return;
    isAckDue = true;
    setImmediate(() => ack(stream));
  };

  const distrust = () => {
    memory.distrust();
    keeper.end();
  };

  const take = (fed: Fed, stream: Stream) => {
    const taken = memory.take(fed);
    if (taken === 'kept') return;
    if (taken === 'forked') distrust();
    if (taken === 'forked' || taken === 'stale') {
      stream.close(taken === 'forked' ? CLOSE.forked : CLOSE.unavailable);
      return;
    }
    if (taken === 'ended') revoke();
    options.onApplied(fed.type);
    if (present) present.isFed = true;
    ackSoon(stream);
  };

  const welcome = (said: Welcome, here: Present, origin: string) => {
    if (said.protocol !== GATE_PROTOCOL) return here.stream.close(CLOSE.protocol);
    here.welcome = said;
    memory.begin({ accountId: said.account, gateId: said.gate.id });
    options.onWelcome(said, origin);
    keeper.begin((message) => here.stream.say(message), said.lease);
    syncs.begin((nonce) => here.stream.say({ type: 'sync', nonce }));
  };

  const hear = (said: FromNode, here: Present, origin: string) => {
    if (said.type === 'welcome') return welcome(said, here, origin);
    if (!here.welcome) throw new Error('a node that says no welcome');
    if (said.type === 'lease') {
      // Whoever gets none may still owe an ack by the node's account.
      if (said.milliseconds === 0) sayApplied(here);
      // Not at the welcome: a node that cannot bring a gate to a lease must not write everything for it at each attempt.
      else backOff.reset();
      return keeper.take(said);
    }
    if (said.type !== 'synced') return take(said, here.stream);
    sayApplied(here);
    syncs.take(said.nonce);
  };

  const attach = async (origin: string): Promise<End> => {
    const onOpen = (stream: Stream) => {
      present = { stream, welcome: null, isFed: false };
      const applied = memory.resumable;
      stream.say({ type: 'attach', protocol: GATE_PROTOCOL, ...options.hello, applied });
    };
    const onFault = (error: unknown) => {
      distrust();
      options.onFault(error);
    };
    const onMessage = (said: FromNode) => present && hear(said, present, origin);
    const end = await openStream({ ...options, origin, onOpen, onMessage, onFault }, stopping.signal);
    present = null;
    keeper.leave();
    syncs.end();
    if (end.code === CLOSE.forked) distrust();
    if (end.kind === 'revoked') revoke();
    return isRevoked ? { ...end, kind: 'revoked' } : end;
  };

  const run = async (): Promise<End> => {
    for (let turn = 0; ; turn++) {
      const origin = origins[turn % origins.length] ?? '';
      const end = await attach(origin);
      if (isLeaving || end.kind !== 'lost') return end;
      options.onEnd(end, origin);
      await wait(backOff.next(), undefined, { signal: stopping.signal }).catch(() => {});
      if (isLeaving) return end;
    }
  };

  let running: Promise<void> | null = null;
  return {
    ...{ keeper, abandon, sync: syncs.ask, over: over.promise },
    get node() {
      return present?.welcome ?? null;
    },
    begin: () => {
      running ??= run().then(over.resolve, over.reject);
    },
    leave: async () => {
      isLeaving = true;
      keeper.end();
      keeper.stop();
      const late = setTimeout(() => stopping.abort(), SECOND);
      if (present) present.stream.close(1000);
      else stopping.abort();
      await running;
      clearTimeout(late);
    },
  };
}
