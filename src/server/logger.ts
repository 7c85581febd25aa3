import { type Logger, pino } from 'pino';

/** Nothing that names a credential, a cookie or a query is ever handed to it. */
export function createLogger({ logLevel }: { logLevel: string }): Logger {
  return pino({ level: logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime });
}
