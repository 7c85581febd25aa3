import { setInterval } from 'node:timers/promises';
import type { Logger } from 'pino';

/** Does the work again and again, each time after the last has ended; a failure is logged and tried anew. */
export function repeat(logger: Logger, every: number, work: () => Promise<void>): () => Promise<void> {
  const stopped = new AbortController();
  const running = (async () => {
    for await (const _ of setInterval(every, undefined, { signal: stopped.signal, ref: false })) {
      await work().catch((error: unknown) => logger.warn({ err: error }, 'housekeeping failed'));
    }
  })().catch(() => {});
  return async () => {
    stopped.abort();
    await running;
  };
}
