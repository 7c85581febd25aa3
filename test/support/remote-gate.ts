import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import { type GateOptions, type RemoteGate, startGate } from '../../src/gate-app.ts';
import { readGateConfig } from '../../src/gate-config.ts';
import type { TestApp } from './app.ts';
import { freePort } from './free-port.ts';
import { createGateByApi, type NewGate } from './gate-keys.ts';
import { type Gated, type GatedApplication, type LogLine, startGated } from './gated.ts';
import type { Person } from './openid-provider.ts';
import { databases, type TestDatabase } from './postgres.ts';
import type { Proxied, SignedIn } from './proxied.ts';
import { type Switchboard, startSwitchboard } from './switchboard.ts';
import { startUpstream, type Upstream } from './upstream.ts';

/** Ends a gate's credential; resolves with the answer. */
export function deleteGate({ api, credentials }: TestApp, { id }: Pick<NewGate, 'id'>) {
  return api('DELETE', `/accounts/${credentials.account_id}/portcullis/gates/${id}`);
}

/** A real gate of this process, listening on loopback. */
export interface TestGate extends AsyncDisposable {
  readonly gate: RemoteGate;
  readonly port: number;
  readonly log: LogLine[];
  /** The folder of its key. */
  readonly data: string;
  /** Resolves when it can decide. */
  ready(): Promise<void>;
}

export interface TestGateOptions extends GateOptions {
  /** Origins. */
  readonly controlPlanes: readonly string[];
  readonly token: string;
  readonly port?: number;
  readonly flags?: readonly string[];
  /** Where its key is; else in a folder of its own, which goes with it. */
  readonly data?: string;
}

export async function startTestGate(options: TestGateOptions): Promise<TestGate> {
  const { controlPlanes, token, flags = [], data, ...rest } = options;
  const port = options.port ?? (await freePort());
  const folder = data ?? (await mkdtemp(path.join(tmpdir(), 'portcullis-gate-')));
  const reading = readGateConfig(
    [
      ...controlPlanes.map((origin) => `--control-plane=${origin}`),
      `--token=${token}`,
      `--listen=127.0.0.1:${port}`,
      `--data=${folder}`,
      '--metrics-listen=off',
      ...flags,
    ],
    {},
  );
  assert.ok(reading.ok, reading.ok ? '' : reading.problems.join('\n'));
  const log: LogLine[] = [];
  const logger = pino({ level: 'trace', base: null }, { write: (line) => void log.push(JSON.parse(line)) });
  const gate = await startGate(reading.config, { logger, ...rest });
  return {
    gate,
    port,
    log,
    data: folder,
    ready: () =>
      until(
        () => gate.unready() === null,
        () => `not ready: ${gate.unready()}`,
      ),
    [Symbol.asyncDispose]: async () => {
      await gate.close();
      if (data === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until it holds, for ten seconds. */
export async function until(
  holds: () => boolean,
  otherwise: () => string,
  milliseconds = 10_000,
): Promise<void> {
  for (let waited = 0; !holds(); waited += 10) {
    if (waited >= milliseconds) assert.fail(otherwise());
    await wait(10);
  }
}

/** A control plane, a gate that follows it through a line that can be cut, and an application behind the gate. */
export interface Followed extends AsyncDisposable {
  readonly world: Gated;
  readonly line: Switchboard;
  readonly issued: NewGate;
  readonly gate: TestGate;
  readonly upstream: Upstream;
  readonly application: GatedApplication;
  /** For the helpers of the built-in proxy: they go to the gate. */
  readonly place: Pick<Proxied, 'world' | 'host' | 'upstream'>;
  /** The cookie of somebody who has signed in to the application by way of the gate. */
  signedIn(person?: Person): Promise<SignedIn>;
  /** Another gate on the same credential. */
  another(options?: Partial<TestGateOptions>): Promise<TestGate>;
}

export interface FollowedOptions extends GateOptions {
  readonly serveFlags?: readonly string[];
  readonly gateFlags?: readonly string[];
}

/** Takes the database over: it goes with the world. */
export async function startFollowed(
  database: TestDatabase,
  { serveFlags = [], gateFlags = [], ...options }: FollowedOptions = {},
): Promise<Followed> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream());
  const world = stack.use(await startGated(database, serveFlags));
  const line = stack.use(await startSwitchboard(world.app.port));
  const issued = await createGateByApi(world.app, 'edge');
  const port = await freePort();
  const uri = `remote.localhost:${port}`;
  const application = await world.createApplication(uri, {
    destinations: [{ type: 'public', uri, upstream: upstream.origin }],
  });
  const following = { controlPlanes: [`http://127.0.0.1:${line.port}`], token: issued.token };
  const gate = stack.use(await startTestGate({ ...following, port, flags: gateFlags, ...options }));
  await gate.ready();
  const others = stack.use(new AsyncDisposableStack());
  const running = stack.move();
  return {
    ...{ world, line, issued, gate, upstream, application },
    place: { world: { ...world, app: { ...world.app, port } }, host: uri, upstream },
    signedIn: async (person = world.person()) => {
      const browser = await world.signedIn(person, { site: application.site });
      const held = browser.jar.cookiesFor(new URL(application.site));
      const cookie = held.find(({ name }) => name === 'CF_Authorization') ?? assert.fail();
      return { person, browser, cookie: `${cookie.name}=${cookie.value}` };
    },
    another: async (more = {}) => others.use(await startTestGate({ ...following, ...more })),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Describes what holds on both databases: one world on each, for all tests of the body. */
export function followedOnBothDatabases(
  title: string,
  body: (followed: () => Followed) => void,
  options: FollowedOptions = {},
): void {
  for (const { name, create } of databases) {
    describe(`${title} (${name})`, () => {
      const set: { followed?: Followed } = {};
      before(async () => {
        set.followed = await startFollowed(await create(), options);
      });
      after(async () => await set.followed?.[Symbol.asyncDispose]());
      body(() => set.followed ?? assert.fail());
    });
  }
}
