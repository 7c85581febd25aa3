import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import type { Reason } from '../../src/gate/decide.ts';
import { tokenIn } from '../support/forge.ts';
import {
  about,
  ask,
  assertSignIn,
  type HeaderLine,
  NAVIGATION,
  PROGRAM,
  withToken,
} from '../support/gate-questions.ts';
import { type Gated, startGated } from '../support/gated.ts';
import { databases } from '../support/postgres.ts';
import { exchange, toBytes } from '../support/raw-http.ts';

const PATH = '/portcullis/forward-auth';
const SECRET = 'a secret between the proxy and the gate';

function start(...flags: string[]): Promise<Gated> {
  const [kind] = databases;
  assert.ok(kind);
  return kind.create().then((database) => startGated(database, flags));
}

describe('forward-auth', () => {
  let world: Gated;
  let token: string;
  before(async () => {
    world = await start();
    token = tokenIn(await world.signedIn(world.person()), world.site);
  });
  after(async () => await world[Symbol.asyncDispose]());

  /** Asks about the application with a token that admits, so that only what is wrong with the question counts. */
  const asks = (question: readonly HeaderLine[], ...more: readonly HeaderLine[]) =>
    ask(world, [...question, ...NAVIGATION, withToken(token), ...more]);

  test('admits who is signed in and tells the proxy who it is, and nothing else', async () => {
    const answer = await asks(about(world, '/reports?year=1'));
    assert.equal(answer.status, 200);
    assert.equal(answer.reason, 'policy_allow');
    assert.equal(answer.text, '');
    assert.equal(answer.headers.get('cf-access-authenticated-user-email'), 'person-1@example.com');
    assert.equal(answer.headers.has('set-cookie'), false);
    const assertion = answer.headers.get('cf-access-jwt-assertion') ?? '';
    const keys = (await (await fetch(`${world.app.origin}/cdn-cgi/access/certs`)).json()) as JSONWebKeySet;
    const expected = { issuer: world.team, audience: world.application.aud, algorithms: ['RS256'] };
    const { payload, protectedHeader } = await jwtVerify(assertion, createLocalJWKSet(keys), expected);
    assert.equal(protectedHeader.typ, 'assertion+jwt');
    assert.equal(payload.type, 'app');
    assert.equal(payload.rev, undefined, 'an assertion starts no lineage');
    assert.ok(Number(payload.exp) - Number(payload.iat) <= 300);
  });

  for (const [name, values] of [
    ['x-forwarded-method', ['', 'get', 'GET,POST', 'GET POST', 'G/T', 'A'.repeat(33)]],
    ['x-forwarded-proto', ['', 'HTTP', 'ws', 'wss', 'https,http', 'http, http', 'ftp']],
    [
      'x-forwarded-host',
      [
        '',
        'a b',
        'app.localhost/x',
        'app.localhost:',
        ':80',
        'x@app.localhost',
        '[::1]',
        'a,b',
        '\xe4.localhost',
        'a%2eb',
        'app.localhost:123456',
        'a'.repeat(254),
      ],
    ],
    ['x-forwarded-uri', ['', 'x', '*', 'http://app.localhost/', '?x', '\\', `/${'a'.repeat(8192)}`]],
  ] as const) {
    test(`denies a question whose ${name} is missing, comes twice or is odd`, async () => {
      const rest = about(world).filter(([one]) => one !== name);
      const right = about(world).find(([one]) => one === name) ?? assert.fail();
      const questions = [
        rest,
        [...rest, right, right],
        ...values.map((value) => [...rest, [name, value] as const]),
      ];
      for (const question of questions) {
        const answer = await asks(question);
        assert.deepEqual(
          [answer.status, answer.reason],
          [400, 'question_malformed'],
          JSON.stringify(question),
        );
      }
    });
  }

  test('takes no other header for one that is missing', async () => {
    for (const [name, value] of about(world)) {
      const rest = about(world).filter(([one]) => one !== name);
      for (const other of [
        name.replaceAll('-', '_'),
        'x-original-url',
        'x-original-uri',
        'x-rewrite-url',
        'forwarded',
        'x-forwarded-prefix',
      ]) {
        assert.equal((await asks(rest, [other, value])).status, 400, `${other} for ${name}`);
      }
    }
  });

  test('lets no other header have a say in what is asked about', async () => {
    const closed = `${new URL(world.site).host}/closed`;
    const deny = { name: 'Nobody', decision: 'deny', include: [{ everyone: {} }] };
    const { id } = await world.createApplication(closed, { policies: [deny] });
    for (const other of [
      'x-original-url',
      'x-original-uri',
      'x-rewrite-url',
      'x_forwarded_uri',
      'x-forwarded-prefix',
      'x-forwarded-server',
      'user-agent',
    ]) {
      const answer = await asks(about(world, '/closed/file'), [other, '/']);
      assert.deepEqual([answer.status, answer.reason], [302, 'credential_of_another_application'], other);
    }
    await world.sdk.zeroTrust.access.applications.delete(id, { account_id: world.account_id });
  });

  for (const [name, host] of [
    ['a host that no application has', 'unknown.localhost'],
    ['another port of a host with a port', 'app.localhost:1'],
    ['the host without its port', 'app.localhost'],
    ['a host below an application’s', 'x.app.localhost'],
  ] as const) {
    test(`denies ${name}`, async () => {
      const answer = await asks(about(world, '/', host));
      assert.deepEqual([answer.status, answer.reason], [403, 'application_unknown']);
      const inside = await asks(about(world, '/cdn-cgi/access/logout', host));
      assert.deepEqual([inside.status, inside.reason], [403, 'application_unknown']);
    });
  }

  test('takes a host with an empty label for no host: it is another spelling of one', async () => {
    for (const host of ['app.localhost.', 'app.localhost.:80', '.app.localhost', 'app..localhost']) {
      const answer = await asks(about(world, '/', host));
      assert.deepEqual([answer.status, answer.reason], [400, 'question_malformed'], host);
    }
  });

  test('denies the team domain, which is no application', async () => {
    assert.equal((await asks(about(world, '/', new URL(world.team).host))).reason, 'application_unknown');
  });

  test('folds the case of a host and of nothing else', async () => {
    const { host } = new URL(world.site);
    assert.equal((await asks(about(world, '/', host.toUpperCase()))).status, 200);
  });

  test('denies a question about the other scheme', async () => {
    const question = about(world).map(
      ([name, value]) => [name, name === 'x-forwarded-proto' ? 'https' : value] as const,
    );
    const answer = await asks(question);
    assert.deepEqual([answer.status, answer.reason], [403, 'scheme_mismatch']);
  });

  test('denies paths that servers read in different ways', async () => {
    for (const uri of AMBIGUOUS) {
      const answer = await asks(about(world, uri));
      assert.deepEqual([answer.status, answer.reason], [403, 'path_ambiguous'], uri);
      assert.match(answer.text, /^Denied\. Request [0-9a-f]{16}\n$/);
    }
  });

  test('admits odd paths that mean one thing, and queries of any kind', async () => {
    for (const uri of [
      '/a%20b',
      '/%7Euser',
      '/a/./b',
      '/a/b/..',
      '/?a=//b;c%2f..%2f\\',
      '/x?y?z',
      '/%E4%B8%AD',
    ]) {
      assert.equal((await asks(about(world, uri))).status, 200, uri);
    }
  });

  for (const [name, method, headers, status] of [
    ['a navigation', 'GET', [['sec-fetch-mode', 'navigate']], 302],
    ['the head of a navigation', 'HEAD', [['sec-fetch-mode', 'navigate']], 302],
    ['an older browser', 'GET', [['accept', 'text/html']], 302],
    [
      'a form that is sent',
      'POST',
      [
        ['sec-fetch-mode', 'navigate'],
        ['accept', 'text/html'],
      ],
      401,
    ],
    [
      'a script',
      'GET',
      [
        ['sec-fetch-mode', 'cors'],
        ['accept', 'text/html'],
      ],
      401,
    ],
    [
      'a picture',
      'GET',
      [
        ['sec-fetch-mode', 'no-cors'],
        ['accept', 'text/html'],
      ],
      401,
    ],
    ['a WebSocket', 'GET', [['sec-fetch-mode', 'websocket']], 401],
    [
      'an XMLHttpRequest',
      'GET',
      [
        ['x-requested-with', 'XMLHttpRequest'],
        ['accept', 'text/html'],
      ],
      401,
    ],
    [
      'an XMLHttpRequest in small letters',
      'GET',
      [
        ['x-requested-with', 'xmlhttprequest'],
        ['sec-fetch-mode', 'navigate'],
      ],
      401,
    ],
    ['a program that says nothing of itself', 'GET', [], 401],
    ['a program that takes everything', 'GET', [['accept', '*/*']], 401],
    ['a preflight', 'OPTIONS', [['sec-fetch-mode', 'cors']], 401],
    [
      'two minds about the mode',
      'GET',
      [
        ['sec-fetch-mode', 'navigate'],
        ['sec-fetch-mode', 'cors'],
      ],
      401,
    ],
  ] as const) {
    test(`answers ${name} without a session with ${status}`, async () => {
      const [, ...question] = about(world, '/deep/link?q=%2F&x=1');
      const answer = await ask(world, [['x-forwarded-method', method], ...question, ...headers]);
      assert.deepEqual([answer.status, answer.reason], [status, 'no_credential']);
      if (status === 401)
        return assert.equal(answer.headers.get('location') ?? answer.headers.get('set-cookie') ?? null, null);
      const login = new URL(answer.headers.get('location') ?? '');
      assert.equal(login.origin, world.team);
      assert.equal(login.pathname, `/cdn-cgi/access/login/${new URL(world.site).host}`);
      assert.equal(login.searchParams.get('redirect_url'), '/deep/link?q=%2F&x=1');
      assert.equal(login.searchParams.get('kid'), world.application.aud);
      assert.match(
        answer.headers.get('set-cookie') ?? '',
        /^CF_AppSession=[\w-]{43}; Path=\/; Max-Age=86400; SameSite=Lax; HttpOnly$/,
      );
    });
  }

  test('keeps the mark of a browser that has one, and replaces what is none', async () => {
    const markOf = async (cookie: string) => {
      const { headers } = await ask(world, [...about(world), ...NAVIGATION, ['cookie', cookie]]);
      return /^CF_AppSession=([^;]*)/.exec(headers.get('set-cookie') ?? '')?.[1];
    };
    const own = 'a'.repeat(43);
    assert.equal(await markOf(`CF_AppSession=${own}`), own);
    for (const other of ['short', 'a'.repeat(44), `${'a'.repeat(42)}=`, `${own}; CF_AppSession=${own}`]) {
      assert.notEqual(await markOf(`CF_AppSession=${other}`), own, other);
    }
  });

  const one = (t: string) => `CF_Authorization=${t}`;
  const cases: [name: string, status: number, reason: Reason, sent: (token: string) => HeaderLine[]][] = [
    ['two cookies', 403, 'several_credentials', (t) => [['cookie', `${one(t)}; ${one(t)}`]]],
    ['two cookies, one empty', 403, 'several_credentials', (t) => [['cookie', `${one('')}; ${one(t)}`]]],
    ['a cookie and a header', 403, 'several_credentials', (t) => [withToken(t), ['cf-access-token', t]]],
    [
      'two headers',
      400,
      'question_malformed',
      (t) => [
        ['cf-access-token', t],
        ['cf-access-token', t],
      ],
    ],
    ['two lines of cookies', 400, 'question_malformed', (t) => [withToken(t), ['cookie', 'a=b']]],
    [
      'cookies of like names',
      302,
      'no_credential',
      (t) => [['cookie', `cf_authorization=${t}; CF-Authorization=${t}; X${one(t)}`]],
    ],
    ['an empty cookie', 302, 'no_credential', () => [withToken('')]],
    ['an empty header', 302, 'no_credential', () => [['cf-access-token', '']]],
    ['a bearer token', 302, 'no_credential', (t) => [['authorization', `Bearer ${t}`]]],
    ['a token as an assertion', 302, 'no_credential', (t) => [['cf-access-jwt-assertion', t]]],
    ['a quoted cookie', 302, 'credential_invalid', (t) => [withToken(`"${t}"`)]],
    ['the header of programs', 200, 'policy_allow', (t) => [['cf-access-token', t]]],
    ['one cookie among others', 200, 'policy_allow', (t) => [['cookie', `a=1;${one(t)} ; b=2`]]],
  ];
  for (const [name, status, reason, sent] of cases) {
    test(`answers ${name} with ${status}`, async () => {
      const answer = await ask(world, [...about(world), ...NAVIGATION, ...sent(token)]);
      assert.deepEqual([answer.status, answer.reason], [status, reason]);
    });
  }

  test('passes on the other cookies as they came, and no credential', async () => {
    const cookie = `theme=dark; CF_AppSession=${'a'.repeat(43)}; CF_Authorization=${token}; theme=light; __Host-CF_AppSession=b; x="a=b"`;
    const answer = await ask(world, [...about(world), ['cookie', cookie]]);
    assert.equal(answer.headers.get('cookie'), 'theme=dark; theme=light; x="a=b"');
    const none = await ask(world, [...about(world), withToken(token)]);
    assert.equal(none.headers.get('cookie'), '', 'also empty it is said, so that it replaces the client’s');
  });

  test('says the e-mail of a person in UTF-8, whatever letters it has', async () => {
    const person = world.person({ email: 'žofie.中@exämple.com' });
    const browser = world.browser();
    await assert.rejects(world.signedIn(person, { browser }), /AssertionError|hello/);
    const answer = await ask(world, [...about(world), withToken(tokenIn(browser, world.site))]);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('cf-access-authenticated-user-email'), 'žofie.中@xn--exmple-cua.com');
  });

  test('never answers the endpoints of the gate with a 2xx, which would let them through', async () => {
    const paths = [
      'authorized',
      'authorized?code=x',
      'get-identity',
      'logout',
      'certs',
      'login',
      'callback',
      'x',
      '',
    ];
    for (const path of paths) {
      const browser = await world.signedIn(world.person());
      for (const headers of [[], [withToken(tokenIn(browser, world.site))]]) {
        const answer = await world.ask([
          ...about(world, `/cdn-cgi/access/${path}`),
          ...NAVIGATION,
          ...headers,
        ]);
        assert.ok(answer.status >= 300, `${answer.status} ${path}`);
        for (const name of ['cf-access-authenticated-user-email', 'cf-access-jwt-assertion', 'cookie']) {
          assert.equal(answer.headers.has(name), false, path);
        }
      }
    }
  });

  test('logs no credential, no cookie and no query', async () => {
    const secrets = ['query-secret', 'cookie-secret', token, token.split('.')[2] ?? '', 'bearer-secret'];
    const more: HeaderLine[] = [
      ['cookie', `CF_Authorization=${token}; other=cookie-secret`],
      ['authorization', 'Bearer bearer-secret'],
    ];
    for (const uri of [
      '/?code=query-secret',
      '/cdn-cgi/access/authorized?code=query-secret',
      '//?query-secret',
      '/#query-secret',
    ]) {
      await world.ask([...about(world, uri), ...NAVIGATION, ...more]);
    }
    await exchange(
      world.app.port,
      toBytes(
        { target: '/cdn-cgi/access/callback?state=query-secret&code=query-secret', headers: more },
        new URL(world.team).host,
      ),
    );
    await exchange(
      world.app.port,
      toBytes({ target: '/nowhere?query-secret', headers: more }, new URL(world.team).host),
    );
    const log = JSON.stringify(world.log);
    assert.ok(world.log.length > 10);
    for (const secret of secrets) assert.equal(log.includes(secret), false, secret.slice(0, 20));
  });

  test('goes on when a client goes away in the middle of a question', async () => {
    const socket = connect(world.app.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(toBytes({ target: PATH, headers: about(world) }, 'x'));
    socket.destroy();
    assert.equal((await asks(about(world))).status, 200);
  });

  test('denies everybody at once when the application is deleted, and admits nobody after it is made anew', async () => {
    const host = `short-lived.localhost`;
    const made = await world.createApplication(host);
    const browser = world.browser();
    const own = (name: string) => about(world, '/', name);
    assert.equal((await ask(world, [...own(host), withToken(token)])).status, 401);
    await world.sdk.zeroTrust.access.applications.delete(made.id, { account_id: world.account_id });
    assert.equal((await ask(world, [...own(host), withToken(token)])).status, 403);
    await world.createApplication(host);
    assert.equal(
      (await ask(world, [...own(host), withToken(token)])).reason,
      'credential_of_another_application',
    );
    assert.equal(browser.jar.all().length, 0);
  });
});

