import assert from 'node:assert/strict';
import { after, before, beforeEach, describe } from 'node:test';
import { allowAll, createApplication, oidc, startProvider } from './access.ts';
import { startTestApp, type TestApp } from './app.ts';
import { type Application, type Arrived, startApplication, valuesOf } from './application.ts';
import { Browser } from './browser.ts';
import { freePort } from './free-port.ts';
import { type Person, signIn } from './openid-provider.ts';
import { databases } from './postgres.ts';
import type { ProxyProgram } from './proxy.ts';

/** Whoever may use `/` of the application. Below `/admin` it belongs to another one, which is Ben's alone. */
export const PEOPLE: readonly Person[] = ['ana', 'ben', 'eva', 'dan', 'fay', 'gus', 'hal'].map((sub) => ({
  sub,
  email: `${sub}@example.com`,
}));

const TEAM = 'team.localhost';
const APPLICATION = 'app.localhost';

/** A proxy that runs, and the address at which it serves the application. */
export interface Front {
  readonly proxy: ProxyProgram;
  readonly port: number;
  /** `http://app.localhost:…`. */
  readonly site: string;
}

/** Portcullis, a real OpenID provider, one host with two applications by path, and real proxies before them. */
export interface BehindProxy extends AsyncDisposable {
  readonly app: TestApp;
  readonly application: Application;
  /** AUD tags of the application on `/` and of the one on `/admin`. */
  readonly aud: { readonly root: string; readonly admin: string };
  /** `http://team.localhost:…`, served by the first proxy. */
  readonly team: string;
  readonly fronts: readonly Front[];
  /** A browser that is signed in to the application at this path. */
  signIn(login: string, site: string, path?: string): Promise<Browser>;
  /** The values of a header in the newest request that reached the application. */
  seen(name: string): string[];
  deleteUser(email: string): Promise<void>;
}

/** Describes what holds behind a real proxy, or says why it cannot be seen here: one world for all of the body. */
export function behind(proxy: ProxyProgram, body: (world: () => BehindProxy & Front) => void): void {
  const title = `an application behind the real ${proxy.name}, with the configuration in docs/`;
  describe(title, { skip: proxy.isMissing() }, () => {
    const set: { world?: BehindProxy } = {};
    const world = () => {
      const [front] = set.world?.fronts ?? [];
      assert.ok(set.world && front);
      return { ...set.world, ...front };
    };
    before(async () => {
      set.world = await startBehind([proxy]);
    });
    after(async () => await set.world?.[Symbol.asyncDispose]());
    beforeEach(() => {
      world().application.arrived.length = 0;
    });
    body(world);
  });
}

/** Starts it all. The hosts have no port in Portcullis: whichever proxy is asked, it is the same application. */
export async function startBehind(proxies: readonly ProxyProgram[]): Promise<BehindProxy> {
  await using stack = new AsyncDisposableStack();
  const [kind] = databases;
  assert.ok(kind);
  const database = stack.use(await kind.create());
  const ports: number[] = [];
  for (const _ of proxies) ports.push(await freePort());
  const team = `http://${TEAM}:${ports[0]}`;
  const app = stack.use(await startTestApp(database, { flags: [`--team-domain=${new URL(team).host}`] }));
  const application = stack.use(await startApplication());
  const { folder } = database;
  const places = { folder, team: TEAM, application: APPLICATION };
  const upstreams = {
    applicationUpstream: `127.0.0.1:${application.port}`,
    gateUpstream: `127.0.0.1:${app.port}`,
  };
  const fronts: Front[] = [];
  for (const [at, proxy] of proxies.entries()) {
    const port = ports[at] ?? assert.fail();
    stack.use(await proxy.start({ ...places, ...upstreams, port }));
    fronts.push({ proxy, port, site: `http://${APPLICATION}:${port}` });
  }
  const provider = stack.use(await startProvider(app, [...PEOPLE]));
  const { account_id } = app.credentials;
  await app.sdk().zeroTrust.identityProviders.create({ account_id, ...oidc(provider) });
  const aud = await createApplications(app, `http://${upstreams.applicationUpstream}`);
  const running = stack.move();
  return {
    app,
    application,
    aud,
    team,
    fronts,
    signIn: (login, site, path = '/') => signInAt(application.arrived, login, site + path),
    seen: (name) => valuesOf(application.arrived.at(-1), name),
    deleteUser: async (email) => {
      const { users } = app.sdk().zeroTrust.access;
      for await (const user of users.list({ account_id, email })) {
        await users.delete(user.id ?? '', { account_id });
      }
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function createApplications(app: TestApp, upstream: string): Promise<BehindProxy['aud']> {
  const on = (uri: string) => ({ destinations: [{ type: 'public' as const, uri, upstream }] });
  const programs = { name: 'Programs', decision: 'non_identity', include: [{ any_valid_service_token: {} }] };
  const policies = [allowAll, programs];
  const root = await createApplication(app, { name: 'Root', ...on(APPLICATION), policies });
  const onlyBen = { ...allowAll, name: 'Ben', include: [{ email: { email: 'ben@example.com' } }] };
  const below = on(`${APPLICATION}/admin`);
  const admin = await createApplication(app, { name: 'Administration', ...below, policies: [onlyBen] });
  return { root: root.aud ?? assert.fail(), admin: admin.aud ?? assert.fail() };
}

async function signInAt(arrived: Arrived[], login: string, start: string): Promise<Browser> {
  const browser = new Browser();
  const page = await signIn(browser, start, { login });
  assert.match(page.text, /^hello \d+$/);
  arrived.length = 0;
  return browser;
}
