import assert from 'node:assert/strict';
import dns from 'node:dns';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, mock, test } from 'node:test';
import { discover } from '../access/identity-providers/discovery.ts';
import { fetchOutbound } from './outbound.ts';

/*
 * What a name resolves to is looked at where it is dialled. Every name here resolves as the test says, and what
 * would answer is on loopback.
 */

const set: { asked: string[]; names: string[] } = { asked: [], names: [] };
const server = createServer((request, response) => {
  set.asked.push(request.url ?? '');
  response.end('{}');
});

before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
after(() => {
  server.closeAllConnections();
  server.close();
});
afterEach(() => {
  mock.restoreAll();
  syncBuiltinESMExports();
  set.asked.length = 0;
  set.names.length = 0;
});

/** From now on every name resolves to these addresses. */
function resolveTo(...addresses: string[]): void {
  mock.method(dns, 'lookup', (name: string, _options: object, callback: (...args: unknown[]) => void) => {
    set.names.push(name);
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  });
  syncBuiltinESMExports();
}

const port = () => (server.address() as AddressInfo).port;

const never = [
  '169.254.169.254',
  '169.254.0.1',
  'fe80::1',
  '::ffff:169.254.169.254',
  '64:ff9b::a9fe:a9fe',
  'fd00:ec2::254',
  '0.0.0.0',
];
for (const address of never) {
  test(`a name that resolves to ${address} is not called, alone or beside a good address`, async () => {
    for (const addresses of [[address], ['127.0.0.1', address], [address, '127.0.0.1']]) {
      resolveTo(...addresses);
      for (const scheme of ['http', 'https']) {
        await assert.rejects(fetchOutbound(`${scheme}://idp.localhost:${port()}/`), TypeError);
      }
    }
    assert.equal(set.names.length, 6);
    assert.deepEqual(set.asked, []);
  });
}

test('a name that plain http may be used for, since it is loopback, is not called where it is not', async () => {
  for (const address of ['10.0.0.1', '192.0.2.1', '2001:db8::1']) {
    resolveTo(address);
    await assert.rejects(fetchOutbound(`http://idp.localhost:${port()}/`), TypeError);
  }
  assert.deepEqual(set.asked, []);
});

test('a name that resolves to nothing, or to what is no address, is not called', async () => {
  for (const addresses of [[], ['nonsense'], ['127.0.0.1', '']]) {
    resolveTo(...addresses);
    await assert.rejects(fetchOutbound(`http://idp.localhost:${port()}/`), TypeError);
  }
  assert.deepEqual(set.asked, []);
});

test('a name that resolves to loopback is called', async () => {
  resolveTo('127.0.0.1');
  const answer = await fetchOutbound(`http://idp.localhost:${port()}/here`);
  assert.equal(await answer.text(), '{}');
  assert.deepEqual(set.asked, ['/here']);
});

test('discovery finds nothing where a name leads to a link-local address, and says no more', async () => {
  resolveTo('169.254.169.254');
  const at = `http://idp.localhost:${port()}`;
  const endpoints = { authUrl: `${at}/auth`, tokenUrl: `${at}/token`, certsUrl: `${at}/jwks` };
  assert.equal(await discover(endpoints, null), null);
  assert.deepEqual(set.asked, []);
  assert.deepEqual(set.names, ['idp.localhost']);
});
