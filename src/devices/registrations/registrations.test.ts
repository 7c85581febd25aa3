import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enrolTestDevice, newDeviceKey, type TestDevice } from '../../../test/support/devices.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { operator } from '../../kernel/actor.ts';
import { MINUTE, SECOND, timestamp } from '../../kernel/clock.ts';
import { commitAct } from '../../removal/act.ts';
import { DeviceRefused, endDevicesOf, markSeen, reportDevice } from './registrations.ts';

/* What becomes of registrations: enrolled, seen, told of, revoked, unrevoked and deleted. */

const account = (stage: Stage) => ({ account_id: stage.app.credentials.account_id });
const registrations = (stage: Stage) => stage.app.sdk().zeroTrust.devices.registrations;
const physical = (stage: Stage) => stage.app.sdk().zeroTrust.devices.devices;
const enrol = (stage: Stage, email: string, more: object = {}) =>
  enrolTestDevice(stage.app, { email, ...more });

async function userOf(stage: Stage, email: string) {
  const page = await stage.app.sdk().zeroTrust.access.users.list({ ...account(stage), email });
  assert.ok(page.result[0]);
  return page.result[0];
}

async function sessionOf(stage: Stage, { sessionNonce }: TestDevice) {
  const { reader } = stage.app.app.control.database;
  return await reader.query.selectFrom('sessions').selectAll().where('nonce', '=', sessionNonce).execute();
}

const isRefused = (reason: string) => (error: unknown) =>
  error instanceof DeviceRefused && error.reason === reason;

onBothDatabases('a device', (stage) => {
  test('is not enrolled with a key that is registered to somebody else', async () => {
    const key = newDeviceKey();
    await enrol(stage, 'first@example.com', { key });
    await assert.rejects(enrol(stage, 'second@example.com', { key }), isRefused('device_of_another'));
    assert.equal((await userOf(stage, 'second@example.com')).active_device_count, 0);
  });

  test('is not enrolled again while its registration is revoked', async () => {
    const device = await enrol(stage, 'revoked@example.com');
    await registrations(stage).revoke({ ...account(stage), id: [device.registrationId] });
    await assert.rejects(enrol(stage, 'revoked@example.com', { key: device }), isRefused('device_revoked'));
  });

  test('has no device session by a sign-in older than the end of the last', async () => {
    const device = await enrol(stage, 'older@example.com');
    const id = [device.registrationId];
    await registrations(stage).revoke({ ...account(stage), id });
    await registrations(stage).unrevoke({ ...account(stage), id });
    const again = { key: device, rev: device.rev };
    await assert.rejects(enrol(stage, 'older@example.com', again), isRefused('sign_in_again'));
    const fresh = await enrol(stage, 'older@example.com', { key: device });
    assert.equal(fresh.registrationId, device.registrationId);
  });

  test('is counted once however often the person signs in on it, and the former session goes', async () => {
    const device = await enrol(stage, 'counted@example.com');
    const again = await enrol(stage, 'counted@example.com', { key: device });
    assert.equal(again.registrationId, device.registrationId);
    assert.equal((await userOf(stage, 'counted@example.com')).active_device_count, 1);
    assert.deepEqual(await sessionOf(stage, device), []);
    assert.equal((await sessionOf(stage, again)).length, 1);
  });

  test('is one for all who enrol it, and its registrations are counted', async () => {
    const one = await enrol(stage, 'one@example.com', { hardwareId: 'shared' });
    const two = await enrol(stage, 'two@example.com', { hardwareId: 'shared' });
    assert.equal(one.deviceId, two.deviceId);
    const device = await physical(stage).get(one.deviceId, account(stage));
    assert.equal(device.active_registrations, 2);
    assert.equal(device.last_seen_user?.email, 'two@example.com');
    await stage.app.sdk().zeroTrust.access.users.delete(two.userId, account(stage));
    const left = await physical(stage).get(one.deviceId, account(stage));
    assert.equal(left.active_registrations, 1);
    assert.equal(left.last_seen_user, null);
  });

  test('that says anew what it is, is told so of wherever it is shown', async () => {
    const { app } = stage;
    const device = await enrol(stage, 'report@example.com');
    const act = { accountId: app.credentials.account_id, actor: operator, authorize: async () => {} };
    const said = { ...JSON.parse(await factsOf(stage, device)), os_version: '7.0', client_version: '2.0.0' };
    const report = (facts: object) =>
      commitAct(app.app.control, act, async (tx) => {
        const items = await reportDevice(tx, {
          accountId: act.accountId,
          registrationId: device.registrationId,
          facts: facts as never,
          name: 'Neuer Name',
          ip: '192.0.2.7',
          now: timestamp(app.clock.now()),
        });
        const audit = {
          action: 'device.report',
          resource: { type: 'registration', id: device.registrationId },
        };
        return { result: items, items, audit };
      });
    assert.equal((await report(said)).length, 1);
    assert.deepEqual(await report(said), [], 'told what gates know');
    const shown = await physical(stage).get(device.deviceId, account(stage));
    assert.deepEqual(
      [shown.name, shown.os_version, shown.client_version, shown.public_ip],
      ['Neuer Name', '7.0', '2.0.0', '192.0.2.7'],
    );
    await registrations(stage).revoke({ ...account(stage), id: [device.registrationId] });
    await assert.rejects(report(said), isRefused('device_revoked'));
  });

  test('is marked as seen at most once a minute', async () => {
    const { app } = stage;
    const device = await enrol(stage, 'seen@example.com');
    const { database } = app.app.control;
    const seen = async () =>
      (await registrations(stage).get(device.registrationId, account(stage))).last_seen_at;
    const mark = (now: string) =>
      database.write((tx) =>
        markSeen(tx, {
          accountId: app.credentials.account_id,
          registrationIds: [device.registrationId],
          now,
        }),
      );
    const first = await seen();
    await mark(timestamp(Date.parse(first) + 30 * SECOND));
    assert.equal(await seen(), first);
    const later = timestamp(Date.parse(first) + 2 * MINUTE);
    await mark(later);
    assert.equal(await seen(), later);
    assert.equal((await physical(stage).get(device.deviceId, account(stage))).last_seen_at, later);
  });
});

