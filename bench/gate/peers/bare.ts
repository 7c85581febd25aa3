import { createServer, type OutgoingHttpHeaders } from 'node:http';
import { servePeer } from '../../harness/peer.ts';

/** The least that a server on node:http can do with the question: the headers of an admission, nothing asked. */
export interface BareSetup {
  readonly headers: OutgoingHttpHeaders;
}

await servePeer<BareSetup>(async ({ headers }) => ({
  server: createServer((request, response) => {
    request.resume();
    response.writeHead(200, headers).end();
  }),
}));
