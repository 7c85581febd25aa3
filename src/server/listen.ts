import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { StartError } from './start-error.ts';

/** How long requests under way may take to finish after SIGTERM. */
const DRAIN_FOR = 10_000;

/** A server that listens, and every connection to it, whatever is spoken there. */
export interface Listening {
  /** Cuts them all: also those that still shake hands, and those that HTTP was left on. */
  cut(): void;
}

/** Listens, or says in a StartError why that address cannot be had. */
export async function listen(
  server: Server,
  { host, port }: { host: string; port: number },
): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'the port is taken' : error.message;
      reject(new StartError(`cannot listen on ${host}:${port}: ${why}`, { cause: error }));
    });
    server.listen({ host, port }, () => resolve());
  });
  return {
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A server, and how whoever answers for it ends. */
export interface Stoppable {
  readonly server: Server;
  close(): PromiseLike<unknown>;
}

/** No new requests; those under way have ten seconds, then `onLate` is told and their connections are cut. */
export async function stopListening(
  http: Stoppable,
  listening: Listening,
  onLate: () => void,
): Promise<void> {
  const closed = http.close();
  const late = new AbortController();
  const cut = wait(DRAIN_FOR, undefined, { signal: late.signal, ref: false })
    .then(() => {
      onLate();
      listening.cut();
    })
    .catch(() => {});
  // Fastify closes a server that it opened itself; this one was opened here. To HTTP/2 this says GOAWAY.
  const server = new Promise<void>((resolve) => http.server.close(() => resolve()));
  http.server.closeIdleConnections();
  await Promise.all([closed, server]);
  late.abort();
  await cut;
}
