/** What a database error means to us; the two drivers say it in different words. */
export type Failure = 'unique' | 'foreign_key' | 'conflict' | 'unavailable';

const POSTGRES: Record<string, Failure> = {
  '23505': 'unique',
  '23503': 'foreign_key',
  '40001': 'conflict',
  '40P01': 'conflict',
  '25006': 'unavailable', // read-only: a standby
  '25P03': 'unavailable', // idle in transaction for too long
  '55000': 'unavailable', // not accepting connections
};

/** Classes of codes (PostgreSQL, appendix A), of which each member says that the server cannot serve us now. */
const POSTGRES_AWAY = /^(?:08|28|3D|53|57|58)/;

const NETWORK_AWAY = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
]);

// https://sqlite.org/rescode.html: primary codes in the low byte, extended ones above.
const SQLITE_EXTENDED: Record<number, Failure> = { 787: 'foreign_key', 1555: 'unique', 2067: 'unique' };
const SQLITE_PRIMARY: Record<number, Failure> = {
  5: 'unavailable', // BUSY
  6: 'unavailable', // LOCKED
  8: 'unavailable', // READONLY
  10: 'unavailable', // IOERR
  13: 'unavailable', // FULL
  14: 'unavailable', // CANTOPEN
};

/** Classifies an error thrown by a query; null for whatever is a mistake of ours. */
export function failureOf(error: unknown): Failure | null {
  if (!(error instanceof Error)) return null;
  const { errcode, code } = error as { errcode?: unknown; code?: unknown };
  if (typeof errcode === 'number') {
    return SQLITE_EXTENDED[errcode] ?? SQLITE_PRIMARY[errcode & 0xff] ?? null;
  }
  if (typeof code === 'string') return failureOfCode(code);
  return LOST_CONNECTION.some((words) => error.message.includes(words)) ? 'unavailable' : null;
}

function failureOfCode(code: string): Failure | null {
  if (NETWORK_AWAY.has(code) || (code.length === 5 && POSTGRES_AWAY.test(code))) return 'unavailable';
  return POSTGRES[code] ?? null;
}

// node-postgres has no codes for these.
const LOST_CONNECTION = [
  'Connection terminated',
  'timeout exceeded when trying to connect',
  'Client has encountered a connection error',
];

/**
 * What the transaction has met needs locks that it cannot take any more in their order: thrown, it makes
 * `Database.write` begin again. Only on PostgreSQL does anybody else write meanwhile.
 */
export function startAgain(): Error {
  return Object.assign(new Error('what was locked has changed; the transaction begins again'), {
    code: '40001',
  });
}
