import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type Cloudflare from 'cloudflare';
import { startTestApp, type TestApp } from './app.ts';
import { Browser } from './browser.ts';
import { freePort } from './free-port.ts';
import { type Gated, startGated } from './gated.ts';
import type { Person } from './openid-provider.ts';
import { databases } from './postgres.ts';
import { exchange, toBytes } from './raw-http.ts';

/** Several nodes on one PostgreSQL; the first is that of the world. */
export interface TestNodes extends AsyncDisposable {
  readonly world: Gated;
  readonly apps: readonly TestApp[];
  readonly sdks: readonly Cloudflare[];
  /** What a node's gate says to a program with that cookie, by its status. */
  ask(node: number, cookie: string): Promise<number>;
  /** Signs somebody in, each request at another node; answers the cookie of the application. */
  signInAcross(person: Person): Promise<string>;
}

export async function startNodes(count: number, flags: readonly string[] = []): Promise<TestNodes> {
  await using stack = new AsyncDisposableStack();
  const postgres = databases.find(({ name }) => name === 'postgres') ?? assert.fail();
  const world = stack.use(await startGated(await postgres.create(), flags));
  const apps = [world.app];
  while (apps.length < count) apps.push(stack.use(await startTestApp(world.database, { flags })));
  const balancer = stack.use(await startBalancer(apps.map(({ port }) => port)));
  const running = stack.move();
  const ask = async (node: number, cookie: string) => (await question(apps, node, world, cookie)).status;
  return {
    world,
    apps,
    sdks: apps.map((app) => app.sdk()),
    ask,
    signInAcross: async (person) => {
      const browser = new Browser({ ports: { 'team.localhost': balancer.port } });
      return cookieOf(world, await world.signedIn(person, { browser }));
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** The cookie with which that browser is known at the application. */
export function cookieOf({ site }: Gated, browser: Browser): string {
  const cookie = browser.jar.cookiesFor(new URL(site)).find(({ name }) => name === 'CF_Authorization');
  return `${cookie?.name}=${cookie?.value}`;
}

async function question(apps: readonly TestApp[], node: number, { site }: Gated, cookie: string) {
  const app = apps[node % apps.length] ?? assert.fail();
  const asked = {
    target: '/portcullis/forward-auth',
    headers: [
      ['x-forwarded-method', 'GET'],
      ['x-forwarded-proto', 'http'],
      ['x-forwarded-host', new URL(site).host],
      ['x-forwarded-uri', '/'],
      ['cookie', cookie],
    ] as const,
  };
  return await exchange(app.port, toBytes(asked, `127.0.0.1:${app.port}`));
}

/** Hands each connection to the next port: no client stays with one node. */
async function startBalancer(ports: readonly number[]) {
  const port = await freePort();
  let next = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    next += 1;
    const node = connect(ports[next % ports.length] ?? 0, '127.0.0.1');
    for (const socket of [client, node]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    }
    client.pipe(node).pipe(client);
  });
  await once(server.listen(port, '127.0.0.1'), 'listening');
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