async function factsOf(stage: Stage, { registrationId }: TestDevice): Promise<string> {
  const { reader } = stage.app.app.control.database;
  const row = await reader.query
    .selectFrom('registrations')
    .select('facts')
    .where('id', '=', registrationId)
    .executeTakeFirstOrThrow();
  return row.facts;
}

onBothDatabases('a registration', (stage) => {
  test('is shown as the SDK knows it', async () => {
    const device = await enrol(stage, 'Shown@example.com'.toLowerCase(), { name: 'Laptop' });
    const { key, ...shown } = await registrations(stage).get(device.registrationId.toUpperCase(), {
      ...account(stage),
      include: 'policy',
    });
    assert.equal(Buffer.from(key, 'base64').length, 65);
    const { created_at } = shown;
    assert.deepEqual(shown, {
      id: device.registrationId,
      created_at,
      updated_at: created_at,
      last_seen_at: created_at,
      revoked_at: null,
      deleted_at: null,
      device: { id: device.deviceId, name: 'Laptop', client_version: '1.0.0' },
      user: { id: device.userId, email: 'shown@example.com', name: '' },
      key_type: 'secp256r1',
      registration_type: 'warp',
      tunnel_type: null,
      virtual_ipv4: null,
      virtual_ipv6: null,
      policy: { id: 'default', name: 'Default', default: true, deleted: false, updated_at: created_at },
    });
  });

  test('that is revoked keeps its row and nothing that can be used', async () => {
    const device = await enrol(stage, 'ann@example.com');
    const id = [device.registrationId.toUpperCase()];
    assert.equal(await registrations(stage).revoke({ ...account(stage), id }), null);
    const shown = await registrations(stage).get(device.registrationId, account(stage));
    assert.ok(shown.revoked_at);
    assert.deepEqual(await sessionOf(stage, device), []);
    assert.equal((await userOf(stage, 'ann@example.com')).active_device_count, 0);
    assert.equal((await physical(stage).get(device.deviceId, account(stage))).active_registrations, 0);
    await registrations(stage).revoke({ ...account(stage), id });
    assert.equal((await userOf(stage, 'ann@example.com')).active_device_count, 0);
    await registrations(stage).unrevoke({ ...account(stage), id });
    assert.equal((await registrations(stage).get(device.registrationId, account(stage))).revoked_at, null);
    assert.equal((await userOf(stage, 'ann@example.com')).active_device_count, 1);
    await registrations(stage).unrevoke({ ...account(stage), id });
    assert.equal((await userOf(stage, 'ann@example.com')).active_device_count, 1);
  });

  test('that is deleted is gone, by itself and in a list, and its device stays', async () => {
    const one = await enrol(stage, 'gone@example.com');
    const two = await enrol(stage, 'gone@example.com');
    const three = await enrol(stage, 'gone@example.com');
    assert.equal(await registrations(stage).delete(one.registrationId, account(stage)), null);
    const id = [two.registrationId, three.registrationId];
    assert.equal(await registrations(stage).bulkDelete({ ...account(stage), id }), null);
    const status = 'all';
    const user = { id: [one.userId] };
    assert.deepEqual((await registrations(stage).list({ ...account(stage), status, user })).result, []);
    assert.equal((await userOf(stage, 'gone@example.com')).active_device_count, 0);
    for (const device of [one, two, three]) assert.deepEqual(await sessionOf(stage, device), []);
    assert.equal((await physical(stage).get(one.deviceId, account(stage))).active_registrations, 0);
  });

  test('ends with its physical device, which is revoked or deleted whoever had it', async () => {
    const one = await enrol(stage, 'p1@example.com', { hardwareId: 'tower' });
    const two = await enrol(stage, 'p2@example.com', { hardwareId: 'tower' });
    await physical(stage).revoke(one.deviceId, account(stage));
    for (const { registrationId } of [one, two]) {
      assert.ok((await registrations(stage).get(registrationId, account(stage))).revoked_at);
    }
    await registrations(stage).unrevoke({ ...account(stage), id: [two.registrationId] });
    await physical(stage).delete(one.deviceId, account(stage));
    for (const email of ['p1@example.com', 'p2@example.com']) {
      assert.equal((await userOf(stage, email)).active_device_count, 0);
    }
    await assert.rejects(registrations(stage).get(two.registrationId, account(stage)), { status: 404 });
    await assert.rejects(physical(stage).get(one.deviceId, account(stage)), { status: 404 });
    const again = await enrol(stage, 'p1@example.com', { hardwareId: 'tower' });
    assert.notEqual(again.deviceId, one.deviceId);
  });

  test('is a device to older SDKs, by its own id and by its physical device', async () => {
    const { devices } = stage.app.sdk().zeroTrust;
    const one = await enrol(stage, 'old@example.com');
    const two = await enrol(stage, 'old@example.com');
    const listed = (await devices.list(account(stage))).result.filter(({ user }) => user?.id === one.userId);
    assert.deepEqual(
      listed.map(({ id }) => id),
      [one.registrationId, two.registrationId].sort((a, b) => order(listed, a) - order(listed, b)),
    );
    assert.equal(listed[0]?.revoked_at, undefined);
    await devices.revoke.create({ ...account(stage), body: [one.registrationId, two.deviceId] });
    const shown = await Promise.all(
      [one, two].map(({ registrationId }) => devices.get(registrationId, account(stage))),
    );
    assert.ok(shown.every((device) => device && 'revoked_at' in device));
    await devices.unrevoke.create({ ...account(stage), body: [two.registrationId] });
    assert.equal((await userOf(stage, 'old@example.com')).active_device_count, 1);
    const settings = await devices.settings.get(account(stage));
    assert.equal(settings?.gateway_proxy_enabled, false);
  });

  test('of somebody is ended with all of theirs, a thousand in one act', async () => {
    const { app } = stage;
    const { database } = app.app.control;
    const device = await enrol(stage, 'many@example.com');
    const accountId = app.credentials.account_id;
    await database.write(async (tx) => {
      const row = await tx.query
        .selectFrom('registrations')
        .selectAll()
        .where('id', '=', device.registrationId)
        .executeTakeFirstOrThrow();
      for (let at = 1; at < 1000; at += 1) {
        const other = { ...row, id: `many-${at}`, thumbprint: `many-${at}`, session_nonce: `many-${at}` };
        await tx.query.insertInto('registrations').values(other).execute();
      }
    });
    const act = { accountId, actor: operator, authorize: async () => {} };
    const ended = await commitAct(app.app.control, act, async (tx) => {
      const now = timestamp(app.clock.now());
      const { items, count } = await endDevicesOf(tx, {
        accountId,
        userId: device.userId,
        how: 'delete',
        now,
      });
      return {
        result: count,
        items,
        audit: { action: 'test', resource: { type: 'user', id: device.userId } },
      };
    });
    assert.equal(ended, 1000);
  });
});

function order(listed: readonly { id?: string }[], id: string): number {
  return listed.findIndex((device) => device.id === id);
}
