import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A way over loopback to a port that a test can take away: what two processes see of each other. */
export interface Link extends AsyncDisposable {
  readonly port: number;
  /** Nothing gets through, and nobody is told: as if a cable were pulled. New connections hang as well. */
  freeze(): void;
  /** Lets everything flow again, what was held included. */
  heal(): void;
  /** Breaks every connection at once, with a reset. New ones go through. */
  breakAll(): void;
}

export async function startLink(target: number): Promise<Link> {
  const sockets = new Set<Socket>();
  let isFrozen = false;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    return socket;
  };
  const server = createServer({ pauseOnConnect: true }, (client) => {
    const other = keep(connect(target, '127.0.0.1'));
    keep(client);
    for (const [from, to] of [
      [client, other],
      [other, client],
    ] as const) {
      from.on('data', (chunk) => {
        if (!to.write(chunk)) from.pause();
      });
      to.on('drain', () => {
        if (!isFrozen) from.resume();
      });
      from.on('end', () => to.end()).on('close', () => to.destroy());
      if (isFrozen) from.pause();
      else from.resume();
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    freeze: () => {
      isFrozen = true;
      for (const socket of sockets) socket.pause();
    },
    heal: () => {
      isFrozen = false;
      for (const socket of sockets) socket.resume();
    },
    breakAll: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
