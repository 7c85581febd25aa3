import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { FAMILIES, FAMILY_NAMES, type FamilyQuestion, put } from '../support/families.ts';
import { tokenIn } from '../support/forge.ts';
import { type HeaderLine, NAVIGATION, PROGRAM, withToken } from '../support/gate-questions.ts';
import { type Gated, startGated } from '../support/gated.ts';
import { databases } from '../support/postgres.ts';
import type { RawAnswer } from '../support/raw-http.ts';

const SECRET = 'a secret between the proxy and the gate';
const WITH_SECRET: HeaderLine = ['x-portcullis-forward-auth-secret', SECRET];
const IDENTITY = ['cf-access-authenticated-user-email', 'cf-access-jwt-assertion', 'cookie'];

describe('forward-auth, asked as each family of proxies asks', () => {
  let world: Gated;
  let token: string;
  let host: string;
  before(async () => {
    const [kind] = databases;
    assert.ok(kind);
    world = await startGated(await kind.create(), [`--forward-auth-secret=${SECRET}`]);
    token = tokenIn(await world.signedIn(world.person()), world.site);
    host = new URL(world.site).host;
    const nobody = { name: 'Nobody', decision: 'deny', include: [{ everyone: {} }] };
    await world.createApplication(`${host}/closed`, { policies: [nobody] });
  });
  after(async () => await world[Symbol.asyncDispose]());

  /** Asks by the secret, and asserts that the identity comes whole with a 200 and not at all with anything else. */
  const ask = async (question: FamilyQuestion, client: readonly HeaderLine[] = []): Promise<RawAnswer> => {
    const answer = await put(world.app.port, question, [WITH_SECRET, ...client]);
    const told = IDENTITY.filter((name) => answer.headers.has(name));
    assert.deepEqual(told, answer.status === 200 ? IDENTITY : [], `${answer.status}`);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    return answer;
  };
  const signedIn = () => [...NAVIGATION, withToken(token)];

  for (const name of FAMILY_NAMES) {
    const about = FAMILIES[name];
    const refused = name === 'nginx' ? [403, 403] : [400, 403];

    test(`${name}: who is signed in is admitted with exactly 200, whatever the method`, async () => {
      for (const method of ['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS', 'PROPFIND']) {
        const answer = await ask(about({ host, method, uri: '/a/./b?x=%2F' }), signedIn());
        assert.equal(answer.status, 200, method);
        assert.equal(answer.headers.get('cf-access-authenticated-user-email'), 'person-1@example.com');
      }
    });

    test(`${name}: a browser that is not signed in is sent to sign in, with the cookie that ties it to the way back`, async () => {
      const answer = await ask(about({ host, uri: '/deep?x=1' }), NAVIGATION);
      assert.equal(answer.status, name === 'nginx' ? 401 : 302);
      const login = new URL(answer.headers.get('location') ?? '');
      assert.equal(login.origin, world.team);
      assert.equal(login.searchParams.get('redirect_url'), '/deep?x=1');
      assert.match(answer.headers.get('set-cookie') ?? '', /^CF_AppSession=[\w-]{43}; /);
    });

    test(`${name}: a program that is not signed in is told 401 and led nowhere`, async () => {
      for (const client of [PROGRAM, [...NAVIGATION, ['x-requested-with', 'XMLHttpRequest'] as const]]) {
        const answer = await ask(about({ host }), client);
        assert.equal(answer.status, 401);
        assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer realm="app\.localhost:\d+"$/);
        assert.equal(answer.headers.get('location') ?? answer.headers.get('set-cookie') ?? null, null);
      }
    });

    test(`${name}: a part of the question that is missing or comes twice is refused`, async () => {
      const right = about({ host });
      for (const [at, line] of right.headers.entries()) {
        const without = right.headers.toSpliced(at, 1);
        assert.equal((await ask({ ...right, headers: without }, signedIn())).status, refused[0], line[0]);
        const twice = { ...right, headers: [...right.headers, line] };
        assert.equal((await ask(twice, signedIn())).status, refused[0], line[0]);
        const alias = { ...right, headers: [...without, [line[0].replaceAll('-', '_'), line[1]] as const] };
        assert.equal((await ask(alias, signedIn())).status, refused[0], line[0]);
      }
    });

    test(`${name}: parts that no proxy sends are refused`, async () => {
      const odd = [
        { scheme: 'ftp' },
        { scheme: 'HTTP' },
        { host: 'a b' },
        { host: `${host},evil.localhost` },
        { host: `evil@${host}` },
        { host: '' },
        { uri: `/${'a'.repeat(8192)}` },
        ...(name === 'envoy' ? [] : [{ uri: '' }, { uri: '*' }, { method: 'get' }, { method: '' }]),
      ];
      for (const part of odd) {
        const answer = await ask(about({ host, ...part }), signedIn());
        assert.equal(answer.status, refused[0], JSON.stringify(part).slice(0, 80));
      }
    });

    test(`${name}: ambiguous paths and hosts that nobody has are denied`, async () => {
      const wanted = [
        ...['/a//b', '/x/%2e%2e/', '/a%2fb', '/a;b', '/a\\b', '/%2561'].map((uri) => ({ host, uri })),
        ...['unknown.localhost', new URL(world.team).host, 'app.localhost', `x.${host}`].map((other) => ({
          host: other,
        })),
        { host, scheme: 'https' },
      ];
      for (const one of wanted) {
        assert.equal((await ask(about(one), signedIn())).status, refused[1], JSON.stringify(one));
      }
    });

    test(`${name}: another path is another question, and no other header has a say in it`, async () => {
      const others: HeaderLine[] = [
        ['x-forwarded-prefix', '/'],
        ['x-rewrite-url', '/'],
        ['forwarded', `host=${host};proto=http`],
        ['user-agent', 'kube-probe/1.30'],
        ['x-http-method-override', 'OPTIONS'],
        ...FAMILY_NAMES.filter((one) => one !== name).flatMap((one) => FAMILIES[one]({ host }).headers),
      ];
      for (const more of [[], ...others.map((line) => [line]), others]) {
        const client = [...more, ...PROGRAM, withToken(token)];
        // Envoy's only header is one that the first family has, too: twice it would be no question.
        const shares = name === 'envoy' || name === 'forwarded';
        const sent = shares ? client.filter(([line]) => line !== 'x-forwarded-proto') : client;
        assert.equal((await ask(about({ host, uri: '/closed/x' }), sent)).status, 401, JSON.stringify(more));
      }
    });

    test(`${name}: the headers of another family do not stand in for its own`, async () => {
      for (const other of FAMILY_NAMES.filter((one) => one !== name)) {
        const { headers } = FAMILIES[other]({ host });
        const own = about({ host });
        const answer = await ask({ ...own, headers }, signedIn());
        // What Envoy asks about is in its request line, and the scheme in a header of the first family.
        if (name === 'envoy' && other === 'forwarded') assert.equal(answer.status, 200);
        else assert.equal(answer.status, refused[0], other);
      }
    });

    test(`${name}: the pages of the gate are never answered with a 2xx`, async () => {
      for (const page of ['authorized?code=x', 'logout', 'get-identity', 'nothing']) {
        const browser = await world.signedIn(world.person());
        const client = [...NAVIGATION, withToken(tokenIn(browser, world.site))];
        const answer = await ask(about({ host, uri: `/cdn-cgi/access/${page}` }), client);
        assert.ok(answer.status >= 300, page);
        if (name === 'nginx') assert.ok([401, 403].includes(answer.status), page);
      }
    });

    test(`${name}: asked from a trusted address on a host that people use, it is as if nothing were there`, async () => {
      // What people send comes from the proxy's address as well; and they know no secret.
      const asked = about({ host });
      for (const people of [
        host,
        host.toUpperCase(),
        'app.localhost',
        'app.localhost:1',
        'app.localhost.',
        new URL(world.team).host,
      ]) {
        for (const more of [[], [['x-portcullis-forward-auth-secret', 'wrong'] as const]]) {
          const logged = world.log.length;
          const answer = await put(world.app.port, { ...asked, host: people }, [...more, ...signedIn()]);
          assert.deepEqual(
            IDENTITY.filter((one) => answer.headers.has(one)),
            [],
          );
          const decided = world.log.slice(logged).filter(({ via }) => via === 'forward_auth');
          assert.deepEqual(decided, []);
        }
      }
    });
  }

  test('a trusted address is enough on any other host, but not with a wrong secret', async () => {
    for (const name of FAMILY_NAMES.filter((one) => one !== 'envoy')) {
      const asked = FAMILIES[name]({ host });
      assert.equal((await put(world.app.port, asked, signedIn())).status, 200);
      const wrong = [['x-portcullis-forward-auth-secret', 'wrong'] as const, ...signedIn()];
      assert.equal((await put(world.app.port, asked, wrong)).status, 404);
    }
  });

  test('paths near those of the endpoints are none', async () => {
    const asked = FAMILIES.forwarded({ host });
    for (const end of ['/', '/envoy', '/Nginx', '/nginx/', '/traefik', 'x', '//nginx', '/../forward-auth']) {
      const target = `/portcullis/forward-auth${end}`;
      const answer = await put(world.app.port, { ...asked, target }, [WITH_SECRET, ...signedIn()]);
      assert.equal(answer.status, 404, end);
    }
  });

  test('what Envoy is asked for is below its prefix as it is, and two Hosts are no question', async () => {
    const asked = FAMILIES.envoy({ host, uri: '/closed' });
    assert.equal((await ask(asked, [...PROGRAM, withToken(token)])).status, 401);
    for (const uri of ['/../x', '/..%2fhaproxy', '//closed', '/x#', '/x/%2e%2e/closed']) {
      assert.equal((await ask(FAMILIES.envoy({ host, uri }), signedIn())).status, 403, uri);
    }
    assert.equal((await ask(FAMILIES.envoy({ host }), [['host', host], ...signedIn()])).status, 400);
  });
});
