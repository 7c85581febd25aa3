import { uptime } from 'node:os';

/** The only place that reads the time. Everyone else is handed a Clock, so tests can move it. */
export interface Clock {
  /** Milliseconds since the epoch, wall clock. Never used to decide whether a revocation applies. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** Measures how long something takes, by a clock that nobody sets: it neither jumps nor goes back. */
export interface Stopwatch {
  /** Milliseconds since a moment that is the same for every call in this process. */
  elapsed(): number;
}

export const systemStopwatch: Stopwatch = { elapsed: () => performance.now() };

/** Three clocks, each in milliseconds since a moment of its own. */
export interface Clocks {
  /** Nobody sets it; it stands still while the machine sleeps. */
  monotonic(): number;
  /** Goes on while the machine sleeps. Asking costs microseconds, and it may tell hundredths of a second only. */
  boot(): number;
  /** The wall clock: goes on while the machine sleeps, and can be set. */
  wall(): number;
}

export const systemClocks: Clocks = {
  monotonic: () => performance.now(),
  boot: () => uptime() * SECOND,
  wall: () => Date.now(),
};

/** RFC 3339 in UTC with milliseconds: the one form in which times are stored and sent. */
export function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** Milliseconds of an RFC 3339 time of the years 0 to 9999, or null if it is none. */
export function parseTimestamp(text: string): number | null {
  const [, onTheWall = ''] = RFC_3339.exec(text) ?? [];
  const milliseconds = Date.parse(text);
  if (Number.isNaN(milliseconds) || onTheWall === '') return null;
  // To Date.parse, 30 February is 2 March, and 24 o'clock the next day.
  if (!timestamp(Date.parse(`${onTheWall}Z`)).startsWith(onTheWall)) return null;
  // What an offset carries out of those years is written in another form, which does not sort.
  return timestamp(milliseconds).length === '0000-00-00T00:00:00.000Z'.length ? milliseconds : null;
}

const RFC_3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
