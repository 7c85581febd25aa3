import { DAY, MINUTE } from '../kernel/clock.ts';
import { parseDuration } from '../kernel/duration.ts';
import type { Problem } from '../kernel/result.ts';

/** A month: no session lasts longer, whoever sets it (reference §4.3). */
export const LONGEST_SESSION = 31 * DAY;

/** What an organization may set for the global session. */
export const SHORTEST_GLOBAL_SESSION = 15 * MINUTE;

/**
 * What an application or policy may set. Cloudflare knows sessions that end at once; a token that has ended
 * when it arrives only sends the browser around, so there is a least.
 */
export const SHORTEST_SESSION = MINUTE;

/** What is wrong with a session duration in Go's notation; nothing if it is one from `shortest` to a month. */
export function sessionDurationProblems(text: string, pointer: string, shortest: number): Problem[] {
  const milliseconds = parseDuration(text);
  if (milliseconds !== null && milliseconds >= shortest && milliseconds <= LONGEST_SESSION) return [];
  return [{ pointer, message: `must be a duration from ${shortest / MINUTE}m to 744h, such as 30m or 24h` }];
}
