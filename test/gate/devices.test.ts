import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { PROOF_HEADER } from '../../src/protocol/device-proof.ts';
import {
  askWith,
  cookieFor,
  createPostureRule,
  type DeviceAsking,
  posing,
  requiring,
} from '../support/device-asks.ts';
import { enrolTestDevice, type TestDevice, type TestDeviceOptions } from '../support/devices.ts';
import { about, ask as askForward } from '../support/gate-questions.ts';
import type { GatedApplication } from '../support/gated.ts';
import type { Person } from '../support/openid-provider.ts';
import { openWebSocket, proxiedOnBothDatabases } from '../support/proxied.ts';

/*
 * Devices at the gate, as posture: what counts as a proof, whose device it is, what rests on it, and that it ends at the
 * return of whatever ends it. As credentials they are in device-credentials.test.ts.
 */

const MINUTE = 60_000;
const CLOSED_WITHIN = 2_000;

proxiedOnBothDatabases('a device', (proxied) => {
  let rule: string;
  let managed: GatedApplication;
  let person: Person;
  let cookie: string;
  let device: TestDevice;

  const enrol = (of: Person, more: Partial<TestDeviceOptions> = {}) =>
    enrolTestDevice(proxied().world.app, { email: of.email, ...more });
  const create = (name: string, policies: object) => proxied().createApplication(name, { policies });
  const asks = (asking: DeviceAsking, to = managed) => askWith(proxied(), to, { cookie, ...asking });
  /** Somebody new who has signed in there, with a device. */
  const somebody = async (to = managed, more: Partial<TestDeviceOptions> = {}) => {
    const one = proxied().world.person();
    const held = await cookieFor(proxied(), one, to);
    return { person: one, cookie: held, device: await enrol(one, more) };
  };
  const devices = () => proxied().world.sdk.zeroTrust.devices;
  const account = () => ({ account_id: proxied().world.account_id });
  const assertDenied = async (asking: DeviceAsking, reason: string, to = managed) => {
    const answer = await asks(asking, to);
    assert.deepEqual([answer.status, answer.reason], [403, reason], answer.text);
    assert.ok(!answer.text.includes(reason), 'the client is told why');
  };

  before(async () => {
    rule = await createPostureRule(proxied());
    managed = await create('managed', requiring(rule));
    ({ person, cookie, device } = await somebody());
  });

  const url = () => `${managed.site}/echo`;
  const refused: Readonly<
    Record<string, readonly [reason: string, asking: () => Promise<DeviceAsking> | DeviceAsking]>
  > = {
    'no proof': ['no_policy_matched', () => ({})],
    'an empty one': ['proof_invalid', () => ({ proof: '' })],
    'no JWS': ['proof_invalid', () => ({ proof: 'Bearer x' })],
    'one that is too long': [
      'proof_invalid',
      () => ({ proof: `${device.prove({ url: url() })}${'A'.repeat(2048)}` }),
    ],
    'of another method': ['proof_invalid', () => ({ proof: device.prove({ url: url(), method: 'POST' }) })],
    'of another path': ['proof_invalid', () => ({ proof: device.prove({ url: `${managed.site}/other` }) })],
    'of another host': [
      'proof_invalid',
      () => ({ proof: device.prove({ url: `${proxied().world.site}/echo` }) }),
    ],
    'of another scheme': [
      'proof_invalid',
      () => ({ proof: device.prove({ url: url().replace('http:', 'https:') }) }),
    ],
    'one that is over a minute old': [
      'proof_invalid',
      () => ({ proof: device.prove({ url: url(), now: proxied().world.app.clock.now() - 62_000 }) }),
    ],
    'one from the future': [
      'proof_invalid',
      () => ({ proof: device.prove({ url: url(), now: proxied().world.app.clock.now() + 10_000 }) }),
    ],
    'one that poses as another key': [
      'proof_invalid',
      async () => ({ proof: posing(device, await enrol(proxied().world.person()), url()) }),
    ],
    'of a key that nobody enrolled': [
      'device_unknown',
      async () => {
        const other = await enrol(proxied().world.person());
        await devices().registrations.delete(other.registrationId, account());
        return { device: other };
      },
    ],
    "of another person's device": [
      'device_of_another',
      async () => ({ device: await enrol(proxied().world.person()) }),
    ],
  };
  for (const [name, [reason, asking]] of Object.entries(refused)) {
    it(`is not proven by this: ${name}`, async () => assertDenied(await asking(), reason));
  }

  it('is proven by one proof once, whoever comes first', async () => {
    const proof = device.prove({ url: url() });
    const both = await Promise.all([asks({ proof }), asks({ proof })]);
    assert.deepEqual(both.map(({ status }) => status).sort(), [200, 403]);
    await assertDenied({ proof }, 'proof_replayed');
    await assertDenied({ proof, path: '/echo?other=1' }, 'proof_replayed');
  });

  it('is not proven where the header comes twice: the question is malformed', async () => {
    const proof = [device.prove({ url: url() }), device.prove({ url: url() })];
    const answer = await asks({ proof });
    assert.deepEqual([answer.status, answer.reason], [400, 'question_malformed']);
  });

  it('is proven with each request, whatever its query, and the application hears nothing of it', async () => {
    for (const path of ['/echo', '/echo?a=1&b=2', '/%65cho']) {
      const { status, text, line } = await asks({ device, path });
      assert.equal(status, 200, `${path}: ${text}`);
      assert.equal(line?.registrationId, device.registrationId);
      assert.ok(!text.toLowerCase().includes(PROOF_HEADER), 'the proof reached the application');
      assert.ok(text.includes(person.email));
    }
    const posted = await asks({ device, method: 'POST', path: '/echo' });
    assert.equal(posted.status, 200);
  });

  it('is proven to the gate behind a proxy as well', async () => {
    const host = new URL(managed.site).host;
    const question = (proof: string | null) =>
      askForward(proxied().world, [
        ...about(proxied().world, '/pages/1?q=1', host),
        ['cookie', cookie],
        ...(proof === null ? [] : ([[PROOF_HEADER, proof]] as const)),
      ]);
    assert.deepEqual([(await question(null)).status], [403]);
    const proof = device.prove({ url: `${managed.site}/pages/1` });
    const allowed = await question(proof);
    assert.deepEqual([allowed.status, allowed.reason], [200, 'policy_allow']);
    assert.equal((await question(proof)).reason, 'proof_replayed');
    await assertDenied({ proof, path: '/pages/1' }, 'proof_replayed');
  });

  it('says nothing without a credential where the application does not let it', async () => {
    const answer = await askWith(proxied(), managed, { device });
    assert.deepEqual([answer.status, answer.reason], [401, 'no_credential']);
  });

  it('is asked for by nobody where no policy asks', async () => {
    const open = await create('unmanaged', [{ name: 'All', decision: 'allow', include: [{ everyone: {} }] }]);
    const held = await cookieFor(proxied(), person, open);
    for (const asking of [{}, { device }, { proof: 'x' }])
      assert.equal((await askWith(proxied(), open, { cookie: held, ...asking })).status, 200);
  });

  const ended: Readonly<Record<string, (one: TestDevice, of: Person) => Promise<unknown>>> = {
    'is revoked': ({ registrationId }) =>
      devices().registrations.revoke({ ...account(), id: [registrationId] }),
    'is deleted': ({ registrationId }) => devices().registrations.delete(registrationId, account()),
    'is deleted with its physical device': ({ deviceId }) => devices().devices.delete(deviceId, account()),
    'is revoked with its person': (_, { email }) =>
      proxied().world.sdk.zeroTrust.organizations.revokeUsers({ ...account(), email, query_devices: true }),
    'has to be signed in on again': (_, { email }) =>
      proxied().world.sdk.zeroTrust.organizations.revokeUsers({
        ...account(),
        email,
        warp_session_reauth: true,
      }),
  };
  for (const [at, [name, end]] of Object.entries(ended).entries()) {
    it(`that ${name} is no device any more at the return, and nothing open rests on it`, async () => {
      const open = await create(`open-${at}`, requiring(rule));
      const gone = await somebody(open);
      const stays = await somebody(open);
      const socketOf = (one: typeof gone) => {
        const host = new URL(open.site).host;
        const proof = one.device.prove({ url: `${open.site}/socket` });
        return openWebSocket(
          { world: proxied().world, host },
          { headers: { cookie: one.cookie, [PROOF_HEADER]: proof } },
        );
      };
      const [falls, goesOn] = [await socketOf(gone), await socketOf(stays)];
      const heard: unknown[] = [];
      falls.on('message', (said) => heard.push(said));
      await end(gone.device, gone.person);
      for (const one of proxied().upstream.webSockets) one.send('after the return');
      await closed(falls);
      assert.deepEqual(heard, [], 'something passed after the return');
      assert.equal(goesOn.readyState, goesOn.OPEN);
      goesOn.close();
      const fresh = await cookieFor(proxied(), gone.person, open);
      const answer = await askWith(proxied(), open, { cookie: fresh, device: gone.device });
      assert.deepEqual([answer.status, answer.reason], [403, 'device_unknown']);
      assert.equal((await askWith(proxied(), open, { ...stays })).status, 200);
      const anew = await enrol(gone.person);
      assert.equal((await askWith(proxied(), open, { cookie: fresh, device: anew })).status, 200);
    });
  }

  it('that is revoked ends nothing that only came from it', async () => {
    const free = await create('free', [{ name: 'All', decision: 'allow', include: [{ everyone: {} }] }]);
    const one = await somebody(free);
    const proof = one.device.prove({ url: `${free.site}/socket` });
    const host = new URL(free.site).host;
    const headers = { cookie: one.cookie, [PROOF_HEADER]: proof };
    const socket = await openWebSocket({ world: proxied().world, host }, { headers });
    await devices().registrations.revoke({ ...account(), id: [one.device.registrationId] });
    assert.equal(await isAlive(socket), true);
    socket.close();
  });

  it('outlives a plain revoke_user as posture, and is nothing by itself then', async () => {
    const one = await somebody();
    await proxied().world.sdk.zeroTrust.organizations.revokeUsers({ ...account(), email: one.person.email });
    const over = await askWith(proxied(), managed, one);
    assert.deepEqual([over.status, over.reason], [401, 'session_unknown']);
    const fresh = await cookieFor(proxied(), one.person, managed);
    assert.equal((await askWith(proxied(), managed, { cookie: fresh, device: one.device })).status, 200);
    assert.equal((await askWith(proxied(), managed, { device: one.device })).status, 401);
  });

  it('counts until its device session runs out, and what is open no longer than that', async () => {
    const brief = await somebody(managed, { lasts: 30 * MINUTE });
    const host = new URL(managed.site).host;
    const headers = {
      cookie: brief.cookie,
      [PROOF_HEADER]: brief.device.prove({ url: `${managed.site}/socket` }),
    };
    const socket = await openWebSocket({ world: proxied().world, host }, { headers });
    assert.equal((await askWith(proxied(), managed, brief)).status, 200);
    proxied().world.app.clock.advance(31 * MINUTE);
    assert.equal(await isAlive(socket), false);
    const answer = await askWith(proxied(), managed, brief);
    assert.equal(answer.status, 403);
    assert.ok(['device_session_ended', 'device_unknown'].includes(answer.reason ?? ''), answer.reason);
    assert.equal(
      (await askWith(proxied(), managed, { cookie: brief.cookie, device })).reason,
      'device_of_another',
    );
    socket.terminate();
  });

  it('meets a rule as it is now: changed and deleted rules, edited lists, and what the device says anew', async () => {
    const { sdk } = proxied().world;
    const of = account();
    const list = await sdk.zeroTrust.gateway.lists.create({
      ...of,
      name: 'Serials',
      type: 'SERIAL',
      items: [{ value: ' sn-0001 ' }],
    });
    const listId = list.id ?? assert.fail();
    const serial = await createPostureRule(proxied(), { type: 'serial_number', input: { id: listId } });
    const listed = await create('listed', requiring(serial));
    const one = await somebody(listed);
    const status = async () => (await askWith(proxied(), listed, one)).status;
    assert.equal(await status(), 200);
    const socket = await openWebSocket(
      { world: proxied().world, host: new URL(listed.site).host },
      { headers: { cookie: one.cookie, [PROOF_HEADER]: one.device.prove({ url: `${listed.site}/socket` }) } },
    );
    await sdk.zeroTrust.gateway.lists.edit(listId, { ...of, remove: ['SN-0001'] });
    await closed(socket);
    assert.equal(await status(), 403);
    await sdk.zeroTrust.gateway.lists.edit(listId, { ...of, append: [{ value: 'SN-0001' }] });
    assert.equal(await status(), 200);
    const versions = { type: 'os_version', input: { operator: '>=', version: '6.12' } };
    const update = (more: object) =>
      devices().posture.update(serial, { ...of, name: 'Changed', ...more } as Parameters<
        ReturnType<typeof devices>['posture']['update']
      >[1]);
    await update(versions);
    assert.equal(await status(), 200);
    await update({ ...versions, input: { operator: '>=', version: '6.12.49' } });
    assert.equal(await status(), 403);
    const same = await enrol(one.person, { key: one.device, facts: { os_version: '6.13' } });
    assert.equal(same.registrationId, one.device.registrationId);
    assert.equal(await status(), 200);
    await update({ ...versions, match: [{ platform: 'mac' }] });
    assert.equal(await status(), 403);
  });

  it('is seen: the request log and the registration tell of it', async () => {
    const one = await somebody();
    proxied().world.app.clock.advance(2 * MINUTE);
    const { line } = await askWith(proxied(), managed, one);
    const { accessRequests } = proxied().world.sdk.zeroTrust.access.logs;
    const query = { ...account(), ray_id: line?.requestId } as Parameters<typeof accessRequests.list>[0];
    const lines = async () => (await accessRequests.list(query)) as { registration_id?: string }[] | null;
    const found = await eventually(lines, (them) => (them?.length ?? 0) > 0);
    assert.equal(found?.[0]?.registration_id, one.device.registrationId);
    const seenAt = async () =>
      Date.parse((await devices().registrations.get(one.device.registrationId, account())).last_seen_at);
    const now = proxied().world.app.clock.now();
    assert.ok(now - (await eventually(seenAt, (at) => now - at < MINUTE)) < MINUTE);
  });
});

async function closed(socket: {
  readonly readyState: number;
  once(name: 'close', heard: () => void): unknown;
}) {
  if (socket.readyState === 3) return;
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('it is still open')), CLOSED_WITHIN);
    socket.once('close', () => {
      clearTimeout(late);
      resolve();
    });
  });
}

/** Whether the application answers on it. */
async function isAlive(socket: Awaited<ReturnType<typeof openWebSocket>>): Promise<boolean> {
  if (socket.readyState !== socket.OPEN) return false;
  return await new Promise<boolean>((resolve) => {
    const late = setTimeout(() => resolve(false), CLOSED_WITHIN);
    const done = (alive: boolean) => {
      clearTimeout(late);
      resolve(alive);
    };
    socket.once('message', () => done(true));
    socket.once('close', () => done(false));
    socket.send('are you there');
  });
}

/** What comes of it once it holds, within ten seconds; the last of it if it never does. */
async function eventually<T>(read: () => Promise<T>, holds: (found: T) => boolean): Promise<T> {
  let found = await read();
  for (let tries = 0; !holds(found) && tries < 100; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    found = await read();
  }
  return found;
}
