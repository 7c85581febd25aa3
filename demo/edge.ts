import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';

/** Headers about the person that only the gate may set: whatever a client sends of them is dropped. */
const IDENTITY = ['cf-access-authenticated-user-email', 'cf-access-jwt-assertion', 'cookie'];

/**
 * A reverse proxy with forward-auth, as small as can be: it asks the gate about every request, passes on what
 * is admitted with the identity headers the gate answered, and copies every other answer to the client. In
 * real life this is Caddy or Traefik.
 */
export function createEdge(options: { gate: URL; application: URL }): Server {
  return createServer((request, response) => {
    ask(options.gate, request)
      .then((verdict) => {
        if (verdict.statusCode === 200) pass(options.application, { request, response, verdict });
        else copy(verdict, response);
      })
      .catch(() => response.writeHead(502).end('The gate does not answer\n'));
  });
}

function ask(gate: URL, { method, url, headers }: IncomingMessage): Promise<IncomingMessage> {
  const kept = Object.entries(headers).filter(
    ([name]) => !name.startsWith('x-forwarded-') && name !== 'host',
  );
  return new Promise((resolve, reject) => {
    httpRequest(
      gate,
      {
        headers: {
          ...Object.fromEntries(kept),
          'x-forwarded-method': method,
          'x-forwarded-proto': 'http',
          'x-forwarded-host': headers.host,
          'x-forwarded-uri': url,
        },
      },
      resolve,
    )
      .on('error', reject)
      .end();
  });
}

function pass(
  application: URL,
  {
    request,
    response,
    verdict,
  }: { request: IncomingMessage; response: ServerResponse; verdict: IncomingMessage },
): void {
  verdict.resume();
  const headers = { ...request.headers };
  for (const name of Object.keys(headers)) if (/^cf[-_.]access/i.test(name)) delete headers[name];
  for (const name of IDENTITY) headers[name] = verdict.headers[name] ?? '';
  const target = {
    host: application.hostname,
    port: application.port,
    path: request.url ?? '/',
    method: request.method ?? 'GET',
  };
  const upstream = httpRequest({ ...target, headers }, (answer) => copy(answer, response));
  upstream.on('error', () => response.destroy());
  request.pipe(upstream);
}

function copy(from: IncomingMessage, to: ServerResponse): void {
  to.writeHead(from.statusCode ?? 502, from.rawHeaders);
  from.pipe(to);
}
