import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { createPair } from '../../test/support/certificates.ts';
import { resetSocket } from './sockets.ts';

/* A connection is over in the turn in which it is reset, whatever state it is in. */

const STATES: Readonly<Record<string, (socket: Socket) => unknown>> = {
  'is idle': () => {},
  'has much in its queue': (socket) => socket.write(Buffer.alloc(20_000_000)),
  'is just being ended': (socket) => socket.end(),
  'is being ended behind much in its queue': (socket) => socket.end(Buffer.alloc(20_000_000)),
  'was ended': async (socket) => {
    socket.end();
    await once(socket, 'finish');
  },
  'is being destroyed': (socket) => socket.destroy(),
  'was reset already': (socket) => resetSocket(socket),
};

for (const [state, bring] of Object.entries(STATES)) {
  test(`a socket that ${state} is closed`, async () => {
    await using pair = await plainPair();
    await assertReset(pair, bring);
  });

  test(`a socket of TLS that ${state} is closed`, async () => {
    await using pair = await tlsPair();
    await assertReset(pair, bring);
  });
}

test('a socket that still connects never does', async () => {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  const socket = connect({ port, host: '127.0.0.1' });
  socket.write('never');
  const connected: string[] = [];
  socket.on('connect', () => connected.push('connected'));
  resetSocket(socket);
  await once(socket, 'close');
  assert.deepEqual(connected, []);
  server.close();
  for (const one of accepted) one.destroy();
});

interface Pair extends AsyncDisposable {
  /** The gate's end. */
  readonly ours: Socket;
  readonly theirs: Socket;
}

async function assertReset({ ours, theirs }: Pair, bring: (socket: Socket) => unknown): Promise<void> {
  const closed = Promise.all(
    [ours, theirs].map((socket) => new Promise((done) => socket.once('close', done))),
  );
  await bring(ours);
  const { bytesWritten } = ours;
  resetSocket(ours);
  assert.equal(ours.destroyed, true);
  // Whoever does not read does not see the end either.
  theirs.resume();
  await closed;
  assert.equal(ours.bytesWritten, bytesWritten);
  assert.ok(theirs.bytesRead < 20_000_000);
}

async function plainPair(): Promise<Pair> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const theirs = connect({ port, host: '127.0.0.1' });
  const [ours] = (await once(server, 'connection')) as [Socket];
  return pairOf(ours, theirs, () => server.close());
}

async function tlsPair(): Promise<Pair> {
  const { cert, key } = await createPair();
  const server = createTlsServer({ cert, key }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const theirs = connectTls({ port, host: '127.0.0.1', ca: cert });
  const [ours] = (await once(server, 'secureConnection')) as [Socket];
  return pairOf(ours, theirs, () => server.close());
}

function pairOf(ours: Socket, theirs: Socket, close: () => unknown): Pair {
  for (const socket of [ours, theirs]) socket.on('error', () => {});
  theirs.pause();
  return {
    ours,
    theirs,
    [Symbol.asyncDispose]: async () => {
      close();
      ours.destroy();
      theirs.destroy();
    },
  };
}
