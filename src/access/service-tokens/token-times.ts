import { DAY, HOUR, MINUTE, parseTimestamp, timestamp } from '../../kernel/clock.ts';
import { parseDuration } from '../../kernel/duration.ts';
import { type ApiError, invalidInput } from '../../kernel/errors.ts';

/** What a service token lasts unless it is said (reference §3.6). */
export const USUAL_DURATION = '8760h';
const FOREVER = 'forever';

const SHORTEST = MINUTE;
const LONGEST = 876_000 * HOUR;
const YEAR = 365 * DAY;

/** How long a secret can be accepted beside its successor. */
const LONGEST_GRACE = YEAR;

/** When a token of that duration ends if it begins now, or null for `forever`; a 400 for anything else. */
export function endOfDuration(duration: string, now: number): string | null {
  if (duration === FOREVER) return null;
  const milliseconds = parseDuration(duration);
  if (milliseconds === null || milliseconds < SHORTEST || milliseconds > LONGEST) {
    throw invalid('/duration', 'must be a duration from 1m to 876000h, such as 8760h, or forever');
  }
  return timestamp(now + milliseconds);
}

/** A year after its end; of one that has ended already, a year from now. */
export function prolonged(expiresAt: string | null, now: number): string | null {
  if (expiresAt === null) return null;
  const end = Math.max(Date.parse(expiresAt), now) + YEAR;
  if (end - now > LONGEST) throw invalid('', 'the service token lasts for a hundred years already');
  return timestamp(end);
}

/** Until when a former secret is to be accepted, in milliseconds; a time in the past means: no longer. */
export function readGrace(text: string | null | undefined, now: number): number | null {
  if (text === null || text === undefined) return null;
  const until = parseTimestamp(text);
  if (until === null) throw invalidGrace('is not an RFC 3339 time');
  if (until > now + LONGEST_GRACE) throw invalidGrace('must be within a year');
  return until;
}

export function invalidGrace(message: string): ApiError {
  return invalid('/previous_client_secret_expires_at', message);
}

function invalid(pointer: string, message: string): ApiError {
  return invalidInput([{ pointer, message }], 'invalidAccess');
}
