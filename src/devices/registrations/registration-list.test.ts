import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type Cloudflare from 'cloudflare';
import { enrolTestDevice, type TestDevice } from '../../../test/support/devices.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { all } from '../../../test/support/tenants.ts';
import { HOUR } from '../../kernel/clock.ts';

/* What lists of registrations and devices find, in which order, and whom a walk loses: nobody who stayed. */

type Registrations = Cloudflare.ZeroTrust.Devices.RegistrationListParams;
type Devices = Cloudflare.ZeroTrust.Devices.DeviceListParams;

const account = (stage: Stage) => ({ account_id: stage.app.credentials.account_id });

onBothDatabases('a list of registrations', (stage) => {
  const made: TestDevice[] = [];

  const names = async (query: Omit<Registrations, 'account_id'>) => {
    const { registrations } = stage.app.sdk().zeroTrust.devices;
    return (await registrations.list({ ...account(stage), ...query })).result.map(
      ({ device }) => device.name,
    );
  };
  const devices = async (query: Omit<Devices, 'account_id'>) => {
    const { devices } = stage.app.sdk().zeroTrust.devices;
    return (await devices.list({ ...account(stage), ...query })).result.map(({ name }) => name);
  };
  const at = (index: number): TestDevice => {
    const device = made[index];
    assert.ok(device);
    return device;
  };

  before(async () => {
    const { app } = stage;
    const people = [
      ['carl@example.com', 'Ärmel', { client_version: '3.0.0', serial_number: 'ABC-77' }],
      ['ann@example.com', 'beta', { client_version: '1.0.0', serial_number: 'XYZ-88' }],
      ['bob@example.com', 'alpha', { client_version: '2.0.0', serial_number: '50%_off' }],
    ] as const;
    for (const [email, name, facts] of people) {
      made.push(await enrolTestDevice(app, { email, name, facts }));
      app.clock.advance(HOUR);
    }
    const revoked = await enrolTestDevice(app, { email: 'ann@example.com', name: 'lost' });
    made.push(revoked);
    const id = [revoked.registrationId];
    await app.sdk().zeroTrust.devices.registrations.revoke({ ...account(stage), id });
  });

  test('finds what it is asked for, in the order it is asked for', async () => {
    const { registrations } = stage.app.sdk().zeroTrust.devices;
    const second = await registrations.get(at(1).registrationId, account(stage));
    const cases: [Omit<Registrations, 'account_id'>, string[]][] = [
      [{}, ['Ärmel', 'beta', 'alpha']],
      [{ sort_order: 'desc' }, ['alpha', 'beta', 'Ärmel']],
      [{ sort_by: 'user.email' }, ['beta', 'alpha', 'Ärmel']],
      [{ sort_by: 'last_seen_at', sort_order: 'desc' }, ['alpha', 'beta', 'Ärmel']],
      [{ status: 'revoked' }, ['lost']],
      [{ status: 'all' }, ['Ärmel', 'beta', 'alpha', 'lost']],
      [{ user: { id: [at(1).userId.toUpperCase()] }, status: 'all' }, ['beta', 'lost']],
      [{ user: { id: [at(0).userId, at(2).userId] } }, ['Ärmel', 'alpha']],
      [{ device: { id: at(2).deviceId.toUpperCase() } }, ['alpha']],
      [{ id: [at(0).registrationId.toUpperCase(), at(2).registrationId] }, ['Ärmel', 'alpha']],
      [{ id: [at(3).registrationId] }, []],
      [{ search: 'ÄRM' }, ['Ärmel']],
      [{ search: 'xyz-8' }, ['beta']],
      [{ search: 'BOB@' }, ['alpha']],
      [{ search: '%_o' }, ['alpha']],
      [{ search: 'är' }, ['Ärmel']],
      [{ search: 'an' }, ['beta']],
      [{ search: '"' }, []],
      [{ search: 'a" OR b' }, []],
      [{ seen_after: second.last_seen_at }, ['alpha']],
      [{ seen_before: second.last_seen_at }, ['Ärmel']],
      [{ registration_type: 'warp' }, ['Ärmel', 'beta', 'alpha']],
      [{ registration_type: 'browser_extension' }, []],
      [{ policy: { id: 'default' } }, ['Ärmel', 'beta', 'alpha']],
      [{ policy: { id: 'other' } }, []],
    ];
    for (const [query, expected] of cases)
      assert.deepEqual(await names(query), expected, JSON.stringify(query));
    const byId = made.slice(0, 3).map(({ registrationId }) => registrationId);
    const listed = await registrations.list({ ...account(stage), sort_by: 'id' });
    assert.deepEqual(
      listed.result.map(({ id }) => id),
      byId.sort(),
    );
  });

  test('follows a user who is called otherwise now', async () => {
    const { users } = stage.app.sdk().zeroTrust.access;
    for (const [index, email, name] of [
      [0, 'carl@example.com', 'Anton'],
      [1, 'ann@example.com', 'Zoe'],
      [2, 'bob@example.com', 'Mia'],
    ] as const) {
      await users.update(at(index).userId, { ...account(stage), email, name });
    }
    assert.deepEqual(await names({ sort_by: 'user.name' }), ['Ärmel', 'alpha', 'beta']);
    assert.deepEqual(await names({ search: 'zoe' }), ['beta']);
  });

  test('of physical devices does the same', async () => {
    const cases: [Omit<Devices, 'account_id'>, string[]][] = [
      [{}, ['Ärmel', 'beta', 'alpha']],
      [{ active_registrations: 'exclude' }, ['lost']],
      [{ active_registrations: 'include' }, ['Ärmel', 'beta', 'alpha', 'lost']],
      [{ active_registrations: 'include', sort_by: 'active_registrations', per_page: 1 }, ['lost']],
      [{ sort_by: 'name' }, ['alpha', 'beta', 'Ärmel']],
      [{ sort_by: 'client_version', sort_order: 'desc' }, ['Ärmel', 'alpha', 'beta']],
      [{ sort_by: 'last_seen_user.email' }, ['beta', 'alpha', 'Ärmel']],
      [{ last_seen_user: { email: 'BOB@EXAMPLE.COM'.replace('BOB', 'bob') } }, ['alpha']],
      [{ id: [at(0).deviceId.toUpperCase()] }, ['Ärmel']],
      [{ search: 'abc-7' }, ['Ärmel']],
      [{ search: 'be' }, ['beta']],
      [{ search: '%_off' }, ['alpha']],
      [{ tag: ['a:b'] }, []],
      [{ has_registration_type: 'browser_extension' }, []],
    ];
    for (const [query, expected] of cases)
      assert.deepEqual(await devices(query), expected, JSON.stringify(query));
  });

  test('loses nobody who stayed while others come and go', async () => {
    const { app } = stage;
    const { registrations, devices } = app.sdk().zeroTrust.devices;
    const stayed = new Set<string>();
    const going: TestDevice[] = [];
    for (let index = 0; index < 12; index += 1) {
      const device = await enrolTestDevice(app, { email: `walk-${index}@example.com` });
      if (index % 3 === 0) going.push(device);
      else stayed.add(device.registrationId);
    }
    for (const sort_by of ['created_at', 'id', 'user.email', 'last_seen_at'] as const) {
      const found: string[] = [];
      for await (const { id } of registrations.list({ ...account(stage), sort_by, per_page: 2 })) {
        found.push(id);
        const gone = going.pop();
        if (gone) await registrations.delete(gone.registrationId, account(stage));
        if (found.length === 3) await enrolTestDevice(app, { email: 'came@example.com' });
      }
      assert.equal(new Set(found).size, found.length, `${sort_by}: somebody twice`);
      assert.deepEqual(
        [...stayed].filter((id) => !found.includes(id)),
        [],
        sort_by,
      );
    }
    const active = { ...account(stage), sort_by: 'active_registrations', per_page: 3 } as const;
    const walked = await all(
      devices.list({ ...active, sort_order: 'desc', active_registrations: 'include' }),
    );
    assert.equal(new Set(walked.map(({ id }) => id)).size, walked.length);
  });
});
