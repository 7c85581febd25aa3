import pg from 'pg';

/** Wakes other processes on the same database, and is woken by them. Nothing depends on it: polling is the truth. */
export interface Notifier {
  /** Tells all others, if they can be told now. */
  tell(message: string): void;
  /** Whether messages of others are heard at this moment. */
  isHeard(): boolean;
  close(): Promise<void>;
}

/** For a database that has one process. */
export const silentNotifier: Notifier = { tell: () => {}, isHeard: () => false, close: async () => {} };

const CHANNEL = 'portcullis';
/** PostgreSQL takes less than 8000 bytes. */
const LONGEST = 7900;
const AGAIN_AFTER = 500;

/** LISTEN and NOTIFY of PostgreSQL, on a connection of its own that is made again whenever it breaks. */
export function openNotifier(url: string, onMessage: (message: string) => void): Notifier {
  let client: pg.Client | null = null;
  let isClosed = false;

  const lose = (one: pg.Client) => {
    if (client === one) client = null;
    one.end().catch(() => {});
    if (!isClosed) setTimeout(() => void connect(), AGAIN_AFTER).unref();
  };

  const connect = async () => {
    if (isClosed) return;
    const fresh = new pg.Client({
      connectionString: url,
      application_name: 'portcullis wake-up',
      connectionTimeoutMillis: 5000,
      keepAlive: true,
    });
    let isLost = false;
    const onceLost = () => {
      if (isLost) return;
      isLost = true;
      lose(fresh);
    };
    fresh.on('error', onceLost).on('end', onceLost);
    fresh.on('notification', ({ payload }) => onMessage(payload ?? ''));
    try {
      await fresh.connect();
      await fresh.query(`listen ${CHANNEL}`);
      client = fresh;
      // What was told in between was not heard.
      onMessage('');
    } catch {
      onceLost();
    }
  };

  // A connection runs one query at a time; what waits for its turn twice is told once, for both.
  const waiting = new Set<string>();
  let isTelling = false;
  const tellWaiting = async () => {
    if (isTelling) return;
    isTelling = true;
    for (const text of waiting) {
      waiting.delete(text);
      await client?.query('select pg_notify($1, $2)', [CHANNEL, text]).catch(() => {});
    }
    isTelling = false;
  };

  void connect();
  return {
    tell: (message) => {
      waiting.add(message.length > LONGEST ? '' : message);
      void tellWaiting();
    },
    isHeard: () => client !== null,
    close: async () => {
      isClosed = true;
      await client?.end().catch(() => {});
    },
  };
}
