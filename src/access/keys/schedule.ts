import type { KeySettingsRow, SigningKeyRow } from '../../database/tables.ts';
import { DAY, MINUTE, SECOND } from '../../kernel/clock.ts';
import { LONGEST_SESSION } from '../../policy/session-duration.ts';
import { ASSERTION_SECONDS } from '../../protocol/claims.ts';

/**
 * How long a key is published before it signs. Whoever asked for the key set just before has it for five minutes
 * (`max-age` of /cdn-cgi/access/certs), and common libraries for ten. Measured by a stopwatch, never by the wall
 * clock: a jump of it must not let a key sign that applications have not seen.
 */
export const PUBLISHED_FOR = 15 * MINUTE;

/** How long a key that signed assertions stays, by the stopwatch as well: their life, and as much for skew. */
export const ASSERTIONS_END_WITHIN = 2 * ASSERTION_SECONDS * SECOND;

/** Former keys of one purpose, beyond which there is no rotation until one is dropped: the key set stays small. */
export const MOST_FORMER = 10;

/** Jumps of the wall clock, of a day and either way at each reading, must not end what is still valid. */
const CLOCK_MARGIN = 3 * DAY;

/**
 * Whether the interval is over. A last rotation in the future was written by a clock that was wrong: within the
 * margin it is believed, since a clock that goes back must not make keys; beyond it is not, since otherwise
 * there would be no rotation for as long as the clock was ahead.
 */
export function isRotationDue(settings: KeySettingsRow, now: number): boolean {
  const last = Date.parse(settings.last_rotated_at);
  return now >= last + settings.rotation_interval_days * DAY || now < last - CLOCK_MARGIN;
}

/** Whole days until the next rotation by the timer, rounded up. */
export function daysUntilRotation(settings: KeySettingsRow, now: number): number {
  const interval = settings.rotation_interval_days;
  if (isRotationDue(settings, now)) return 0;
  const left = Date.parse(settings.last_rotated_at) + interval * DAY - now;
  return Math.min(interval, Math.ceil(left / DAY));
}

/** Whether the next key has been published for long enough to sign; `seenFor` is milliseconds by a stopwatch. */
export function isRipe({ stage }: SigningKeyRow, seenFor: number): boolean {
  return stage === 'next' && seenFor >= PUBLISHED_FOR;
}

/**
 * Whether nothing that this former key has signed can still be valid. Sessions end by the wall clock; assertions
 * are too short for that to matter, so `seenFor`, milliseconds as a former key by a stopwatch, tells of them.
 */
export function isOver(key: SigningKeyRow, { now, seenFor }: { now: number; seenFor: number }): boolean {
  if (key.stage !== 'former') return false;
  if (key.purpose === 'gate') return seenFor >= ASSERTIONS_END_WITHIN;
  return now >= Date.parse(key.stage_since) + LONGEST_SESSION + CLOCK_MARGIN;
}

/** Whether a rotation is under way: keys that are published and do not sign yet. */
export function isUnderWay(keys: readonly SigningKeyRow[]): boolean {
  return keys.some(({ stage }) => stage === 'next');
}

/** Whether as many former keys of one purpose are published as may be. */
export function isFull(keys: readonly SigningKeyRow[]): boolean {
  const former = keys.filter(({ stage, purpose }) => stage === 'former' && purpose === 'session');
  return former.length >= MOST_FORMER;
}
