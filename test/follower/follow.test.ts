import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { IDENTITY, LOGOUT } from '../support/gated.ts';
import { EXCHANGES, type GateSockets, openExchange, watchGateSockets } from '../support/open-exchanges.ts';
import { openWebSocket } from '../support/proxied.ts';
import { exchange, toBytes } from '../support/raw-http.ts';
import { askGate } from '../support/remote-asks.ts';
import { followedOnBothDatabases, until } from '../support/remote-gate.ts';

const SNAPSHOT = 'the whole memory was loaded';

followedOnBothDatabases(
  'a gate that follows its control plane',
  (followed) => {
    const watched: { sockets?: GateSockets } = {};
    before(() => {
      watched.sockets = watchGateSockets();
    });
    after(() => watched.sockets?.[Symbol.dispose]());
    const snapshots = () => followed().gate.log.filter(({ msg }) => msg === SNAPSHOT).length;

    test('admits nobody who has not signed in, and sends a person to sign in', async () => {
      const { application, upstream, world } = followed();
      assert.equal((await askGate(followed(), '/')).status, 401);
      const page = await world.browser().get(application.site);
      assert.equal(page.status, 302);
      assert.equal(page.location?.origin, world.team);
      assert.deepEqual(upstream.arrivals, []);
    });

    test('serves no other host, and there says only how it is', async () => {
      const ask = (path: string) =>
        askGate(followed(), path, undefined, { headers: { host: 'other.example' } });
      for (const path of ['/', '/client/v4/accounts', '/cdn-cgi/access/certs', '/portcullis/gate/decide'])
        assert.equal((await ask(path)).status, 404, path);
      assert.deepEqual(JSON.parse((await ask('/healthz')).text), { status: 'ok' });
      assert.deepEqual(JSON.parse((await ask('/readyz')).text), { status: 'ready' });
    });

    test('brings a sign-in to its end, and then the request to the application', async () => {
      const { signedIn, upstream, gate, application } = followed();
      const before = upstream.arrivals.length;
      const { person, browser, cookie } = await signedIn();
      assert.equal((await askGate(followed(), '/', cookie)).text, `hello ${person.email}`);
      assert.equal(upstream.arrivals.length, before + 2);
      const identity = await browser.get(`${application.site}${IDENTITY}`);
      assert.equal(JSON.parse(identity.text).email, person.email);
      assert.ok(gate.log.every((line) => !JSON.stringify(line).includes(cookie.split('=')[1] ?? '?')));
    });

    test('tells the application of its visitor with a key of its own, which the team domain publishes', async () => {
      const { signedIn, world, application } = followed();
      const { cookie, person } = await signedIn();
      const echoed = JSON.parse((await askGate(followed(), '/echo', cookie)).text);
      const at = echoed.rawHeaders.findIndex((name: string) => /^cf-access-jwt-assertion$/i.test(name));
      const assertion = echoed.rawHeaders[at + 1];
      const certs = await world.browser().get(`${world.team}/cdn-cgi/access/certs`);
      const keys = createLocalJWKSet(JSON.parse(certs.text));
      const { payload } = await jwtVerify(assertion, keys, {
        audience: application.aud,
        typ: 'assertion+jwt',
      });
      assert.equal(payload.email, person.email);
      const asCredential = await askGate(followed(), '/', `CF_Authorization=${assertion}`);
      assert.equal(asCredential.status, 401, 'what it signs is no credential');
    });

    test('a sign-out by way of the gate ends the session there', async () => {
      const { signedIn, application } = followed();
      const { browser, cookie } = await signedIn();
      const page = await browser.get(`${application.site}${LOGOUT}`, { 'sec-fetch-site': 'same-origin' });
      assert.equal(page.status, 302);
      assert.equal((await askGate(followed(), '/', cookie)).status, 401);
    });

    for (const kind of EXCHANGES) {
      test(`when revoke_user returns, the ${kind} of the user is cut there, and that of another goes on`, async () => {
        const { signedIn, place, world } = followed();
        const opening = { proxied: place, sockets: watched.sockets ?? assert.fail() };
        const [one, other] = [await signedIn(), await signedIn()];
        const cut = await openExchange(opening, kind, { headers: { cookie: one.cookie } });
        const kept = await openExchange(opening, kind, { headers: { cookie: other.cookie } });
        const { account_id } = world;
        await world.sdk.zeroTrust.organizations.revokeUsers({ account_id, email: one.person.email });
        assert.ok(cut.gate.client.destroyed && cut.gate.upstream.destroyed, 'open after the answer');
        assert.equal((await askGate(followed(), '/', one.cookie)).status, 401);
        await cut.ended();
        await kept.finish();
      });
    }

    test('when a policy call returns, it is in force at the gate', async () => {
      const { signedIn, application, world } = followed();
      const { cookie, person } = await signedIn();
      const { account_id } = world;
      const policies = world.sdk.zeroTrust.access.applications.policies;
      const include = [{ email: { email: person.email } }];
      const asked = { account_id, name: 'Not them', decision: 'deny', precedence: 1, include };
      const policy = await policies.create(application.id, asked as never);
      assert.equal((await askGate(followed(), '/', cookie)).status, 403);
      await policies.delete(String(policy.id), { account_id, app_id: application.id });
      assert.equal((await askGate(followed(), '/', cookie)).status, 200);
    });

    test('comes back after a broken stream where it was, without another snapshot, and knows what was removed', async () => {
      const { signedIn, gate, line, world } = followed();
      const { cookie, person } = await signedIn();
      const kept = await signedIn();
      const before = snapshots();
      const attached = () => gate.log.filter(({ msg }) => msg === 'attached to the control plane').length;
      const times = attached();
      line.refuse();
      const { account_id } = world;
      const removal = world.sdk.zeroTrust.organizations.revokeUsers({ account_id, email: person.email });
      await removal;
      line.release();
      await until(
        () => attached() > times,
        () => 'it did not come back',
      );
      await gate.ready();
      assert.equal(snapshots(), before);
      assert.equal((await askGate(followed(), '/', cookie)).status, 401);
      assert.equal((await askGate(followed(), '/', kept.cookie)).status, 200);
    });

    test('a WebSocket passes both ways', async () => {
      const { signedIn, place } = followed();
      const { cookie } = await signedIn();
      const webSocket = await openWebSocket(place, { headers: { cookie } });
      webSocket.send('there and back');
      const [said] = await once(webSocket, 'message');
      assert.equal(String(said), 'there and back');
      webSocket.close();
    });

    test('answers proxies by forward-auth, and nobody else', async () => {
      const { signedIn, gate, place } = followed();
      const { cookie, person } = await signedIn();
      const asked = (more: readonly (readonly [string, string])[]) => ({
        target: '/portcullis/forward-auth',
        headers: [
          ['x-forwarded-method', 'GET'],
          ['x-forwarded-proto', 'http'],
          ['x-forwarded-host', place.host],
          ['x-forwarded-uri', '/'],
          ...more,
        ] as const,
      });
      const ask = (more: readonly (readonly [string, string])[]) =>
        exchange(gate.port, toBytes(asked(more), `127.0.0.1:${gate.port}`));
      assert.equal((await ask([])).status, 401);
      const admitted = await ask([['cookie', cookie]]);
      assert.equal(admitted.status, 200);
      assert.equal(admitted.headers.get('cf-access-authenticated-user-email'), person.email);
    });
  },
  { gateFlags: ['--trusted-proxy=127.0.0.0/8'] },
);
