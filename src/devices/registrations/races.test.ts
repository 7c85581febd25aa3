import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enrolTestDevice, newDeviceKey } from '../../../test/support/devices.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';

/* Two who change the same registrations at the same time: whatever comes first, counts and rows agree afterwards. */

const account = (stage: Stage) => ({ account_id: stage.app.credentials.account_id });

/** Both counts are what there is. */
async function assertCounted({ app }: Stage): Promise<void> {
  const { query } = app.app.control.database.reader;
  const rows = await query.selectFrom('registrations').selectAll().execute();
  const active = rows.filter((row) => row.revoked_at === null);
  for (const user of await query.selectFrom('users').selectAll().execute()) {
    assert.equal(
      user.active_device_count,
      active.filter((row) => row.user_id === user.id).length,
      user.email,
    );
  }
  for (const device of await query.selectFrom('physical_devices').selectAll().execute()) {
    assert.equal(device.active_registrations, active.filter((row) => row.device_id === device.id).length);
  }
}

/** A session that came with a device session lives only with a registration that has it. */
async function assertNoOrphans({ app }: Stage): Promise<void> {
  const { query } = app.app.control.database.reader;
  const rows = await query.selectFrom('registrations').selectAll().execute();
  const held = new Set(rows.flatMap((row) => (row.revoked_at === null ? [row.session_nonce] : [])));
  const sessions = await query.selectFrom('sessions').select('nonce').execute();
  assert.deepEqual(
    sessions.filter(({ nonce }) => !held.has(nonce)),
    [],
  );
}

onBothDatabases('at the same time', (stage) => {
  const sdk = () => stage.app.sdk().zeroTrust;
  const outcomes = async (...calls: readonly Promise<unknown>[]) => {
    await Promise.allSettled(calls);
    await assertCounted(stage);
    await assertNoOrphans(stage);
  };

  test('a user is revoked with their devices and signs in on one', async () => {
    const email = 'revoke-enrol@example.com';
    const device = await enrolTestDevice(stage.app, { email });
    for (let round = 0; round < 4; round += 1) {
      await outcomes(
        enrolTestDevice(stage.app, { email, key: device }),
        sdk().organizations.revokeUsers({ ...account(stage), email, query_devices: true }),
        enrolTestDevice(stage.app, { email }),
      );
    }
    await sdk().organizations.revokeUsers({ ...account(stage), email, body_devices: true });
    const left = await sdk().devices.registrations.list({ ...account(stage), user: { id: [device.userId] } });
    assert.deepEqual(left.result, []);
  });

  test('a registration is unrevoked and deleted', async () => {
    for (let round = 0; round < 4; round += 1) {
      const device = await enrolTestDevice(stage.app, { email: 'unrevoke-delete@example.com' });
      const id = [device.registrationId];
      await sdk().devices.registrations.revoke({ ...account(stage), id });
      await outcomes(
        sdk().devices.registrations.unrevoke({ ...account(stage), id }),
        sdk().devices.registrations.delete(device.registrationId, account(stage)),
      );
      await assert.rejects(sdk().devices.registrations.get(device.registrationId, account(stage)), {
        status: 404,
      });
    }
  });

  test('a physical device is deleted and enrolled by somebody new', async () => {
    for (let round = 0; round < 4; round += 1) {
      const hardwareId = `hardware-${round}`;
      const first = await enrolTestDevice(stage.app, { email: `first-${round}@example.com`, hardwareId });
      await outcomes(
        sdk().devices.devices.delete(first.deviceId, account(stage)),
        enrolTestDevice(stage.app, { email: `second-${round}@example.com`, hardwareId }),
      );
      await assert.rejects(sdk().devices.devices.get(first.deviceId, account(stage)), { status: 404 });
    }
  });

  test('the same registrations are ended in the other order, and one key is registered twice', async () => {
    const [one, two] = [
      await enrolTestDevice(stage.app, { email: 'cross-1@example.com' }),
      await enrolTestDevice(stage.app, { email: 'cross-2@example.com' }),
    ];
    const key = newDeviceKey();
    await outcomes(
      sdk().devices.registrations.revoke({ ...account(stage), id: [one.registrationId, two.registrationId] }),
      sdk().devices.registrations.bulkDelete({
        ...account(stage),
        id: [two.registrationId, one.registrationId],
      }),
      enrolTestDevice(stage.app, { email: 'cross-1@example.com', key }),
      enrolTestDevice(stage.app, { email: 'cross-2@example.com', key }),
    );
    const { query } = stage.app.app.control.database.reader;
    const rows = await query
      .selectFrom('registrations')
      .selectAll()
      .where('thumbprint', '=', key.thumbprint)
      .execute();
    assert.equal(rows.length, 1);
  });
});
