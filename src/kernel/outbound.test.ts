import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { discover } from '../access/identity-providers/discovery.ts';
import { endpointProblem, fetchOutbound } from './outbound.ts';

/** A server on loopback, and all that was asked of it. */
async function serve(listener: RequestListener) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    listener(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    asked,
    port,
    origin: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const refusedUrls: [string, RegExp][] = [
  ['', /URL/],
  ['idp.example.com', /URL/],
  ['https://a:b@idp.example.com/', /credentials/],
  ['https://idp.example.com/#x', /fragment/],
  ['http://idp.example.com/', /https/],
  ['http://10.0.0.1/', /https/],
  ['http://localhost.example.com/', /https/],
  ['http://notlocalhost/', /https/],
  ['file:///etc/passwd', /https/],
  ['https://169.254.169.254/', /link-local/],
  ['https://2852039166/', /link-local/],
  ['https://0xa9fea9fe/', /link-local/],
  ['https://169.254.43518/', /link-local/],
  ['https://１６９.254.169.254/', /link-local/],
  ['https://0251.0376.0251.0376/', /link-local/],
  ['https://[fe80::1]/', /link-local/],
  ['https://[febf::1]/', /link-local/],
  ['https://[::ffff:a9fe:a9fe]/', /link-local/],
  ['https://[64:ff9b::169.254.169.254]/', /link-local/],
  ['https://[2002:a9fe:a9fe::]/', /link-local/],
  ['https://[fd00:ec2::254]/', /link-local/],
  ['https://0.0.0.0/', /link-local/],
  ['https://[::]/', /link-local/],
  ['https://224.0.0.1/', /multicast/],
  ['https://[ff02::1]/', /multicast/],
];

for (const [url, message] of refusedUrls) {
  test(`${JSON.stringify(url)} is never called`, async () => {
    assert.match(endpointProblem(url) ?? '', message);
    await assert.rejects(fetchOutbound(url), TypeError);
  });
}

for (const url of [
  'https://idp.example.com/realms/x',
  'https://10.1.2.3/token',
  'https://[fd12::1]/token',
  'http://127.0.0.1:8080/token',
  'http://[::1]/token',
  'http://localhost:3000/token',
  'http://idp.localhost/token',
]) {
  test(`${url} may be called`, () => assert.equal(endpointProblem(url), null));
}

test('a request is sent as it is, and the answer comes whole', async () => {
  await using server = await serve(async (request, response) => {
    const echo = { method: request.method, type: request.headers['content-type'], body: await text(request) };
    response.writeHead(201, { 'x-many': ['a', 'b'] }).end(JSON.stringify(echo));
  });
  const answer = await fetchOutbound(`${server.origin}/token?x=y`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ code: 'a b' }),
  });
  assert.deepEqual([answer.status, answer.headers.get('x-many')], [201, 'a, b']);
  assert.deepEqual(await answer.json(), {
    method: 'POST',
    type: 'application/x-www-form-urlencoded',
    body: 'code=a+b',
  });
  assert.deepEqual(server.asked, ['/token?x=y']);
});

test('a redirect is an answer, and never followed', async () => {
  await using server = await serve((_request, response) => {
    response.writeHead(302, { location: '/elsewhere' }).end();
  });
  assert.equal((await fetchOutbound(server.origin)).status, 302);
  assert.deepEqual(server.asked, ['/']);
});

test('an answer beyond a megabyte is cut off', async () => {
  await using server = await serve((_request, response) => {
    response.on('error', () => {});
    response.end(Buffer.alloc(1024 * 1024 + 1));
  });
  await assert.rejects(fetchOutbound(server.origin), TypeError);
});

test('an answer that never comes ends with the signal, also in its middle', async () => {
  const aborts: AbortController[] = [new AbortController(), new AbortController()];
  await using server = await serve((request, response) => {
    if (request.url === '/begun') response.write('{');
    setImmediate(() => aborts[request.url === '/begun' ? 1 : 0]?.abort());
  });
  const [silent, begun] = aborts;
  assert.ok(silent && begun);
  await assert.rejects(fetchOutbound(`${server.origin}/silent`, { signal: silent.signal }), TypeError);
  await assert.rejects(fetchOutbound(`${server.origin}/begun`, { signal: begun.signal }), TypeError);
});

test('a connection that breaks is a plain failure', async () => {
  await using server = await serve((request) => request.socket.destroy());
  await assert.rejects(fetchOutbound(server.origin), TypeError);
});

/** A provider whose documents lie where they are told to. */
async function serveDocuments(documents: Record<string, (origin: string) => object>) {
  const server = await serve((request, response) => {
    const document = documents[request.url ?? ''];
    response.writeHead(document ? 200 : 404).end(document ? JSON.stringify(document(server.origin)) : '');
  });
  return server;
}

const realm = (path: string) => (origin: string) => ({
  issuer: `${origin}${path}`,
  authorization_endpoint: `${origin}/realms/a/protocol/auth`,
  token_endpoint: `${origin}/realms/a/protocol/token`,
  jwks_uri: `${origin}/realms/a/protocol/certs`,
});

const endpointsAt = (origin: string) => ({
  authUrl: `${origin}/realms/a/protocol/auth`,
  tokenUrl: `${origin}/realms/a/protocol/token`,
  certsUrl: `${origin}/realms/a/protocol/certs`,
});

const WELL_KNOWN = '/.well-known/openid-configuration';

test('the issuer is looked for below each prefix of the authorization URL, the longest first', async () => {
  await using server = await serveDocuments({
    [`/realms/a${WELL_KNOWN}`]: realm('/realms/a'),
    [WELL_KNOWN]: realm(''),
  });
  const found = await discover(endpointsAt(server.origin), null);
  assert.partialDeepStrictEqual(found, { issuer: `${server.origin}/realms/a`, answersWithIssuer: false });
  assert.deepEqual(server.asked, [`/realms/a/protocol${WELL_KNOWN}`, `/realms/a${WELL_KNOWN}`]);
});

test('a document that names another place than where it lies is passed over', async () => {
  await using server = await serveDocuments({
    [`/realms/a${WELL_KNOWN}`]: realm('/realms/b'),
    [WELL_KNOWN]: (origin) => ({
      ...realm('/')(origin),
      authorization_response_iss_parameter_supported: true,
    }),
  });
  const found = await discover(endpointsAt(server.origin), null);
  assert.partialDeepStrictEqual(found, { issuer: `${server.origin}/`, answersWithIssuer: true });
});

test('a given issuer is asked alone, and must name itself to the letter', async () => {
  await using server = await serveDocuments({
    [`/realms/a${WELL_KNOWN}`]: realm('/realms/a'),
    [WELL_KNOWN]: realm(''),
  });
  const at = endpointsAt(server.origin);
  assert.equal((await discover(at, `${server.origin}/realms/a`))?.issuer, `${server.origin}/realms/a`);
  assert.equal(await discover(at, `${server.origin}/realms/a/`), null);
  assert.equal(await discover(at, `${server.origin}/realms`), null);
  assert.ok(!server.asked.includes(WELL_KNOWN));
});

test('however long the authorization URL, few places are asked', async () => {
  await using server = await serve((_request, response) => void response.writeHead(404).end());
  const authUrl = `${server.origin}/${'a/'.repeat(500)}`;
  assert.equal(await discover({ ...endpointsAt(server.origin), authUrl }, null), null);
  assert.equal(server.asked.length, 6);
});
