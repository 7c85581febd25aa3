import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256 } from '../../src/kernel/crypto.ts';
import {
  answerDevice,
  DEVICE,
  deviceForm,
  deviceInHand,
  GRANT_TYPE,
  openDevice,
  pressDevice,
} from '../support/device-in-hand.ts';
import { type Gated, gatedOnBothDatabases } from '../support/gated.ts';
import { signIn } from '../support/openid-provider.ts';
import { readRows } from '../support/rows.ts';
import { assertPage, later } from '../support/sign-in-steps.ts';

const MINUTE = 60_000;

gatedOnBothDatabases('enrolling a device', (world) => {
  test('needs a proof of each request by the key', async () => {
    const device = deviceInHand(world());
    const other = deviceInHand(world());
    const url = `${world().team}${DEVICE}/session`;
    const now = world().app.clock.now();
    const wrong: [string, string | null][] = [
      ['proof_missing', null],
      ['proof_malformed', 'nothing'],
      ['proof_malformed', `${device.proof('GET', url)}, ${device.proof('GET', url)}`],
      ['proof_method', device.proof('POST', url)],
      ['proof_url', device.proof('GET', `${url}/more`)],
      ['proof_url', device.proof('GET', url.replace('team.', 'other.'))],
      ['proof_too_old', device.proof('GET', url, 'a-jti-of-some-length', now - 90_000)],
      ['proof_from_the_future', device.proof('GET', url, 'a-jti-of-some-length', now + 90_000)],
      ['proof_signature', spliced(device.proof('GET', url), other.proof('GET', url))],
    ];
    for (const [reason, proof] of wrong) {
      const answer = await device.ask('GET', 'session', { proof });
      assert.deepEqual(
        [answer.status, answer.body.error, answer.body.reason],
        [401, 'invalid_device_proof', reason],
      );
      assert.match(String(answer.headers['www-authenticate']), /^Portcullis-Device error=/);
    }
    const unknown = await device.session();
    assert.deepEqual([unknown.status, unknown.body.reason], [401, 'device_unknown']);
    assert.equal(unknown.headers['cache-control'], 'no-store');
    assert.equal((await rows(world())).enrolments, 0);
  });

  test('takes a proof once, whatever body comes with it', async () => {
    const device = deviceInHand(world());
    const proof = device.proof('POST', `${world().team}${DEVICE}/enrollments`);
    const body = device.enrollment;
    assert.equal((await device.ask('POST', 'enrollments', { proof, body })).status, 200);
    const again = await device.ask('POST', 'enrollments', { proof, body: { ...body, name: 'Other' } });
    assert.deepEqual([again.status, again.body.reason], [401, 'proof_used']);
  });

  test('refuses what is no enrolment, and says why', async () => {
    const device = deviceInHand(world());
    const { name, facts } = device.enrollment;
    const wrong: [unknown, RegExp][] = [
      ['{', /not valid JSON/],
      ['[]', /the body must be a JSON object/],
      [{}, /\/name must be.*\/facts must be/],
      [{ name, facts, admin: true }, /\/admin is not known/],
      [{ name: '', facts }, /\/name/],
      [{ name: 'x'.repeat(101), facts }, /\/name/],
      [{ name: 'a\u202eb', facts }, /\/name/],
      [{ name: 'a\u0007b', facts }, /\/name/],
      [{ name: 'a\u200bb', facts }, /\/name/],
      [{ name: 'a\u061cb', facts }, /\/name/],
      [{ name: 'a\u2028b', facts }, /\/name/],
      [{ name: 'a\u2029b', facts }, /\/name/],
      [{ name: '\u200b', facts }, /\/name/],
      [{ name: '\u3164 \u2800', facts }, /\/name/],
      [{ name, facts: { type: 'toaster' } }, /\/facts\/type/],
      [{ name, facts: { type: 'linux', root: true } }, /\/facts\/root/],
      [{ name, facts: { type: 'linux', model: 7 } }, /\/facts\/model/],
      [{ name, facts: { type: 'linux', model: 'x'.repeat(256) } }, /\/facts\/model/],
      [{ name, facts, hardware_id: 'short' }, /\/hardware_id/],
      [{ name, facts, hardware_id: 'with a space in it' }, /\/hardware_id/],
    ];
    for (const [body, says] of wrong) {
      const answer = await device.ask('POST', 'enrollments', { body });
      assert.deepEqual([answer.status, answer.body.error], [400, 'invalid_request'], JSON.stringify(body));
      assert.match(answer.body.error_description, says);
    }
    const large = await device.ask('POST', 'enrollments', { body: { name, facts, more: 'x'.repeat(9000) } });
    assert.deepEqual([large.status, large.body.error], [413, 'invalid_request']);
    const text = await device.ask('POST', 'enrollments', {
      body: '{}',
      headers: { 'content-type': 'text/plain' },
    });
    assert.deepEqual([text.status, text.body.error], [415, 'invalid_request']);
  });

  test('answers as RFC 8628 has it, and stores the device code as its hash alone', async () => {
    const device = deviceInHand(world());
    const { status, body } = await device.ask('POST', 'enrollments', { body: device.enrollment });
    assert.equal(status, 200);
    const { device_code, user_code, ...rest } = body;
    assert.match(user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
    assert.match(device_code, /^[\w-]{43}$/);
    assert.deepEqual(rest, {
      verification_uri: world().team + DEVICE,
      verification_uri_complete: `${world().team}${DEVICE}?user_code=${user_code}`,
      expires_in: 600,
      interval: 2,
    });
    const { device_enrolments: stored = [] } = await readRows(world().database);
    assert.ok(stored.length > 0 && !stored.join().includes(device_code));
  });

  test('is asked for so often from one address, and no more', async () => {
    const own = { 'x-forwarded-for': '192.0.2.77' };
    const statuses: number[] = [];
    for (let asked = 0; asked < 51; asked++) {
      const device = deviceInHand(world());
      const answer = await device.ask('POST', 'enrollments', { body: device.enrollment, headers: own });
      statuses.push(answer.status);
      if (answer.status !== 200) assert.equal(answer.body.reason, 'too_many');
    }
    assert.deepEqual([statuses.indexOf(429), statuses.length], [50, 51]);
    await deviceInHand(world()).begin();
  });

  test('counts an IPv6 site as one network', async () => {
    const statuses: number[] = [];
    for (let asked = 0; asked < 51; asked++) {
      const headers = { 'x-forwarded-for': `2001:db8:7:${asked.toString(16)}::1` };
      const device = deviceInHand(world());
      statuses.push((await device.ask('POST', 'enrollments', { body: device.enrollment, headers })).status);
    }
    assert.deepEqual([statuses.indexOf(429), statuses.length], [50, 51]);
    const headers = { 'x-forwarded-for': '2001:db8:8::1' };
    const other = deviceInHand(world());
    assert.equal((await other.ask('POST', 'enrollments', { body: other.enrollment, headers })).status, 200);
  });

  test('lets those who are enrolled sign in again where an account is flooded', async () => {
    const browser = await world().signedIn(world().person());
    const [enrolled, other] = [deviceInHand(world()), deviceInHand(world())];
    await enrolled.enrolledBy(browser);
    const counted = `enrol-all ${sha256(world().account_id)}`;
    const count = (uses: number) =>
      world().app.app.control.database.write((tx) =>
        tx.query.updateTable('pin_counts').set({ uses }).where('counted', '=', counted).executeTakeFirst(),
      );
    assert.equal((await count(1000)).numUpdatedRows, 1n);
    const refused = await other.ask('POST', 'enrollments', { body: other.enrollment });
    assert.deepEqual([refused.status, refused.body.reason], [429, 'too_many']);
    await enrolled.enrolledBy(browser);
    await count(1);
    await other.begin();
  });

  test('tells nobody but the device that asked, and not too often', async () => {
    const [device, other] = [deviceInHand(world()), deviceInHand(world())];
    const { device_code } = await device.begin();
    const stranger = await other.poll(device_code);
    assert.deepEqual([stranger.status, stranger.body.error], [400, 'invalid_grant']);
    const unknown = await device.poll(`${device_code}x`);
    assert.equal(unknown.body.error, 'invalid_grant');
    const type = await device.ask('POST', 'token', { body: { grant_type: 'password', device_code } });
    assert.equal(type.body.error, 'unsupported_grant_type');
    const none = await device.ask('POST', 'token', { body: { device_code } });
    assert.equal(none.body.error, 'invalid_request');
    assert.equal((await device.poll(device_code)).body.error, 'authorization_pending');
    assert.equal((await device.poll(device_code)).body.error, 'slow_down');
    await later(world(), 6000, async () => {
      const form = new URLSearchParams({ grant_type: GRANT_TYPE, device_code, client_id: 'whatever' });
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const asked = await device.ask('POST', 'token', { body: form.toString(), headers });
      assert.deepEqual([asked.status, asked.body.error], [400, 'authorization_pending']);
      const twice = await device.ask('POST', 'token', { body: `${form}&device_code=x`, headers });
      assert.equal(twice.body.error, 'invalid_request');
    });
    await later(world(), 11 * MINUTE, async () =>
      assert.equal((await device.poll(device_code)).body.error, 'expired_token'),
    );
  });

  test('asks for the code where the link has none, and says when it is wrong', async () => {
    const browser = await world().signedIn(world().person());
    const page = await browser.get(world().team + DEVICE);
    assert.equal(page.status, 200);
    assertPage(page);
    for (const code of ['', 'x', 'AEIOU-AEIO', 'BCDF-GHJK-L']) {
      const told = await pressDevice(world(), browser, { code });
      assert.equal(told.status, 400, code);
      assert.match(told.text, /A code has eight letters/);
    }
    const unknown = await openDevice(world(), browser, 'BCDF-GHJK');
    assert.equal(unknown.status, 404);
    assert.match(unknown.text, /No device waits for this code/);
    assertPage(unknown);
    const { user_code } = await deviceInHand(world(), 'Typed').begin();
    const typed = user_code.toLowerCase().replace('-', ' ');
    const next = await pressDevice(world(), browser, { code: typed });
    assert.deepEqual([next.status, next.location?.search], [303, `?user_code=${user_code}`]);
    const found = await browser.follow(next.location ?? '');
    assert.equal(found.status, 200);
    assertPage(found);
    assert.ok(found.text.includes(user_code) && found.text.includes('Typed'));
  });

  test('lets a person try so many codes, and then no right one either', async () => {
    const browser = await world().signedIn(world().person());
    const { user_code } = await deviceInHand(world()).begin();
    const statuses: number[] = [];
    for (let tried = 0; tried < 30; tried++)
      statuses.push((await openDevice(world(), browser, 'BCDF-GHJK')).status);
    assert.deepEqual(new Set(statuses), new Set([404]));
    const right = await openDevice(world(), browser, user_code);
    assert.equal(right.status, 429);
    assert.ok(!right.text.includes('name="token"'));
    const other = await world().signedIn(world().person());
    assert.equal((await openDevice(world(), other, user_code)).status, 200);
  });

  test('sends whoever has no session to sign in, and brings them back', async () => {
    const { user_code } = await deviceInHand(world(), 'After sign-in').begin();
    const person = world().person();
    const start = `${world().team}${DEVICE}?user_code=${user_code}`;
    const page = await signIn(world().browser(), start, { login: person.sub });
    assert.deepEqual([page.status, page.url.pathname], [200, DEVICE]);
    assert.ok(page.text.includes('After sign-in') && page.text.includes(person.email), page.text);
    assertPage(page);
  });

  test('enrols nothing for a form that did not come from its own page', async () => {
    const browser = await world().signedIn(world().person());
    const stranger = await world().signedIn(world().person());
    const had = await rows(world());
    const device = deviceInHand(world());
    const [{ user_code, device_code }, other] = [await device.begin(), await deviceInHand(world()).begin()];
    const form = deviceForm(await openDevice(world(), browser, user_code));
    const ofStranger = deviceForm(await openDevice(world(), stranger, user_code));
    const ofOther = deviceForm(await openDevice(world(), browser, other.user_code));
    const press = { code: user_code, decision: 'enrol' };
    for (const token of ['', 'x'.repeat(40), ofStranger.token, ofOther.token]) {
      const page = await pressDevice(world(), browser, { ...press, token });
      assert.equal(page.status, 403);
      assertPage(page);
    }
    for (const site of ['cross-site', 'same-site', 'none']) {
      const page = await browser.post(
        world().team + DEVICE,
        { ...press, token: form.token },
        { 'sec-fetch-site': site },
      );
      assert.equal(page.status, 400, site);
    }
    const odd = await pressDevice(world(), browser, { ...press, token: form.token, decision: 'perhaps' });
    assert.equal(odd.status, 403);
    assert.equal((await device.poll(device_code)).body.error, 'authorization_pending');
    assert.deepEqual((await rows(world())).registrations, had.registrations);
  });

  test('is refused by the person, and the device is told so', async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    const device = deviceInHand(world(), 'Refused');
    const { user_code, device_code } = await device.begin();
    const had = await rows(world());
    const page = await answerDevice(world(), { browser, user_code, decision: 'refuse' });
    assert.equal(page.status, 200);
    assertPage(page);
    const told = await device.poll(device_code);
    assert.deepEqual([told.status, told.body.error, told.body.reason], [400, 'access_denied', 'refused']);
    assert.deepEqual((await rows(world())).registrations, had.registrations);
    assert.equal((await openDevice(world(), browser, user_code)).status, 404, 'answered once');
  });

  test('makes a registration, a device session and a seat in one act', async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    const device = deviceInHand(world(), 'Mine');
    const { user_code, device_code } = await device.begin();
    const shown = await openDevice(world(), browser, user_code);
    assert.match(shown.text, /Linux · debian/);
    assert.match(shown.text, /have this device before you/);
    const page = await pressDevice(world(), browser, { ...deviceForm(shown), decision: 'enrol' });
    assert.equal(page.status, 200, page.text);
    assert.match(page.text, /The device is enrolled/);
    assertPage(page);
    const [told, again] = [await device.poll(device_code), await device.poll(device_code)];
    assert.equal(told.status, 200);
    assert.deepEqual(again.body, told.body, 'a lost answer is told once more');
    const { registration_id, device_id, session_expires_at, ...rest } = told.body;
    const { name: team } = await world().sdk.zeroTrust.organizations.list({ account_id: world().account_id });
    assert.deepEqual(rest, { email: person.email, team, token_type: 'portcullis-device' });
    const day = Date.parse(session_expires_at) - world().app.clock.now();
    assert.ok(day > 23.9 * 60 * MINUTE && day <= 24 * 60 * MINUTE, session_expires_at);
    const { status, body } = await device.session();
    assert.deepEqual([status, body.registration_id, body.device_id], [200, registration_id, device_id]);
    assert.deepEqual([body.email, body.device_name, body.signed_in], [person.email, 'Mine', true]);
    const [user] = (
      await world().sdk.zeroTrust.access.users.list({ account_id: world().account_id, email: person.email })
    ).result;
    assert.deepEqual([user?.gateway_seat, user?.active_device_count], [true, 1]);
    const { sessions = [] } = await readRows(world().database);
    assert.equal(sessions.filter((row) => row.includes(user?.id ?? '?')).length, 2);
  });

  test('is a new sign-in on the device where the key is enrolled already', async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    const device = deviceInHand(world(), 'Again');
    const first = await device.enrolledBy(browser);
    const { user_code, device_code } = await device.begin();
    const shown = await openDevice(world(), browser, user_code);
    assert.match(shown.text, /Sign in on Again\?/);
    const page = await pressDevice(world(), browser, { ...deviceForm(shown), decision: 'enrol' });
    assert.match(page.text, /You are signed in on the device/);
    const { body } = await device.poll(device_code);
    assert.equal(body.registration_id, first.registration_id);
    const { sessions = [] } = await readRows(world().database);
    const { id } = await world().user(person);
    assert.equal(sessions.filter((row) => row.includes(id)).length, 2, 'the former sign-in on it ended');
  });

  test('is refused for the key of somebody else, after signing in', async () => {
    const device = deviceInHand(world(), 'Theirs');
    await device.enrolledBy(await world().signedIn(world().person()));
    const { user_code, device_code } = await device.begin();
    const browser = await world().signedIn(world().person());
    const page = await openDevice(world(), browser, user_code);
    assert.equal(page.status, 403);
    assert.match(page.text, /enrolled for somebody else/);
    assertPage(page);
    assert.equal((await device.poll(device_code)).body.error, 'authorization_pending');
  });

  test('reports what the device is now, and ends nothing by it', async () => {
    const device = deviceInHand(world(), 'Reports');
    await device.enrolledBy(await world().signedIn(world().person()));
    const odd = await device.ask('POST', 'report', { body: { facts: {} } });
    assert.equal(odd.status, 400);
    const stranger = await deviceInHand(world()).ask('POST', 'report', { body: { facts: device.facts } });
    assert.deepEqual([stranger.status, stranger.body.reason], [401, 'device_unknown']);
    const body = { facts: { ...device.facts, os_version: '9.9.9' } };
    const told = await device.ask('POST', 'report', { body });
    assert.deepEqual([told.status, told.body], [200, { reported: true }]);
    const { registrations = [] } = await readRows(world().database);
    assert.ok(registrations.some((row) => row.includes('9.9.9')));
    assert.equal((await device.session()).status, 200);
  });
});

/** The words of one proof with the signature of another. */
function spliced(one: string, other: string): string {
  return [...one.split('.').slice(0, 2), other.split('.')[2]].join('.');
}

async function rows(world: Gated): Promise<{ enrolments: number; registrations: number }> {
  const { device_enrolments = [], registrations = [] } = await readRows(world.database);
  return { enrolments: device_enrolments.length, registrations: registrations.length };
}
