import { createServer } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { betterAuth } from 'better-auth';
import { makeSignature } from 'better-auth/crypto';
import { getMigrations } from 'better-auth/db/migration';
import { fromNodeHeaders } from 'better-auth/node';
import { servePeer } from '../../harness/peer.ts';
import { BROWSER, toRequest } from '../../harness/requests.ts';

/**
 * Session look-up as better-auth does it, in the fastest of its set-ups that see a session end: sessions in a
 * secondary storage, which is a Map here (in SQLite they take more than twice as long), and no cookie cache,
 * which answers for sessions that are gone.
 */
export interface BetterAuthSetup {
  readonly sessions: number;
}

/** One request for each session. */
export interface BetterAuthTold {
  readonly requests: readonly string[];
}

const SECRET = 'a secret for a bench, long enough';

function createAuth() {
  return betterAuth({
    baseURL: 'http://app.localhost',
    secret: SECRET,
    database: new DatabaseSync(':memory:'),
    emailAndPassword: { enabled: true },
    telemetry: { enabled: false },
    rateLimit: { enabled: false },
    secondaryStorage: createStorage(),
  });
}

/** Nothing in it ends by time while the bench runs. */
function createStorage() {
  const kept = new Map<string, string>();
  return {
    get: (key: string) => kept.get(key) ?? null,
    set: (key: string, value: string) => void kept.set(key, value),
    delete: (key: string) => void kept.delete(key),
    getAndDelete: (key: string) => {
      const value = kept.get(key) ?? null;
      kept.delete(key);
      return value;
    },
    increment: (key: string) => {
      const next = Number(kept.get(key) ?? 0) + 1;
      kept.set(key, String(next));
      return next;
    },
  };
}

async function createRequests(auth: ReturnType<typeof createAuth>, count: number): Promise<string[]> {
  const { internalAdapter, authCookies } = await auth.$context;
  const requests: string[] = [];
  for (let n = 1; n <= count; n += 1) {
    const user = await internalAdapter.createUser(
      { email: `user${n}@example.com`, name: `Person ${n}` },
      { method: 'email-password' },
    );
    const { token } = await internalAdapter.createSession(user.id);
    const value = encodeURIComponent(`${token}.${await makeSignature(token, SECRET)}`);
    const cookie = ['cookie', `theme=dark; ${authCookies.sessionToken.name}=${value}`] as const;
    requests.push(toRequest({ target: '/', headers: [['host', 'app.localhost'], ...BROWSER, cookie] }));
  }
  return requests;
}

await servePeer<BetterAuthSetup>(async ({ sessions }) => {
  const auth = createAuth();
  const { runMigrations } = await getMigrations(auth.options);
  await runMigrations();
  const server = createServer((request, response) => {
    request.resume();
    auth.api
      .getSession({ headers: fromNodeHeaders(request.headers) })
      .then((found) => response.writeHead(found ? 200 : 401, { 'content-length': 0 }).end())
      .catch(() => response.destroy());
  });
  return { server, told: { requests: await createRequests(auth, sessions) } };
});
