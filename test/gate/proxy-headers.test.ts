import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { databases } from '../support/postgres.ts';
import { ask, echo, type Proxied, sendRaw, startProxied, valuesOf } from '../support/proxied.ts';
import { createRobot, forRobots, oneHeader, twoHeaders } from '../support/service-tokens.ts';

/* What an application gets to see of a request, and a client of its answer. */

describe('to the application', () => {
  let proxied: Proxied;
  let cookie: string;
  let email: string;
  before(async () => {
    proxied = await start();
    const signedIn = await proxied.signedIn();
    cookie = signedIn.cookie;
    email = signedIn.person.email;
  });
  after(async () => await proxied[Symbol.asyncDispose]());

  const forged = 'admin@example.com';
  for (const name of [
    'Cf-Access-Authenticated-User-Email',
    'CF_ACCESS_AUTHENTICATED_USER_EMAIL',
    'cf.access.authenticated.user.email',
    'Cf-Access_Authenticated.User-Email',
    'Cf-Access-Jwt-Assertion',
    'Cf_Access_Jwt_Assertion',
    'Cf-Access-Groups',
    'cf_access_anything',
    'CF_Authorization',
    'X-Forwarded-User',
    'X_Forwarded_For',
    'X-Forwarded-Prefix',
    'X-Forwarded-Port',
    'Forwarded',
    'X-Real-IP',
    'True-Client-IP',
    'CF-Connecting-IP',
    'X-Original-URL',
    'X-Rewrite-URL',
    'X-Original-URI',
    'Proxy-Authorization',
    'Proxy-Connection',
    'Transfer_Encoding',
    'Content_Length',
    'TE',
    'Keep-Alive',
    'HTTP2-Settings',
    'X-Portcullis-Forward-Auth-Secret',
  ]) {
    test(`${name} of a client does not come through`, async () => {
      const echoed = await echo(proxied, { headers: { cookie, [name]: forged } });
      assert.equal(echoed.rawHeaders.includes(forged), false, echoed.rawHeaders.join('\n'));
      assert.deepEqual(echoed.values('cf-access-authenticated-user-email'), [email]);
      assert.equal(echoed.values('cf-access-jwt-assertion').length, 1);
    });
  }

  test('the identity is said once, whatever Connection names', async () => {
    for (const named of [
      'cf-access-jwt-assertion',
      'cf-access-authenticated-user-email',
      'cookie, host',
      'via',
    ]) {
      const echoed = await echo(proxied, { headers: { cookie, connection: `close, ${named}` } });
      assert.deepEqual(echoed.values('cf-access-authenticated-user-email'), [email]);
      assert.equal(echoed.values('cf-access-jwt-assertion').length, 1);
      assert.equal(echoed.values('via').length, 1);
      assert.deepEqual(echoed.values('host'), [proxied.host]);
    }
  });

  test('what Connection names stays on its connection', async () => {
    const headers = {
      cookie,
      connection: 'close, X-Secret',
      'x-secret': 'for the gate alone',
      'x-other': 'yes',
    };
    const echoed = await echo(proxied, { headers });
    assert.deepEqual([echoed.values('x-secret'), echoed.values('x-other')], [[], ['yes']]);
    assert.equal(echoed.values('connection').join().includes('x-secret'), false);
  });

  test('every other header comes as it was, also several times and in bytes beyond ASCII', async () => {
    const echoed = await echo(proxied, {
      headers: {
        cookie,
        'X-Many': ['one', 'two'],
        'x-bytes': 'caf\xe9',
        authorization: 'Basic eA==',
        __proto__x: '1',
      },
    });
    assert.deepEqual(echoed.values('x-many'), ['one', 'two']);
    assert.deepEqual(echoed.values('x-bytes'), ['caf\xe9']);
    assert.deepEqual(echoed.values('authorization'), ['Basic eA==']);
    assert.ok(echoed.rawHeaders.includes('X-Many'));
  });

  for (const [sent, seen] of [
    ['a=1; b=2; a=3', 'a=1; b=2; a=3'],
    ['CF_Binding=x; a="q; r"; __Host-CF_AppSession=y', 'a="q; r"'],
    ['__Secure-CF_Authorization=z; odd; =nameless; b', 'odd; =nameless; b'],
    ['cf_authorization=lower;c=4', 'cf_authorization=lower;c=4'],
  ] as const) {
    test(`of the cookies ${sent} it is sent ${seen}`, async () => {
      const echoed = await echo(proxied, { headers: { cookie: `${cookie}; ${sent}` } });
      assert.deepEqual(echoed.values('cookie'), [seen]);
    });
  }

  test('no Cookie is sent where ours is the only one', async () => {
    assert.deepEqual((await echo(proxied, { headers: { cookie } })).values('cookie'), []);
  });

  test('the path is the one that was judged, and the query as it came', async () => {
    for (const [sent, seen] of [
      ['/a/../echo', '/echo'],
      ['/./echo?x=/../%2e%2e/&y=%zz', '/echo?x=/../%2e%2e/&y=%zz'],
      ['/%65cho', '/echo'],
    ] as const) {
      assert.equal((await echo(proxied, { path: sent, headers: { cookie } })).url, seen);
    }
  });

  test('a token in its header is removed like one in a cookie', async () => {
    const token = cookie.slice('CF_Authorization='.length);
    const echoed = await echo(proxied, { headers: { 'cf-access-token': token } });
    assert.equal(echoed.rawHeaders.includes(token), false);
    assert.deepEqual(echoed.values('cf-access-authenticated-user-email'), [email]);
  });

  test('a service token is removed, in two headers and in one, and the identity is empty', async () => {
    const robot = await createRobot(proxied.world);
    const more = { policies: [forRobots()], read_service_tokens_from_header: 'Authorization' };
    const application = await proxied.createApplication('robots', more);
    const host = new URL(application.site).host;
    for (const headers of [Object.fromEntries(twoHeaders(robot)), { authorization: oneHeader(robot) }]) {
      const echoed = await echo(proxied, { headers: { ...headers, host } });
      assert.equal(echoed.rawHeaders.join().includes(robot.secret), false);
      assert.deepEqual(echoed.values('cf-access-authenticated-user-email'), ['']);
    }
    const own = { ...Object.fromEntries(twoHeaders(robot)), host, authorization: 'Basic eA==' };
    assert.deepEqual((await echo(proxied, { headers: own })).values('authorization'), ['Basic eA==']);
  });

  test('trailers of a body come through, those that speak of whom or how long do not', async () => {
    const answer = await sendRaw(
      proxied,
      `POST /echo HTTP/1.1\r\nHost: ${proxied.host}\r\nCookie: ${cookie}\r\nConnection: close\r\n` +
        'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\nCf-Access-Jwt-Assertion: x\r\nCookie: x=1\r\n\r\n',
    );
    assert.match(answer, /"body":"abc","rawTrailers":\["X-Sum","1"\]/);
  });

  test('a body is measured as the client measured it, and only there', async () => {
    const measured = await echo(proxied, {
      method: 'POST',
      headers: { cookie, 'content-length': '3' },
      body: 'abc',
    });
    assert.deepEqual([measured.values('content-length'), measured.values('transfer-encoding')], [['3'], []]);
    const chunked = await echo(proxied, {
      method: 'PUT',
      headers: { cookie, 'transfer-encoding': 'chunked' },
      body: 'abc',
    });
    assert.deepEqual(
      [chunked.values('content-length'), chunked.values('transfer-encoding')],
      [[], ['chunked']],
    );
    assert.deepEqual([measured.body, chunked.body], ['abc', 'abc']);
    const none = await echo(proxied, { headers: { cookie } });
    assert.deepEqual([none.values('content-length'), none.values('transfer-encoding')], [[], []]);
  });

  for (const method of ['GET', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND', 'REPORT', 'QUERY', 'PURGE']) {
    test(`${method} comes through, with a body and without`, async () => {
      assert.equal((await echo(proxied, { method, headers: { cookie } })).method, method);
      const body = { method, headers: { cookie, 'content-length': '3' }, body: 'abc' };
      const echoed = await echo(proxied, body);
      assert.deepEqual([echoed.method, echoed.body], [method, 'abc']);
    });
  }

  test('TRACE, which would send the identity back, is refused', async () => {
    const answer = await ask(proxied, '/echo', { method: 'TRACE', headers: { cookie } });
    assert.equal(answer.status, 400);
  });

  test('a request that went round in circles is stopped', async () => {
    const via = (passes: number) => Array.from({ length: passes }, () => '1.1 portcullis').join(', ');
    const fine = await echo(proxied, { headers: { cookie, via: `1.0 fred, ${via(4)}` } });
    assert.equal(fine.values('via')[0], `1.0 fred, ${via(4)}, 1.1 portcullis`);
    const before = proxied.upstream.arrivals.length;
    const stopped = await ask(proxied, '/echo', { headers: { cookie, via: via(5) } });
    assert.equal(stopped.status, 508);
    assert.equal(proxied.upstream.arrivals.length, before);
  });

  test('an application whose upstream is the gate itself is not called', async () => {
    const { world } = proxied;
    const self = `http://127.0.0.1:${world.app.port}`;
    const robot = await createRobot(world);
    const application = await proxied.createApplication('mirror', { policies: [forRobots()] }, self);
    const headers = { host: new URL(application.site).host, ...Object.fromEntries(twoHeaders(robot)) };
    assert.equal((await ask(proxied, '/', { headers })).status, 502);
  });
});

describe('whom X-Forwarded-* names', () => {
  test('nobody but the connection itself, to whom no proxy is known', async () => {
    await using proxied = await start('--trusted-proxy=192.0.2.1');
    const { cookie } = await proxied.signedIn();
    const headers = {
      cookie,
      'x-forwarded-for': '203.0.113.9',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'a.b',
    };
    const echoed = await echo(proxied, { headers });
    assert.deepEqual(echoed.values('x-forwarded-for'), ['127.0.0.1']);
    assert.deepEqual(echoed.values('x-forwarded-proto'), ['http']);
    assert.deepEqual(echoed.values('x-forwarded-host'), [proxied.host]);
  });

  test('a trusted proxy is believed for the address, and for the scheme only if it says it once', async () => {
    await using proxied = await start();
    const { cookie } = await proxied.signedIn();
    const headers = { cookie, 'x-forwarded-for': '198.51.100.1, 203.0.113.9', 'x-forwarded-proto': 'http' };
    const echoed = await echo(proxied, { headers });
    assert.deepEqual(echoed.values('x-forwarded-for'), ['203.0.113.9']);
    for (const [proto, status] of [
      ['https', 403],
      [['http', 'http'], 400],
      ['http, http', 400],
      ['ws', 400],
      ['', 400],
    ] as const) {
      const asked = { headers: { cookie, 'x-forwarded-proto': proto as string } };
      assert.equal((await ask(proxied, '/echo', asked)).status, status, String(proto));
    }
  });
});

describe('from the application', () => {
  let proxied: Proxied;
  let cookie: string;
  before(async () => {
    proxied = await start();
    cookie = (await proxied.signedIn()).cookie;
  });
  after(async () => await proxied[Symbol.asyncDispose]());

  /** The answer to a request at which the application says this, head and all. */
  const says = async (text: string, method = 'GET') => {
    proxied.upstream.paths['/said'] = (request) => void request.socket.end(text, 'latin1');
    return await ask(proxied, '/said', { method, headers: { cookie } });
  };

  test('cookies come through, ours do not, in whatever form a browser would send them back', async () => {
    const answer = await says(
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n' +
        [
          'own=1; Path=/',
          'CF_Authorization=x',
          '__Host-CF_AppSession=x; Secure',
          '__secure-CF_Authorization=x',
          '  CF_Binding =x',
          '=CF_Authorization=x',
          'CF_Session=x; Domain=example.com',
          'CF_Authorization',
          'other=CF_Authorization=2',
        ]
          .map((one) => `Set-Cookie: ${one}\r\n`)
          .join('') +
        '\r\n',
    );
    assert.deepEqual(valuesOf(answer.rawHeaders, 'set-cookie'), [
      'own=1; Path=/',
      'other=CF_Authorization=2',
    ]);
  });

  test('what belongs to its connection stays there, everything else comes as it was', async () => {
    const answer = await says(
      'HTTP/1.1 418 Short and stout\r\nContent-Length: 2\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\n' +
        'Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nLink: <a>\r\nLink: <b>\r\nServer: app\r\nVia: 1.0 fred\r\n\r\nhi',
    );
    assert.deepEqual([answer.status, answer.text], [418, 'hi']);
    for (const name of ['x-hop', 'proxy-authenticate', 'upgrade']) {
      assert.deepEqual(valuesOf(answer.rawHeaders, name), [], name);
    }
    assert.notDeepEqual(valuesOf(answer.rawHeaders, 'keep-alive'), ['timeout=9']);
    assert.deepEqual(valuesOf(answer.rawHeaders, 'link'), ['<a>', '<b>']);
    assert.deepEqual(valuesOf(answer.rawHeaders, 'via'), ['1.0 fred, 1.1 portcullis']);
    assert.deepEqual(valuesOf(answer.rawHeaders, 'server'), ['app']);
    assert.deepEqual(valuesOf(answer.rawHeaders, 'x-request-id'), []);
  });

  for (const [what, text, method, status, body] of [
    [
      'an answer to HEAD has its length and no body',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n',
      'HEAD',
      200,
      '',
    ],
    ['204 has no body', 'HTTP/1.1 204 No Content\r\n\r\n', 'GET', 204, ''],
    [
      '304 keeps its length and has no body',
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
      'GET',
      304,
      '',
    ],
    [
      'a body that ends with its connection is whole',
      'HTTP/1.1 200 OK\r\n\r\nall of it',
      'GET',
      200,
      'all of it',
    ],
    ['HTTP/1.0 is understood', 'HTTP/1.0 200 OK\r\n\r\nold', 'GET', 200, 'old'],
    [
      'hints before the answer are left out',
      'HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      'GET',
      200,
      'ok',
    ],
  ] as const) {
    test(what, async () => {
      const answer = await says(text, method);
      assert.deepEqual([answer.status, answer.text], [status, body]);
      if (/Content-Length: 5/.test(text)) assert.equal(answer.headers['content-length'], '5');
    });
  }

  test('trailers come through', async () => {
    const answer = await says(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nSet-Cookie: CF_Authorization=x\r\n\r\n',
    );
    assert.deepEqual([answer.text, answer.rawTrailers], ['ok', ['X-Sum', '7']]);
  });
});

async function start(...flags: string[]): Promise<Proxied> {
  const [kind] = databases;
  assert.ok(kind);
  return await startProxied(await kind.create(), flags);
}
