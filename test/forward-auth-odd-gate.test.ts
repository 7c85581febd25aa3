import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { startApplication } from './support/application.ts';
import { caddy } from './support/caddy.ts';
import { freePort } from './support/free-port.ts';
import { haproxy } from './support/haproxy.ts';
import { nginx } from './support/nginx.ts';
import { Wire } from './support/wire.ts';

/*
 * Whatever stands where the gate should be, and whatever it says: only an answer with an assertion is an admission.
 */

const IDENTITY =
  'cf-access-jwt-assertion: eyJ\r\ncf-access-authenticated-user-email: a@example.com\r\ncookie: \r\n';
const EMPTY = 'content-length: 0\r\n\r\n';

/** What the gate says to each question; null: nothing, and it keeps the connection. */
const ANSWERS: Readonly<Record<string, string | null>> = {
  'says 200 and not who it is': `HTTP/1.1 200 OK\r\n${EMPTY}`,
  'says 200 with an empty assertion': `HTTP/1.1 200 OK\r\ncf-access-jwt-assertion:\r\n${EMPTY}`,
  'says 200 with a page': 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello',
  'says 204': 'HTTP/1.1 204 No Content\r\n\r\n',
  'says 206': `HTTP/1.1 206 Partial Content\r\n${EMPTY}`,
  'says 302 without a way': `HTTP/1.1 302 Found\r\n${EMPTY}`,
  'says 401 with an identity': `HTTP/1.1 401 Unauthorized\r\n${IDENTITY}${EMPTY}`,
  'says 403 with an identity': `HTTP/1.1 403 Forbidden\r\n${IDENTITY}${EMPTY}`,
  'says 404': `HTTP/1.1 404 Not Found\r\n${EMPTY}`,
  'says 500 with an identity': `HTTP/1.1 500 Internal Server Error\r\n${IDENTITY}${EMPTY}`,
  'says half of a 200': `HTTP/1.1 200 OK\r\n${IDENTITY}`,
  'says no HTTP': 'SSH-2.0-OpenSSH_9.2\r\n',
  'hangs up': '',
  'says nothing': null,
};

for (const proxy of [nginx, caddy, haproxy]) {
  describe(`behind the real ${proxy.name}`, { skip: proxy.isMissing(), concurrency: 4 }, () => {
    for (const [name, answer] of Object.entries(ANSWERS)) {
      test(`when the gate ${name}, nothing passes`, async () => {
        assert.equal((await ask(proxy, answer)).arrived, 0);
      });
    }

    test('only when it says who it is, the request passes', async () => {
      const { status, arrived } = await ask(proxy, `HTTP/1.1 200 OK\r\n${IDENTITY}${EMPTY}`);
      assert.deepEqual([status, arrived], [200, 1]);
    });
  });
}

/** One request through the proxy while the gate answers so: the status, and how many reached the application. */
async function ask(proxy: typeof nginx, answer: string | null): Promise<{ status: number; arrived: number }> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(await mkdtemp(join(tmpdir(), 'portcullis-odd-')), (path) =>
    rm(path, { recursive: true }),
  );
  const application = stack.use(await startApplication());
  const gate = stack.use(await startOddGate(answer));
  const port = await freePort();
  const places = { folder, port, team: 'team.localhost', application: 'app.localhost' };
  const applicationUpstream = `127.0.0.1:${application.port}`;
  const gateUpstream = `127.0.0.1:${gate.port}`;
  stack.use(await proxy.start({ ...places, applicationUpstream, gateUpstream }));
  const wire = stack.use(new Wire(port));
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nhost: app.localhost:${port}\r\n\r\n`);
  const said = await wire.ask(bytes, 'GET');
  return { status: said?.status ?? 0, arrived: application.arrived.length };
}

async function startOddGate(answer: string | null): Promise<AsyncDisposable & { readonly port: number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      if (answer === null || !chunk.includes('\r\n\r\n')) return;
      if (answer.endsWith('\r\n\r\n') || answer.endsWith('hello')) socket.write(answer);
      else socket.end(answer);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
