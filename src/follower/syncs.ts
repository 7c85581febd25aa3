import { SECOND } from '../kernel/clock.ts';

/** Questions to the node whether everything that had committed was sent. */
export interface Syncs {
  /** There is a node to ask. */
  begin(say: (nonce: number) => void): void;
  /**
   * Resolves when everything that had committed before the call is applied here; rejects after two seconds, or if
   * there is no node. However many ask, one question is under way, and one waits behind it.
   */
  ask(): Promise<void>;
  /** The node has answered. */
  take(nonce: number): void;
  /** The node is gone: nobody is answered. */
  end(): void;
}

const WITHIN = 2 * SECOND;

interface Round extends PromiseWithResolvers<void> {
  readonly timer: NodeJS.Timeout;
}

export function createSyncs(): Syncs {
  let say: ((nonce: number) => void) | null = null;
  let nonce = 0;
  let running: Round | null = null;
  /** Whoever asks while one is under way may have come too late for it. */
  let next: Round | null = null;

  const fail = (round: Round, why: string) => {
    if (running === round) running = null;
    if (next === round) next = null;
    clearTimeout(round.timer);
    round.reject(new Error(why));
  };

  const open = (): Round => {
    const settled = Promise.withResolvers<void>();
    const late = () => {
      fail(round, 'the control plane does not answer in time');
      goOn();
    };
    const round: Round = { ...settled, timer: setTimeout(late, WITHIN).unref() };
    return round;
  };

  const goOn = () => {
    if (running || !next || !say) return;
    [running, next] = [next, null];
    nonce += 1;
    say(nonce);
  };

  return {
    begin: (to) => {
      say = to;
    },
    ask: () => {
      if (!say) return Promise.reject(new Error('there is no control plane to ask'));
      next ??= open();
      const { promise } = next;
      goOn();
      return promise;
    },
    take: (answered) => {
      if (!running || answered !== nonce) return;
      clearTimeout(running.timer);
      running.resolve();
      running = null;
      goOn();
    },
    end: () => {
      say = null;
      for (const round of [running, next]) if (round) fail(round, 'the control plane is gone');
    },
  };
}
