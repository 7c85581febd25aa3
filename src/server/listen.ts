import type { Server } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { StartError } from './start-error.ts';

/** How long requests under way may take to finish after SIGTERM. */
const DRAIN_FOR = 10_000;

/** Listens, or says in a StartError why that address cannot be had. */
export async function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'the port is taken' : error.message;
      reject(new StartError(`cannot listen on ${host}:${port}: ${why}`, { cause: error }));
    });
    server.listen({ host, port }, () => resolve());
  });
}

/** No new requests; those under way have ten seconds, then their connections are cut. */
export async function stopListening(http: FastifyInstance): Promise<void> {
  const closed = http.close();
  const late = new AbortController();
  const cut = wait(DRAIN_FOR, undefined, { signal: late.signal, ref: false })
    .then(() => http.server.closeAllConnections())
    .catch(() => {});
  // Fastify closes a server that it opened itself; this one was opened here.
  const server = new Promise<void>((resolve) => http.server.close(() => resolve()));
  http.server.closeIdleConnections();
  await Promise.all([closed, server]);
  late.abort();
  await cut;
}
