/** The only place that reads the time. Everyone else is handed a Clock, so tests can move it. */
export interface Clock {
  /** Milliseconds since the epoch, wall clock. Never used to decide whether a revocation applies. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** RFC 3339 in UTC with milliseconds: the one form in which times are stored and sent. */
export function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** Milliseconds of an RFC 3339 UTC time, or null if it is none. */
export function parseTimestamp(text: string): number | null {
  if (!RFC_3339.test(text)) return null;
  const milliseconds = Date.parse(text);
  return Number.isNaN(milliseconds) || !isDay(text.slice(0, 10)) ? null : milliseconds;
}

/** Date.parse takes the thirtieth of February for the second of March. */
function isDay(date: string): boolean {
  const [year = 0, month = 0, day = 0] = date.split('-').map(Number);
  return day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
