import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { databases } from '../support/postgres.ts';
import { ask, echo, openWebSocket, type Proxied, startProxied, valuesOf } from '../support/proxied.ts';
import { bytesOf, sha256 } from '../support/upstream.ts';

/* The built-in proxy, asked directly by a client. What it does while access ends is in open-connections.test.ts. */

describe('the built-in proxy', () => {
  let proxied: Proxied;
  let cookie: string;
  let email: string;
  before(async () => {
    const [kind] = databases;
    assert.ok(kind);
    proxied = await startProxied(await kind.create());
    const signedIn = await proxied.signedIn();
    cookie = signedIn.cookie;
    email = signedIn.person.email;
  });
  after(async () => await proxied[Symbol.asyncDispose]());

  test('signs a person in and carries the request, with the identity and nothing of the credential', async () => {
    const echoed = await echo(proxied, { headers: { cookie: `a=1; ${cookie}; b=2`, 'x-own': 'yes' } });
    assert.deepEqual(echoed.values('cf-access-authenticated-user-email'), [email]);
    assert.deepEqual(echoed.values('cookie'), ['a=1; b=2']);
    assert.deepEqual(echoed.values('host'), [proxied.host]);
    assert.deepEqual(echoed.values('x-own'), ['yes']);
    assert.deepEqual(echoed.values('via'), ['1.1 portcullis']);
    const { world, application } = proxied;
    const keys = (await (await fetch(`${world.app.origin}/cdn-cgi/access/certs`)).json()) as JSONWebKeySet;
    const [assertion = ''] = echoed.values('cf-access-jwt-assertion');
    const expected = { issuer: world.team, audience: application.aud, algorithms: ['RS256'] };
    const { payload } = await jwtVerify(assertion, createLocalJWKSet(keys), expected);
    assert.equal(payload.email, email);
  });

  test('carries bodies either way as they are', async () => {
    const body = bytesOf(3_000_000);
    const up = await ask(proxied, '/upload', { method: 'POST', headers: { cookie }, body });
    assert.equal(up.text, sha256(body));
    const down = await ask(proxied, '/download?3000000', { headers: { cookie } });
    assert.equal(sha256(down.bytes), sha256(body));
    assert.deepEqual(valuesOf(down.rawHeaders, 'content-length'), ['3000000']);
  });

  test('carries a WebSocket', async () => {
    const webSocket = await openWebSocket(proxied, { headers: { cookie } });
    webSocket.send('hello');
    const [data] = await once(webSocket, 'message');
    assert.equal(String(data), 'hello');
    webSocket.close(1000);
    const [code] = await once(webSocket, 'close');
    assert.equal(code, 1000);
  });
});
