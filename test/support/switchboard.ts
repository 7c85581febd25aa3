import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { ATTACH_PATH } from '../../src/protocol/gate-messages.ts';

/** A TCP proxy on loopback whose connections a test can cut, hold or refuse. */
export interface Switchboard extends AsyncDisposable {
  readonly port: number;
  /** How many connections were made through it. */
  readonly made: () => number;
  /** Breaks all connections. */
  cut(): void;
  /** Nothing passes on connections that are open, and new ones are not answered: as a network that drops packets. */
  hold(): void;
  /** New connections are refused, and open ones broken: as a server that is gone. */
  refuse(): void;
  /** The same for the streams of gates; other requests pass: as a proxy that knows no WebSocket. */
  refuseStreams(): void;
  /** Everything passes again; what was held comes late, as it would. */
  release(): void;
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

export async function startSwitchboard(to: number): Promise<Switchboard> {
  const pairs = new Set<Pair>();
  const state = { made: 0, isHeld: false, isRefused: false, isStreamless: false };
  const cut = () => {
    for (const { near, far } of pairs) {
      near.destroy();
      far.destroy();
    }
  };
  const server = createServer((near) => {
    if (state.isRefused) return void near.destroy();
    state.made += 1;
    const far = connect(to, '127.0.0.1');
    const pair = { near, far };
    pairs.add(pair);
    for (const [from, other] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (chunk) => {
        if (!other.write(chunk)) from.pause();
      });
      other.on('drain', () => {
        if (!state.isHeld) from.resume();
      });
      from.on('error', () => {});
      from.on('close', () => {
        other.destroy();
        pairs.delete(pair);
      });
    }
    near.prependOnceListener('data', (chunk) => {
      if (state.isStreamless && String(chunk).startsWith(`GET ${ATTACH_PATH} `)) near.destroy();
    });
    if (state.isHeld) for (const socket of [near, far]) socket.pause();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  const all = (act: (socket: Socket) => void) => {
    for (const { near, far } of pairs) for (const socket of [near, far]) act(socket);
  };
  return {
    port,
    made: () => state.made,
    cut,
    hold: () => {
      state.isHeld = true;
      all((socket) => socket.pause());
    },
    refuse: () => {
      state.isRefused = true;
      cut();
    },
    refuseStreams: () => {
      state.isStreamless = true;
      cut();
    },
    release: () => {
      Object.assign(state, { isHeld: false, isRefused: false, isStreamless: false });
      all((socket) => socket.resume());
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      cut();
    },
  };
}
