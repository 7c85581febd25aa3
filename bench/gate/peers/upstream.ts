import { createServer } from 'node:http';
import { servePeer } from '../../harness/peer.ts';

/** The application behind the proxies: 1 KB on every path but `/large`, where it is 1 MB. */
await servePeer(async () => {
  const small = Buffer.alloc(1000, 'a');
  const large = Buffer.alloc(1_000_000, 'a');
  return {
    server: createServer((request, response) => {
      const body = request.url === '/large' ? large : small;
      const headers = { 'content-type': 'text/plain', 'content-length': body.length };
      response.writeHead(200, headers).end(body);
    }),
  };
});
