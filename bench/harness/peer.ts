import { once } from 'node:events';
import type { Server } from 'node:http';

/**
 * The other end of `startPeer`: makes the server from the setup, listens on a free port of loopback, tells the
 * port and whatever else the maker wants told, and ends when the bench does.
 */
export async function servePeer<Setup>(
  make: (setup: Setup) => Promise<{ server: Server; told?: unknown }>,
): Promise<void> {
  process.once('disconnect', () => process.exit());
  const [setup] = await once(process, 'message');
  const { server, told } = await make(setup as Setup);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  process.send?.({ port: address.port, told: told ?? null });
}
