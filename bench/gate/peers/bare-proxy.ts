import { Agent, createServer, request as httpRequest } from 'node:http';
import { servePeer } from '../../harness/peer.ts';

/** The least that a reverse proxy on node:http can do: kept connections, and streams in both directions. */
export interface BareProxySetup {
  readonly upstream: number;
}

await servePeer<BareProxySetup>(async ({ upstream }) => {
  const agent = new Agent({ keepAlive: true });
  return {
    server: createServer((request, response) => {
      const { method = 'GET', url = '/', headers } = request;
      const target = { agent, host: '127.0.0.1', port: upstream, method, path: url, headers };
      const onward = httpRequest(target, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    }),
  };
});
