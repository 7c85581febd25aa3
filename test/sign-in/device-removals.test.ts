import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Browser } from '../support/browser.ts';
import {
  answerDevice,
  DEVICE,
  type DeviceInHand,
  deviceForm,
  deviceInHand,
  openDevice,
  pressDevice,
  signInAgain,
} from '../support/device-in-hand.ts';
import { type Gated, gatedOnBothDatabases } from '../support/gated.ts';
import { behindHeldCounter } from '../support/held-counter.ts';
import { endInLauncher, nonceOf } from '../support/launcher.ts';
import { type Person, signIn } from '../support/openid-provider.ts';
import { readRows } from '../support/rows.ts';
import { setSeatLimit } from '../support/seats.ts';
import { later } from '../support/sign-in-steps.ts';

const HOUR = 3_600_000;

/** What ends a person's access, between one step of an enrolment and the next. */
type Removal = (world: Gated, person: Person) => Promise<unknown>;

const revoke =
  (more: object = {}, query = ''): Removal =>
  ({ app, account_id }, { email }) =>
    done(
      app.api('POST', `/accounts/${account_id}/access/organizations/revoke_user${query}`, {
        body: { email, ...more },
      }),
    );

const removals: Readonly<Record<string, Removal>> = {
  revoke_user: revoke(),
  'DELETE of the user': async (world, person) => {
    const { id } = await world.user(person);
    await world.sdk.zeroTrust.access.users.delete(id, { account_id: world.account_id });
  },
  'blocking the user': ({ app, account_id }, { email }) =>
    done(
      app.api('POST', `/accounts/${account_id}/portcullis/blocked_users`, {
        body: { email, reason: 'left' },
      }),
    ),
};

async function done(call: Promise<{ status: number; body: unknown }>): Promise<void> {
  const { status, body } = await call;
  assert.ok(status >= 200 && status < 300, JSON.stringify(body));
}

gatedOnBothDatabases('a removal between two steps of an enrolment', (world) => {
  for (const [name, remove] of Object.entries(removals)) {
    test(`${name} before the person says yes: nobody enrols anything`, async () => {
      const { device, form, browser, person, device_code } = await shown(world());
      await remove(world(), person);
      const page = await pressDevice(world(), browser, { ...form, decision: 'enrol' });
      assert.equal(page.status, 303, page.text);
      await assertNotEnrolled(world(), device, device_code);
    });

    test(`${name} while the person says yes: either there is nothing, or it has ended`, async () => {
      const { url } = world().database;
      for (const isFirst of [true, false]) {
        const { device, form, browser, person, device_code } = await shown(world());
        const press = () => pressDevice(world(), browser, { ...form, decision: 'enrol' });
        const acts = [() => remove(world(), person), press];
        const ordered = isFirst ? acts : acts.reverse();
        // SQLite has one writer at a time, in whatever order they come.
        const outcomes = await (url === null
          ? Promise.allSettled(ordered.map((act) => act()))
          : behindHeldCounter({ url, accountId: world().account_id }, ordered));
        for (const outcome of outcomes) assert.equal(outcome.status, 'fulfilled', String(outcome));
        if (isFirst && url !== null) await assertNotEnrolled(world(), device, device_code);
        assert.equal(await signsIn(device), false);
        assert.deepEqual(await sessionsOf(world(), person), []);
      }
    });
  }

  test('an administrator deletes the user before the device asks: it is told no, and is unknown', async () => {
    const { device, device_code, person } = await approved(world());
    await removals['DELETE of the user']?.(world(), person);
    await assertTakenBack(device, device_code, 'device_unknown');
  });

  test('the registration is revoked before the device asks: it is told no', async () => {
    const { device, device_code, person } = await approved(world());
    await revoke({ devices: true })(world(), person);
    await assertTakenBack(device, device_code, 'device_revoked');
    const again = await device.ask('POST', 'enrollments', { body: device.enrollment });
    assert.deepEqual(
      [again.status, again.body.error, again.body.reason],
      [403, 'access_denied', 'device_refused'],
    );
  });

  test('a device that is revoked while its page is open is not signed in on', async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    const device = deviceInHand(world());
    const { registration_id } = await device.enrolledBy(browser);
    const { user_code, device_code } = await device.begin();
    const form = deviceForm(await openDevice(world(), browser, user_code));
    await setRevoked(world(), 'revoke', registration_id);
    const page = await pressDevice(world(), browser, { ...form, decision: 'enrol' });
    assert.equal(page.status, 403);
    assert.match(page.text, /An administrator has revoked this device/);
    assert.equal((await device.poll(device_code)).body.error, 'authorization_pending');
    assert.equal((await device.session()).body.reason, 'device_revoked');
    assert.equal((await openDevice(world(), browser, user_code)).status, 403);
  });

  test('what was revoked and allowed again takes a fresh sign-in of the person, and not the old one', async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    const device = deviceInHand(world());
    const first = await device.enrolledBy(browser);
    await setRevoked(world(), 'revoke', first.registration_id);
    await setRevoked(world(), 'unrevoke', first.registration_id);
    assert.equal((await device.session()).body.reason, 'session_ended');
    const { user_code, device_code } = await device.begin();
    const told = await answerDevice(world(), { browser, user_code });
    assert.equal(told.status, 403);
    const [, href] = /<a class="act" href="([^"]+)"/.exec(told.text) ?? [];
    assert.equal(href, `${DEVICE}?user_code=${user_code}&#38;again=1`);
    assert.equal((await device.session()).body.reason, 'session_ended');
    const start = `${world().team}${DEVICE}?user_code=${user_code}&again=1`;
    const page = await signIn(browser, start, { login: person.sub });
    assert.deepEqual([page.status, page.url.search], [200, `?user_code=${user_code}`]);
    const yes = await pressDevice(world(), browser, { ...deviceForm(page), decision: 'enrol' });
    assert.equal(yes.status, 200, yes.text);
    const { body } = await device.poll(device_code);
    assert.equal(body.registration_id, first.registration_id);
    assert.equal((await device.session()).status, 200);
  });

  test('a session that ended elsewhere says yes to nothing', async () => {
    const { device, form, browser, device_code, person } = await shown(world());
    const other = await world().signedIn(person);
    await endInLauncher(world(), other, await nonceOf(world(), browser));
    const page = await pressDevice(world(), browser, { ...form, decision: 'enrol' });
    assert.equal(page.status, 303);
    await assertNotEnrolled(world(), device, device_code);
  });
});