describe('who may ask', () => {
  const nothing = async (world: Gated, headers: readonly HeaderLine[] = []) => {
    const host = `127.0.0.1:${world.app.port}`;
    const answer = await exchange(
      world.app.port,
      toBytes({ target: PATH, headers: [...about(world), ...headers] }, host),
    );
    const unknown = await exchange(world.app.port, toBytes({ target: '/portcullis/nothing', headers }, host));
    assert.deepEqual([answer.status, answer.text], [404, unknown.text]);
    assert.equal(
      world.log.some(({ msg }) => msg === 'gate decision'),
      false,
    );
  };

  test('nobody who is not named: to them it is as if nothing were there', async () => {
    await using world = await start('--trusted-proxy=192.0.2.0/24');
    await nothing(world);
    await nothing(world, [['x-portcullis-forward-auth-secret', SECRET]]);
    await nothing(world, [['x-forwarded-for', '192.0.2.1']]);
    const onApplication = await exchange(
      world.app.port,
      toBytes({ target: PATH, headers: about(world) }, new URL(world.site).host),
    );
    assert.equal(onApplication.status, 404);
  });

  test('whoever knows the secret, from any address, and nobody with a wrong one', async () => {
    await using world = await start('--trusted-proxy=192.0.2.0/24', `--forward-auth-secret=${SECRET}`);
    await nothing(world);
    for (const wrong of ['', 'x', SECRET.slice(1), `${SECRET} `.repeat(2), SECRET.toUpperCase()]) {
      await nothing(world, [['x-portcullis-forward-auth-secret', wrong]]);
    }
    await nothing(world, [
      ['x-portcullis-forward-auth-secret', SECRET],
      ['x-portcullis-forward-auth-secret', SECRET],
    ]);
    await nothing(world, [['x_portcullis_forward_auth_secret', SECRET]]);
    const right: HeaderLine = ['x-portcullis-forward-auth-secret', SECRET];
    assert.equal((await ask(world, [...about(world), ...PROGRAM, right])).status, 401);
    const browser = world.browser();
    assert.equal((await browser.get(world.site)).status, 404, 'the proxy of the test does not know it');
  });

  test('a named proxy, but not with a wrong secret', async () => {
    await using world = await start(`--forward-auth-secret=${SECRET}`);
    await nothing(world, [['x-portcullis-forward-auth-secret', 'wrong']]);
    await assertSignIn(world, [], 'no_credential');
    await assertSignIn(world, [['x-portcullis-forward-auth-secret', SECRET]], 'no_credential');
  });
});

const AMBIGUOUS = [
  '//',
  '//evil.example/',
  '/a//b',
  '/..',
  '/../closed',
  '/a/../../b',
  '/%2e%2e/',
  '/a/%2e./b',
  '/a/.%2E/b',
  '/%2e',
  '/a%2fb',
  '/a%2Fb',
  '/a%5cb',
  '/a\\b',
  '/a;b',
  '/a%3bb',
  '/%00',
  '/a%0d%0ab',
  '/a%7f',
  '/%',
  '/%2',
  '/%zz',
  '/%252e%252e/',
  '/%2561',
  '/%c0%af',
  '/%ff',
  '/\xe4',
  '/#',
  '/a#/../closed',
  '/a?b#c',
] as const;
