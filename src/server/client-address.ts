import type { IncomingMessage } from 'node:http';
import { type Cidr, clientAddress } from '../kernel/address.ts';
import { createBoundedMap } from '../kernel/bounded-map.ts';

const MOST_REMEMBERED = 10_000;
const LONGEST_REMEMBERED = 256;
const HEADER = 'x-forwarded-for';

/**
 * Tells the client's address of a request, by the trusted proxies alone. The same few hops come again and again, so
 * what was made of them is remembered.
 */
export function createAddressOf(trusted: readonly Cidr[]): (request: IncomingMessage) => string {
  const known = createBoundedMap<string, string>(MOST_REMEMBERED);
  return ({ socket, rawHeaders }) => {
    const peer = socket.remoteAddress ?? '';
    const forwardedFor = forwardedForIn(rawHeaders);
    const hops = forwardedFor === undefined ? peer : `${peer} ${forwardedFor}`;
    const before = known.get(hops);
    if (before !== undefined) return before;
    const address = clientAddress({ peer, forwardedFor, trusted });
    if (hops.length <= LONGEST_REMEMBERED) known.set(hops, address);
    return address;
  };
}

/** All lines, joined in their order (RFC 9110 §5.3). Node would make an object of all headers to tell of one. */
function forwardedForIn(rawHeaders: readonly string[]): string | undefined {
  let joined: string | undefined;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (name.length !== HEADER.length || name.toLowerCase() !== HEADER) continue;
    const value = rawHeaders[at + 1] ?? '';
    joined = joined === undefined ? value : `${joined},${value}`;
  }
  return joined;
}
