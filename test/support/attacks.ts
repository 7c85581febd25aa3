import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Arrived } from './application.ts';
import { FACTS, formsOf, IDENTITIES, type Line, OTHER_FACTS, PATHS, smuggling } from './attack-corpus.ts';
import type { BehindProxy, Front } from './behind-proxy.ts';
import { tokenIn } from './forge.ts';
import { createInspector, type Inspector } from './inspector.ts';
import { Wire, type WireAnswer } from './wire.ts';

/** What clients do to be taken for somebody else or to ask for something else, behind any proxy. */
export function testAttacks(world: () => BehindProxy & Front): void {
  let ana: string;
  let ben: string;
  let inspect: Inspector;
  before(async () => {
    const { site, signIn } = world();
    inspect = await createInspector(world());
    ana = tokenIn(await signIn('ana', site), site);
    ben = tokenIn(await signIn('ben', site, '/admin'), site);
  });

  const hostOf = () => new URL(world().site).host;
  const cookie = (token: string): Line => ['cookie', `CF_Authorization=${token}`];
  const arrived = () => world().application.arrived;

  /** Sends a request line and headers as they are. */
  const send = async (target: string, lines: readonly Line[], method = 'GET'): Promise<WireAnswer | null> => {
    const head = [`${method} ${target} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`)];
    return sendRaw(`${head.join('\r\n')}\r\n\r\n`, method);
  };
  const sendRaw = async (text: string, method = 'GET'): Promise<WireAnswer | null> => {
    using wire = new Wire(world().port);
    return await wire.ask(Buffer.from(text, 'latin1'), method);
  };
  const own = (): readonly Line[] => [['host', hostOf()], cookie(ana)];

  /** Nothing arrives but what Ana may ask for, as Ana. */
  const assertOnlyAna = async (name: string, requests: readonly Arrived[] = arrived()) => {
    for (const one of requests) {
      const told = await inspect(one).catch((cause) => assert.fail(`${name}: ${cause.message}`));
      assert.deepEqual(told, { email: 'ana@example.com', aud: world().aud.root }, name);
    }
  };

  test('without a credential nothing that a client says of itself gets it in', async () => {
    const more = [...IDENTITIES, ...FACTS, ...OTHER_FACTS];
    for (const line of [...more.map((one) => [one]), IDENTITIES, FACTS]) {
      for (const method of ['GET', 'POST']) {
        const answer = await send('/', [['host', hostOf()], ['content-length', '0'], ...line], method);
        assert.notEqual(answer?.status, 200, JSON.stringify(line));
      }
    }
    assert.deepEqual(arrived(), []);
  });

  test('what a client says of itself never reaches the application, in whatever spelling', async () => {
    for (const line of [...IDENTITIES, ...FACTS].map((one) => [one])) await send('/', [...own(), ...line]);
    const plain = IDENTITIES.filter(([name]) => !name.toLowerCase().startsWith('cf-access-client-'));
    await send('/', [...own(), ...plain]);
    await send('/', [...own(), ...plain, ['content-length', '0']]);
    assert.ok(arrived().length > 10, `${arrived().length}`);
    await assertOnlyAna('forged headers');
  });

  test('a client cannot have headers dropped by naming them as those of the connection', async () => {
    const names = [
      'cf-access-jwt-assertion, cf-access-authenticated-user-email, cookie, host',
      'x-forwarded-uri, x-forwarded-host, x-forwarded-proto, x-forwarded-method, x-forwarded-for',
      'X-Original-URL, X-Original-Method, X-Portcullis-Target, X-Portcullis-Host',
      'keep-alive, Cookie',
      'content-length, transfer-encoding',
    ];
    for (const name of names) {
      for (const lines of [own(), [...own(), ['content-length', '0'] as const]]) {
        await send('/', [...lines, ['connection', `close, ${name}`]]);
        await send('/admin', [...lines, ['connection', name], ['keep-alive', 'cf-access-jwt-assertion']]);
      }
    }
    await assertOnlyAna('Connection');
    assert.ok(arrived().length > 0);
  });

  test('a client cannot ask about another path than the one it wants', async () => {
    for (const line of [...FACTS, ...OTHER_FACTS].map(([name, value]) => [
      name,
      value === '/forged' ? '/' : value,
    ])) {
      for (const method of ['GET', 'HEAD', 'POST']) {
        const lines: Line[] = [...own(), ['content-length', '0'], line as unknown as Line];
        const answer = await send('/admin/x', method === 'POST' ? lines : lines.toSpliced(2, 1), method);
        assert.notEqual(answer?.status, 200, `${method} ${line}`);
      }
    }
    assert.deepEqual(arrived(), []);
  });

  test('no way to write a path leads to what it is not judged as', async () => {
    for (const path of PATHS) {
      arrived().length = 0;
      await send(path, own());
      await send(path, [...own(), ['content-length', '0']]);
      await send(path, [...own(), ['content-length', '0']], 'POST');
      await assertOnlyAna(path);
      await send(path, [['host', hostOf()]]);
      await assertOnlyAna(path);
    }
    arrived().length = 0;
    await send('/administration', own());
    assert.equal(arrived().length, 1, 'what only looks alike is not refused');
  });

  test('no form of a target does either', async () => {
    for (const form of formsOf(hostOf())) {
      for (const method of ['GET', 'POST', 'OPTIONS', 'CONNECT']) {
        await send(form, own(), method);
        await send(form, [['host', 'forged.localhost'], cookie(ana)], method);
      }
      await assertOnlyAna(form);
    }
  });

  test('the host that is judged is the host that is reached', async () => {
    const host = hostOf();
    const hosts: (readonly Line[])[] = [
      [],
      [['host', '']],
      [['host', 'forged.localhost']],
      [['host', `forged@${host}`]],
      [['host', `${host}, forged.localhost`]],
      [['host', `${host}/admin`]],
      [['host', `${host}:80`]],
      [
        ['host', host],
        ['host', 'forged.localhost'],
      ],
      [
        ['host', 'forged.localhost'],
        ['host', host],
      ],
      [
        ['host', host],
        ['host', host],
      ],
      [
        ['Host ', 'forged.localhost'],
        ['host', host],
      ],
      [['host', '127.0.0.1']],
      [['host', 'portcullis']],
    ];
    for (const lines of hosts) {
      for (const more of [[], [['content-length', '0'] as const]]) {
        await send('/admin', [...lines, cookie(ana), ...more]);
        await send('/', [...lines, ...more]);
      }
    }
    // Caddy answers 200 for a host that it does not know, of itself: what counts is what arrives.
    await assertOnlyAna('Host');
    await sendRaw(`GET /admin HTTP/1.0\r\ncookie: CF_Authorization=${ana}\r\n\r\n`);
    await sendRaw(`GET /admin HTTP/1.0\r\nhost: ${host}\r\n\r\n`);
    await sendRaw('GET /admin\r\n\r\n');
    await assertOnlyAna('no Host');
  });

  test('two credentials are none, and what is no token is none', async () => {
    const both = `CF_Authorization=${ana}; CF_Authorization=${ben}`;
    const cases: readonly (readonly Line[])[] = [
      [['cookie', both]],
      [['cookie', both.replaceAll('; ', ';')]],
      [cookie(ana), cookie(ben)],
      [cookie(ana), cookie(ana)],
      [cookie(ana), ['cf-access-token', ana]],
      [
        ['cf-access-token', ana],
        ['cf-access-token', ana],
      ],
      [cookie(''), cookie(ana)],
      [['cookie', `cf_authorization=${ana}`]],
      [['cookie', `CF_Authorization="${ana}"`]],
      [['cookie', `CF_Authorization=${ana.slice(0, -1)}`]],
      [['cookie', `CF_Authorization=${ana}\t; CF_Authorization = x`]],
      [['cookie2', `CF_Authorization=${ana}`]],
      [['Cookie ', `CF_Authorization=${ana}`]],
      [['authorization', `Bearer ${ana}`]],
      [['cf_access_token', ana]],
    ];
    for (const lines of cases) {
      for (const more of [[], [['content-length', '0'] as const]]) {
        const answer = await send('/', [['host', hostOf()], ...lines, ...more]);
        assert.notEqual(answer?.status, 200, JSON.stringify(lines).slice(0, 60));
      }
    }
    assert.deepEqual(arrived(), []);
    await send('/admin/x', [['host', hostOf()], cookie(ben)]);
    assert.equal(arrived().length, 1, 'one credential alone is enough');
  });

  test('a method that says it is another is the one that it is', async () => {
    for (const name of ['x-http-method-override', 'x-http-method', 'x-method-override', '_method']) {
      await send('/admin?_method=GET', [...own(), [name, 'OPTIONS']]);
      await send('/admin?_method=GET', [...own(), ['content-length', '0'], [name, 'GET']], 'POST');
    }
    for (const method of [
      'TRACE',
      'TRACK',
      'CONNECT',
      'get',
      'OPTIONS',
      'PROPFIND',
      'G\tET',
      'GET,POST',
      'DELETE',
    ]) {
      await send('/admin', own(), method);
      const answer = await send('/', [['host', hostOf()]], method);
      assert.notEqual(answer?.status, 200, method);
    }
    await assertOnlyAna('methods');
  });

  test('the questions of the proxy cannot be put by others', async () => {
    const ends = [
      '',
      '/nginx',
      '/haproxy',
      '/envoy/',
      '/envoy/admin',
      '?x',
      '/../forward-auth',
      '/x/../nginx',
    ];
    const facts: readonly Line[] = [
      ['x-forwarded-method', 'GET'],
      ['x-forwarded-uri', '/'],
      ['x-original-method', 'GET'],
      ['x-original-url', `${world().site}/`],
      ['x-portcullis-method', 'GET'],
      ['x-portcullis-scheme', 'http'],
      ['x-portcullis-host', hostOf()],
      ['x-portcullis-target', '/'],
    ];
    for (const target of ends.map((end) => `/portcullis/forward-auth${end}`)) {
      for (const method of ['GET', 'POST', 'OPTIONS']) {
        for (const host of [hostOf(), new URL(world().team).host, '127.0.0.1', 'portcullis']) {
          const lines: Line[] = [['host', host], cookie(ana), ['content-length', '0'], ...facts];
          const answer = await send(target, lines, method);
          assert.doesNotMatch(answer?.head ?? '', /^(?:cf-access-|cookie:)/im, `${method} ${target} ${host}`);
        }
      }
    }
    await assertOnlyAna('forward-auth');
  });

  test('header bombs are refused and the next request is answered', async () => {
    const many = Array.from({ length: 3000 }, (_, at) => [`x-${at}`, 'x'] as const);
    const bombs: (readonly Line[])[] = [
      [['x-bomb', 'x'.repeat(100_000)]],
      many,
      [['cookie', `${'a=b; '.repeat(20_000)}CF_Authorization=${ana}`]],
      [['cf-access-token', 'x'.repeat(40_000)]],
      [['x-'.padEnd(70_000, 'x'), '1']],
    ];
    for (const bomb of bombs) {
      const answer = await send('/', [...own(), ...bomb]);
      assert.ok(answer === null || answer.status >= 400, `${answer?.status}`);
      assert.notEqual((await send(`/${'x'.repeat(60_000)}`, own()))?.status, 200);
    }
    assert.deepEqual(arrived(), []);
    assert.equal((await send('/', own()))?.status, 200);
  });

  test('no request hides in another one', async () => {
    for (const [name, text] of smuggling({ host: hostOf(), token: ana })) {
      arrived().length = 0;
      await sendRaw(text);
      // What was hidden may come after the answer to the first.
      await wait(30);
      assert.ok(!arrived().some(({ target }) => target.includes('hidden')), name);
      assert.ok(arrived().length <= 1, name);
      await assertOnlyAna(name);
    }
    arrived().length = 0;
    const two = `GET /one HTTP/1.1\r\nhost: ${hostOf()}\r\ncookie: CF_Authorization=${ana}\r\n\r\n`;
    await sendRaw(two + two.replace('/one', '/admin'));
    await wait(30);
    await assertOnlyAna('pipelined');
    assert.deepEqual(
      arrived().map(({ target }) => target),
      ['/one'],
    );
  });

  test('after all of it people are served as before', async () => {
    const answer = await send('/still', own());
    assert.equal(answer?.status, 200);
    await assertOnlyAna('after all of it');
    assert.equal(arrived().length, 1);
  });
}