gatedOnBothDatabases('a device of somebody without a seat, when none is left', (world) => {
  test('is not enrolled, and nothing of it remains: no registration, session, seat or count', async () => {
    const { device, form, browser, device_code, person } = await shown(world());
    const { app } = world();
    // As it is where the seat was given back and the session outlived that.
    await app.app.control.database.write((tx) =>
      tx.query
        .updateTable('users')
        .set({ seat_uid: null, access_seat: 0 })
        .where('email_key', '=', person.email)
        .execute(),
    );
    await setSeatLimit(app, 0);
    const before = await readRows(world().database);
    const page = await pressDevice(world(), browser, { ...form, decision: 'enrol' });
    assert.equal(page.status, 403);
    assert.match(page.text, /has no seat left/);
    const after = await readRows(world().database);
    for (const table of [
      'users',
      'sessions',
      'registrations',
      'physical_devices',
      'totals',
      'feed_entries',
      'audit_entries',
    ])
      assert.deepEqual(withoutLog(after[table]), withoutLog(before[table]), table);
    const [, number] = /Request <code>(\w+)</.exec(page.text) ?? [];
    const line = world().log.find(({ msg, requestId }) => msg === 'device refused' && requestId === number);
    assert.equal(line?.reason, 'seat_limit');
    await setSeatLimit(app, null);
    assert.equal((await answerDevice(world(), { browser, user_code: form.code })).status, 200);
    assert.equal((await device.poll(device_code)).status, 200);
  });
});

