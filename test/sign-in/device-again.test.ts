import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Browser } from '../support/browser.ts';
import {
  answerDevice,
  DEVICE,
  deviceForm,
  deviceInHand,
  openDevice,
  pressDevice,
  signInAgain,
} from '../support/device-in-hand.ts';
import { type Gated, gatedOnBothDatabases } from '../support/gated.ts';
import { endInLauncher, nonceOf } from '../support/launcher.ts';
import { type Person, signIn } from '../support/openid-provider.ts';

/* What whoever has the machine can do with the browser on it, after the device was taken from its person. */

interface Enrolled {
  readonly registration_id: string;
  readonly device_id: string;
}

type Ends = (world: Gated, of: Enrolled) => Promise<unknown>;

const endings: Readonly<Record<string, Ends>> = {
  'its registration is revoked': ({ sdk, account_id }, { registration_id }) =>
    sdk.zeroTrust.devices.registrations.revoke({ account_id, id: [registration_id] }),
  'it is revoked': ({ sdk, account_id }, { device_id }) =>
    sdk.zeroTrust.devices.devices.revoke(device_id, { account_id }),
  'its registration is deleted': ({ sdk, account_id }, { registration_id }) =>
    sdk.zeroTrust.devices.registrations.delete(registration_id, { account_id }),
  'it is deleted': ({ sdk, account_id }, { device_id }) =>
    sdk.zeroTrust.devices.devices.delete(device_id, { account_id }),
};

gatedOnBothDatabases('a device that an administrator takes away', (world) => {
  const enrolled = async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    const device = deviceInHand(world());
    return { person, browser, device, ids: await device.enrolledBy(browser) };
  };

  for (const [name, end] of Object.entries(endings)) {
    test(`does not come back with a new key and the browser as it is, after ${name}`, async () => {
      const { person, browser, device, ids } = await enrolled();
      await end(world(), ids);
      const other = deviceInHand(world());
      const { hardware_id } = device.enrollment;
      const { user_code, device_code } = await other.begin({ hardware_id });
      await assertSignInAgain(world(), browser, user_code);
      assert.equal((await other.session()).body.reason, 'device_unknown');
      assert.equal((await browser.get(`${world().team}/`)).status, 200, 'the browser stays signed in');
      await signInSilently(world(), browser, person);
      await assertSignInAgain(world(), browser, user_code);
      const page = await signInAgain(world(), browser, { person, user_code });
      const yes = await pressDevice(world(), browser, { ...deviceForm(page), decision: 'enrol' });
      assert.equal(yes.status, 200, yes.text);
      assert.equal((await other.poll(device_code)).status, 200);
    });
  }

  test('leaves the other devices of its person as they are', async () => {
    const { browser, ids } = await enrolled();
    const other = deviceInHand(world());
    const { registration_id } = await other.enrolledBy(browser);
    await endings['it is revoked']?.(world(), ids);
    assert.equal((await other.session()).body.signed_in, true);
    assert.equal((await other.enrolledBy(browser)).registration_id, registration_id);
  });

  test('is not enrolled anew by a form that was open when its registration was deleted', async () => {
    const { browser, device, ids } = await enrolled();
    const { user_code, device_code } = await device.begin();
    const form = deviceForm(await openDevice(world(), browser, user_code));
    await endings['its registration is deleted']?.(world(), ids);
    const page = await pressDevice(world(), browser, { ...form, decision: 'enrol' });
    assert.equal(page.status, 404, page.text);
    const { status, body } = await device.poll(device_code);
    assert.deepEqual([status, body.error], [400, 'invalid_grant']);
    assert.equal((await device.session()).body.reason, 'device_unknown');
  });
});

gatedOnBothDatabases('a device that was enrolled from a browser', (world) => {
  test('is signed out with it when the person ends its session from another, and can be signed in on again', async () => {
    const person = world().person();
    const [own, stolen] = [await world().signedIn(person), await world().signedIn(person)];
    const [mine, theirs] = [deviceInHand(world(), 'Mine'), deviceInHand(world(), 'Theirs')];
    await mine.enrolledBy(own);
    const { registration_id } = await theirs.enrolledBy(stolen);
    await endInLauncher(world(), own, await nonceOf(world(), stolen));
    const { status, body } = await theirs.session();
    assert.deepEqual([status, body.reason], [401, 'session_ended']);
    assert.equal((await mine.session()).body.signed_in, true, 'the other one stays');
    await signInAgain(world(), own, { person });
    assert.equal((await theirs.enrolledBy(own)).registration_id, registration_id);
  });

  test('stays when the person signs out there', async () => {
    for (const how of ['launcher', 'logout']) {
      const browser = await world().signedIn(world().person());
      const device = deviceInHand(world());
      await device.enrolledBy(browser);
      if (how === 'launcher') await endInLauncher(world(), browser, 'this');
      else await browser.get(`${world().team}/cdn-cgi/access/logout`, { 'sec-fetch-site': 'same-origin' });
      assert.equal((await browser.get(`${world().team}/`)).status, 302);
      assert.equal((await device.session()).body.signed_in, true, how);
    }
  });
});

async function assertSignInAgain(world: Gated, browser: Browser, user_code: string): Promise<void> {
  const page = await answerDevice(world, { browser, user_code });
  assert.equal(page.status, 403, page.text);
  const [, href] = /<a class="act" href="([^"]+)"/.exec(page.text) ?? [];
  assert.equal(href, `${DEVICE}?user_code=${user_code}&#38;again=1`);
}

/** Out and in again, by the session that the provider has in this browser: nobody types anything. */
async function signInSilently(world: Gated, browser: Browser, { email }: Person): Promise<void> {
  const before = await nonceOf(world, browser);
  await endInLauncher(world, browser, 'this');
  const page = await signIn(browser, world.site, { login: 'nobody is asked' });
  assert.equal(page.text, `hello ${email}`);
  assert.notEqual(await nonceOf(world, browser), before);
}
