import { setImmediate } from 'node:timers/promises';

/** Work that no answer waits for. */
export interface Beside {
  /** Begins it in a turn of its own, after the answer of the request if that needs nothing more; never throws. */
  run(work: () => Promise<void>): void;
  /** Resolves when all that was begun has ended. */
  ended(): Promise<void>;
}

/** `onFault` is told of work that failed. */
export function createBeside(onFault: (error: unknown) => void): Beside {
  const underWay = new Set<Promise<void>>();
  return {
    run: (work) => {
      const running = setImmediate()
        .then(work)
        .catch(onFault)
        .finally(() => underWay.delete(running));
      underWay.add(running);
    },
    ended: async () => void (await Promise.allSettled([...underWay])),
  };
}