gatedOnBothDatabases('an enrolled device', (world) => {
  const enrolled = async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    const device = deviceInHand(world());
    const { registration_id } = await device.enrolledBy(browser);
    assert.deepEqual([(await device.session()).status, await signsIn(device)], [200, true]);
    return { person, browser, device, registration_id };
  };

  const spellings: readonly [string, Removal][] = [
    ['devices in the query', revoke({}, '?devices=true')],
    ['devices in the body', revoke({ devices: true })],
    ['body_devices', revoke({ body_devices: true })],
  ];
  for (const [name, remove] of spellings) {
    test(`is revoked by revoke_user with ${name}`, async () => {
      const { device, person } = await enrolled();
      await remove(world(), person);
      const { status, body } = await device.session();
      assert.deepEqual([status, body.error, body.reason], [401, 'invalid_token', 'device_revoked']);
      const report = await device.ask('POST', 'report', { body: { facts: device.facts } });
      assert.deepEqual([report.status, report.body.reason], [401, 'device_revoked']);
      assert.deepEqual(await sessionsOf(world(), person), []);
    });
  }

  test('signs nobody in after a plain revoke_user, and is still known', async () => {
    const { device, person } = await enrolled();
    await revoke()(world(), person);
    assert.deepEqual([(await device.session()).status, await signsIn(device)], [200, false]);
  });

  test('keeps its registration where a new sign-in is asked for, and is signed in on again', async () => {
    const { device, person, registration_id, browser } = await enrolled();
    await revoke({ warp_session_reauth: true })(world(), person);
    assert.equal((await device.session()).body.reason, 'session_ended');
    const { user_code, device_code } = await device.begin();
    const page = await signIn(browser, `${world().team}${DEVICE}?user_code=${user_code}`, {
      login: person.sub,
    });
    const yes = await pressDevice(world(), browser, { ...deviceForm(page), decision: 'enrol' });
    assert.match(yes.text, /You are signed in on the device/);
    assert.equal((await device.poll(device_code)).body.registration_id, registration_id);
    assert.deepEqual([(await device.session()).status, await signsIn(device)], [200, true]);
  });

  test('is signed in on for as long as the organization says', async () => {
    const { device } = await enrolled();
    await later(world(), 25 * HOUR, async () => {
      const { status, body } = await device.session();
      assert.deepEqual([status, body.reason], [401, 'session_ended']);
    });
    assert.equal((await device.session()).status, 200);
  });

  test('is unknown once its registration is deleted, and the same key can be enrolled anew after a fresh sign-in', async () => {
    const { device, registration_id, browser, person } = await enrolled();
    const { sdk, account_id } = world();
    await sdk.zeroTrust.devices.registrations.delete(registration_id, { account_id });
    assert.equal((await device.session()).body.reason, 'device_unknown');
    await signInAgain(world(), browser, { person });
    const anew = await device.enrolledBy(browser);
    assert.notEqual(anew.registration_id, registration_id);
    assert.equal((await device.session()).status, 200);
  });
});

/** What the log of requests counts is written when there is time for it. */
function withoutLog(rows: readonly string[] = []): string[] {
  return rows.filter((row) => !row.includes('"kind":"access_requests_'));
}

/** A device whose page a person has open. */
async function shown(world: Gated) {
  const person = world.person();
  const browser = await world.signedIn(person);
  const device = deviceInHand(world);
  const { user_code, device_code } = await device.begin();
  const form = deviceForm(await openDevice(world, browser, user_code));
  return { person, browser, device, device_code, user_code, form };
}

/** A device that a person has said yes to, and that has not asked yet. */
async function approved(world: Gated): Promise<{
  person: Person;
  browser: Browser;
  device: DeviceInHand;
  device_code: string;
}> {
  const { form, ...rest } = await shown(world);
  const page = await pressDevice(world, rest.browser, { ...form, decision: 'enrol' });
  assert.equal(page.status, 200, page.text);
  return rest;
}

async function assertNotEnrolled(world: Gated, device: DeviceInHand, device_code: string): Promise<void> {
  assert.equal((await device.session()).body.reason, 'device_unknown');
  await later(world, 6000, async () =>
    assert.equal((await device.poll(device_code)).body.error, 'authorization_pending'),
  );
}

async function assertTakenBack(device: DeviceInHand, device_code: string, reason: string): Promise<void> {
  const { status, body } = await device.poll(device_code);
  assert.deepEqual([status, body.error, body.reason], [400, 'access_denied', 'taken_back']);
  const known = await device.session();
  assert.deepEqual([known.status, known.body.reason], [401, reason]);
}

async function signsIn(device: DeviceInHand): Promise<boolean> {
  return (await device.session()).body.signed_in === true;
}

async function setRevoked(
  { app, account_id }: Gated,
  what: 'revoke' | 'unrevoke',
  id: string,
): Promise<void> {
  await done(app.api('POST', `/accounts/${account_id}/devices/registrations/${what}?id=${id}`));
}

async function sessionsOf(world: Gated, { email }: Person): Promise<string[]> {
  const { sessions = [] } = await readRows(world.database);
  return sessions.filter((row) => row.includes(email));
}
