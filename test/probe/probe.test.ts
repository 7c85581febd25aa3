import assert from 'node:assert/strict';
import { createServer, request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { systemClock, systemStopwatch } from '../../src/kernel/clock.ts';
import type { PermissionGroupName } from '../../src/kernel/permissions.ts';
import { cleanUp, startProber } from '../../src/probe/prober.ts';
import { CHANNELS } from '../../src/probe/recorder.ts';
import { exitCodeOf, toText } from '../../src/probe/report.ts';
import type { TestApp } from '../support/app.ts';
import { freePort } from '../support/free-port.ts';
import { readRows } from '../support/rows.ts';
import { onBothDatabases } from '../support/stage.ts';
import { idsOf, tokenPolicy } from '../support/tenants.ts';
import {
  causeOf,
  findingsOf,
  listening,
  optionsFor,
  peopleLeft,
  probeOnce,
  startRelay,
  startSilence,
} from './world.ts';

const NEVER = new AbortController().signal;

/** What docs/probe.md says that the token needs. */
const NEEDED: readonly PermissionGroupName[] = [
  'Account Settings Read',
  'Access: Apps and Policies Write',
  'Access: Organizations, Identity Providers, and Groups Write',
  'Access: Users Write',
];

async function newToken({ credentials, sdk }: TestApp, may: readonly PermissionGroupName[], zone = true) {
  const { account_id, zone_id } = credentials;
  const own = tokenPolicy(account_id, may);
  const zones = {
    effect: 'allow' as const,
    permission_groups: idsOf(['Zone Read']).map((id) => ({ id })),
    resources: { [`com.cloudflare.api.account.zone.${zone_id}`]: '*' },
  };
  const made = await sdk().accounts.tokens.create({
    account_id,
    name: 'for the probe',
    policies: zone ? [own, zones] : [own],
  });
  return made.value ?? assert.fail();
}

/** Acts on the probe's objects that the audit log has. */
async function changes(app: TestApp): Promise<string[]> {
  const path = `/accounts/${app.credentials.account_id}/audit_logs?per_page=1000`;
  const entries = (await app.api('GET', path)).body.result as { action: { type: string } }[];
  const types = entries.map(({ action }) => action.type);
  return types.filter((type) => /^(?:application|identity_provider)\./.test(type)).sort();
}

onBothDatabases('the probe says why it could not find out, and leaves nobody behind', (stage) => {
  test('with a token that the control plane does not know', async () => {
    const token = `${stage.app.credentials.api_token.slice(0, -1)}_`;
    const report = await probeOnce(await optionsFor(stage.app, { token }));
    assert.match(causeOf(report), /^GET \/accounts\S* is answered 40[01]: /);
    assert.equal(exitCodeOf(report), 2);
    assert.equal(JSON.stringify(report).includes(token), false);
  });

  test('with a token that may not do what a probe does', async () => {
    const token = await newToken(stage.app, ['Account Settings Read', 'Access: Apps and Policies Read']);
    const cause = causeOf(await probeOnce(await optionsFor(stage.app, { token })));
    assert.match(cause, /is answered 403: Forbidden \[10000\]/);
  });

  test('when nobody listens where the control plane should be', async () => {
    const origin = `http://127.0.0.1:${await freePort()}`;
    const baseUrl = new URL(`${origin}/client/v4`);
    const cause = causeOf(await probeOnce(await optionsFor(stage.app, { baseUrl })));
    assert.match(cause, new RegExp(`^the control plane at ${origin} does not answer: .*ECONNREFUSED`));
  });

  test('when something else listens there', async () => {
    await using other = await listening(createServer((_request, response) => response.end('hello')));
    const cause = causeOf(await probeOnce(await optionsFor(stage.app, { baseUrl: other.url })));
    assert.match(cause, /is answered 200, and not by the v4 API$/);
  });

  test('when the control plane takes the call and never answers', async () => {
    await using silence = await startSilence();
    const cause = causeOf(
      await probeOnce(await optionsFor(stage.app, { baseUrl: silence.url, timeout: 1000 })),
    );
    assert.match(cause, /does not answer: no answer within 1 s$/);
  });

  test('without a zone to be in', async () => {
    const token = await newToken(stage.app, NEEDED, false);
    const cause = causeOf(await probeOnce(await optionsFor(stage.app, { token })));
    assert.match(cause, /sees no zone of the account/);
  });

  test('on the host of another application', async () => {
    const { app } = stage;
    const { account_id } = app.credentials;
    const body = { name: 'Taken', type: 'self_hosted', domain: 'taken.localhost', policies: [] };
    const { status } = await app.api('POST', `/accounts/${account_id}/access/apps`, { body });
    assert.equal(status, 201);
    const cause = causeOf(await probeOnce(await optionsFor(app, { host: 'taken.localhost' })));
    assert.match(cause, /^POST \S+\/apps is answered 409: /);
  });

  test('when the first gate does not listen, and when another does not answer', async () => {
    const { app } = stage;
    const honest = new URL(app.origin);
    const closed = new URL(`http://127.0.0.1:${await freePort()}`);
    await using silence = await startSilence();
    const options = await optionsFor(app, { timeout: 1500 });
    const first = causeOf(await probeOnce({ ...options, gates: [closed, honest] }));
    assert.match(first, new RegExp(`^gate ${closed.origin} does not answer: .*ECONNREFUSED`));
    const other = causeOf(await probeOnce({ ...options, gates: [honest, silence.url] }));
    for (const channel of CHANNELS)
      assert.ok(other.includes(`gate ${silence.url.origin}: ${channel} do not get through`), other);
    assert.equal(other.includes(honest.origin), false, other);
    assert.deepEqual(await peopleLeft(app), []);
  });

  test('when the gate cannot reach the application', async () => {
    const upstreamUrl = `http://127.0.0.1:${await freePort()}`;
    const cause = causeOf(await probeOnce(await optionsFor(stage.app, { upstreamUrl, timeout: 1000 })));
    assert.match(cause, new RegExp(`^the sign-in ends at gate ${stage.app.origin} at /, which answers 502$`));
    assert.deepEqual(await peopleLeft(stage.app), []);
  });

  test('when the control plane cannot reach the provider', async () => {
    const providerUrl = `http://127.0.0.1:${await freePort()}`;
    const cause = causeOf(await probeOnce(await optionsFor(stage.app, { providerUrl })));
    assert.match(cause, /^PUT \S+\/identity_providers\/\S+ is answered 400: .*discovery document/);
  });

  test('when it is told to stop', async () => {
    const told = new AbortController();
    const running = probeOnce(await optionsFor(stage.app), told.signal);
    setTimeout(() => told.abort(), 300);
    assert.equal(causeOf(await running), 'it was told to stop');
    assert.deepEqual(await peopleLeft(stage.app), []);
  });
});

onBothDatabases('a healthy gate keeps the promise', (stage) => {
  for (const removal of ['delete', 'revoke'] as const) {
    test(`${removal}: at every gate and on every channel, and the person is gone`, async () => {
      const { app } = stage;
      await using relay = await startRelay(app.port);
      const gates = [new URL(app.origin), relay.url];
      const report = await probeOnce(await optionsFor(app, { removal, gates }));
      assert.equal(report.verdict, 'kept', toText(report));
      assert.equal(exitCodeOf(report), 0);
      const expected = gates.flatMap(({ origin }) => CHANNELS.map((channel) => [origin, channel]));
      assert.deepEqual(
        findingsOf(report).map(({ gate, channel }) => [gate, channel]),
        expected,
      );
      for (const found of findingsOf(report)) {
        assert.equal(found.admitted_after, 0);
        assert.equal(typeof found.first_refusal_ms, 'number');
        assert.equal(found.cut_ms === null, found.channel === 'requests');
      }
      assert.match(toText(report), /\nkept\n$/);
      assert.deepEqual(await peopleLeft(app), []);
    });
  }

  test('a gate that dies of the removal admits nobody, and whether it would have is not known', async () => {
    await using relay = await startRelay(stage.app.port, { dies: true });
    const report = await probeOnce(await optionsFor(stage.app, { gates: [relay.url], watch: 1500 }));
    assert.equal(report.verdict, 'unknown', toText(report));
    assert.equal(exitCodeOf(report), 2);
    for (const { channel } of findingsOf(report))
      assert.ok(
        toText(report).includes(`${relay.url.origin} ${channel}: 1 channel without a refusal`),
        toText(report),
      );
    assert.deepEqual(await peopleLeft(stage.app), []);
  });

  test('what was found is told, also when the person cannot be taken away afterwards', async () => {
    const { app } = stage;
    await using forgetful = await listening(
      createServer((request, response) => {
        if (request.method === 'DELETE') return void response.writeHead(503).end('not now');
        const { url: path = '', method = '', headers } = request;
        const asked = httpRequest({ host: '127.0.0.1', port: app.port, path, method, headers }, (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
          answer.pipe(response);
        });
        request.pipe(asked);
      }),
    );
    const options = await optionsFor(app, { removal: 'revoke' });
    const report = await probeOnce({ ...options, baseUrl: new URL('/client/v4', forgetful.url) });
    assert.equal(report.verdict, 'kept', toText(report));
    assert.match(toText(report), /^the test person is still in the account, .*is answered 503/m);
    assert.equal((await peopleLeft(app)).length, 1);
    await cleanUp(options, NEVER);
    assert.deepEqual(await peopleLeft(app), []);
  });

  test('a token with no more than the documented rights is enough', async () => {
    const token = await newToken(stage.app, NEEDED);
    for (const removal of ['delete', 'revoke'] as const) {
      const report = await probeOnce(await optionsFor(stage.app, { token, removal }));
      assert.equal(report.verdict, 'kept', toText(report));
    }
  });

  test('runs of one process, and of the next one with the same addresses, change no object', async () => {
    const { app } = stage;
    const options = await optionsFor(app);
    assert.equal((await probeOnce(options)).verdict, 'kept');
    const before = await changes(app);
    const prober = await startProber(options, { clock: systemClock, stopwatch: systemStopwatch });
    for (let runs = 0; runs < 2; runs++) assert.equal((await prober.run(NEVER)).verdict, 'kept');
    await prober.close();
    assert.deepEqual(await changes(app), before);
  });
});

onBothDatabases('what the probe leaves in the account', (stage) => {
  const OBJECTS = [
    'users',
    'identities',
    'sessions',
    'hand_offs',
    'sign_in_states',
    'applications',
    'policies',
  ];

  test('is gone after it was cleaned, people of a killed run as well, and nobody else is', async () => {
    const { app, database } = stage;
    const { account_id } = app.credentials;
    const own = `probe+${'0'.repeat(16)}@probe.invalid`;
    const others = ['probe+somebody@probe.invalid', 'ana@example.com', `x${own}`];
    for (const email of others)
      await app.sdk().zeroTrust.access.users.create({ account_id, email, name: '' });
    const before = await readRows(database);
    const options = await optionsFor(app);

    assert.equal((await probeOnce(options)).verdict, 'kept');
    await app.sdk().zeroTrust.access.users.create({ account_id, email: own, name: '' });
    const removed = await cleanUp(options, NEVER);

    assert.deepEqual(removed.map((one) => one.split(' ')[0]).sort(), ['application', 'identity', 'user']);
    const after = await readRows(database);
    const tables = [...OBJECTS, 'identity_providers'].filter((table) => table in before);
    assert.ok(tables.length >= 7, Object.keys(before).join());
    for (const table of tables) assert.deepEqual(after[table], before[table], table);
    assert.deepEqual(await cleanUp(options, NEVER), []);
  });

  test('is never an object of somebody else, whatever it is called', async () => {
    const { app } = stage;
    const { account_id } = app.credentials;
    const made = await app.api('POST', `/accounts/${account_id}/access/apps`, {
      body: {
        name: 'Portcullis probe',
        type: 'self_hosted',
        domain: 'wiki.localhost',
        policies: [{ name: 'Everyone', decision: 'allow', include: [{ everyone: {} }] }],
      },
    });
    assert.equal(made.status, 201);
    const options = await optionsFor(app);
    const words = /the application “Portcullis probe” is not as the probe made it/;
    assert.match(causeOf(await probeOnce(options)), words);
    await assert.rejects(cleanUp(options, NEVER), words);
    const { body } = await app.api('GET', `/accounts/${account_id}/access/apps/${made.body.result.id}`);
    assert.deepEqual(body.result, made.body.result);
  });
});
