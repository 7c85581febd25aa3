import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { PROOF_HEADER } from '../../src/protocol/device-proof.ts';
import {
  askWith,
  cookieFor,
  createPostureRule,
  type DeviceAsking,
  requiring,
} from '../support/device-asks.ts';
import { enrolTestDevice, type TestDevice } from '../support/devices.ts';
import { about, ask as askForward } from '../support/gate-questions.ts';
import type { GatedApplication } from '../support/gated.ts';
import { openWebSocket, proxiedOnBothDatabases } from '../support/proxied.ts';

/*
 * A device session as a credential: where organization and application say so, alone, and for as long as everything
 * stands that a session of that person rests on.
 */

const EVERYONE = [{ name: 'All', decision: 'allow', include: [{ everyone: {} }] }];
const CLOSED_WITHIN = 2_000;

proxiedOnBothDatabases('a device session as a credential', (proxied) => {
  let open: GatedApplication;
  let closed: GatedApplication;
  let device: TestDevice;

  const account = () => ({ account_id: proxied().world.account_id });
  const organizations = () => proxied().world.sdk.zeroTrust.organizations;
  const devices = () => proxied().world.sdk.zeroTrust.devices;
  const allow = (yes: boolean) => organizations().update({ ...account(), allow_authenticate_via_warp: yes });
  const create = (name: string, more: object = {}) =>
    proxied().createApplication(name, { policies: EVERYONE, allow_authenticate_via_warp: true, ...more });
  /** Of somebody who has signed in in a browser before, as everybody has who enrols a device. */
  const enrol = async () => {
    const person = proxied().world.person();
    await cookieFor(proxied(), person, closed);
    return await enrolTestDevice(proxied().world.app, { email: person.email });
  };
  const asks = (asking: DeviceAsking, to = open) => askWith(proxied(), to, asking);
  const assertSignIn = async (asking: DeviceAsking, reason: string, to = open) => {
    const answer = await asks(asking, to);
    assert.deepEqual([answer.status, answer.reason], [401, reason], answer.text);
    const browser = await asks({ ...asking, headers: { accept: 'text/html' } }, to);
    assert.equal(browser.status, 302);
  };

  before(async () => {
    closed = await create('without', { allow_authenticate_via_warp: false });
    await allow(true);
    open = await create('with');
    device = await enrol();
  });

  it('is none without a proof, with a wrong one, or where the application does not say so', async () => {
    const url = `${open.site}/echo`;
    await assertSignIn({}, 'no_credential');
    await assertSignIn({ device }, 'no_credential', closed);
    await assertSignIn({ proof: 'x' }, 'proof_invalid');
    await assertSignIn({ proof: device.prove({ url, method: 'PUT' }) }, 'proof_invalid');
    const proof = device.prove({ url });
    assert.equal((await asks({ proof })).status, 200);
    await assertSignIn({ proof }, 'proof_replayed');
  });

  it('admits by itself, and the application is told who it is', async () => {
    const { status, text, reason, line } = await asks({ device });
    assert.deepEqual([status, reason], [200, 'policy_allow']);
    assert.equal(line?.registrationId, device.registrationId);
    const said = JSON.parse(text) as { rawHeaders: string[] };
    const told = (name: string) =>
      said.rawHeaders[said.rawHeaders.findIndex((one) => one.toLowerCase() === name) + 1];
    assert.equal(told('cf-access-authenticated-user-email'), line?.email);
    const [, claims = ''] = (told('cf-access-jwt-assertion') ?? '').split('.');
    const claimed = JSON.parse(Buffer.from(claims, 'base64url').toString());
    assert.deepEqual([claimed.sub, claimed.identity_nonce], [device.userId, device.sessionNonce]);
    assert.ok(!text.toLowerCase().includes(PROOF_HEADER));
    const host = new URL(open.site).host;
    const question = [...about(proxied().world, '/', host), device.proof({ url: `${open.site}/` })];
    assert.equal((await askForward(proxied().world, question)).status, 200);
  });

  it('is one credential: beside another it only tells of the device', async () => {
    const wrong = await asks({ device, cookie: 'CF_Authorization=x' });
    assert.deepEqual([wrong.status, wrong.reason], [401, 'credential_invalid']);
    const secret = { 'cf-access-client-id': 'x.access', 'cf-access-client-secret': 'x' };
    const service = await asks({ device, headers: secret });
    assert.deepEqual([service.status, service.reason], [401, 'service_token_unknown']);
    const somebody = proxied().world.person();
    const cookie = await cookieFor(proxied(), somebody, open);
    const { status, line } = await asks({ device, cookie });
    assert.deepEqual([status, line?.email, line?.registrationId], [200, somebody.email, null]);
  });

  it('rests on the policy as every session does, and on its posture', async () => {
    const rule = await createPostureRule(proxied());
    const managed = await create('posture', { policies: requiring(rule) });
    assert.equal((await asks({ device }, managed)).status, 200);
    const nobody = await create('nobody', {
      policies: [{ name: 'None', decision: 'allow', include: [{ email: { email: 'x@example.com' } }] }],
    });
    const denied = await asks({ device }, nobody);
    assert.deepEqual([denied.status, denied.reason], [403, 'no_policy_matched']);
  });

  const socketOf = (one: TestDevice) =>
    openWebSocket(
      { world: proxied().world, host: new URL(open.site).host },
      { headers: { [PROOF_HEADER]: one.prove({ url: `${open.site}/socket` }) } },
    );
  const emailOf = async ({ userId }: TestDevice) =>
    (await proxied().world.sdk.zeroTrust.access.users.get(userId, account())).email ?? assert.fail();
  const ended: Readonly<
    Record<string, readonly [reason: string, end: (one: TestDevice) => Promise<unknown>]>
  > = {
    'its person is revoked': [
      'session_unknown',
      async (one) => organizations().revokeUsers({ ...account(), email: await emailOf(one) }),
    ],
    'its person is deleted': [
      'device_unknown',
      ({ userId }) => proxied().world.sdk.zeroTrust.access.users.delete(userId, account()),
    ],
    'it is revoked': [
      'device_unknown',
      ({ registrationId }) => devices().registrations.revoke({ ...account(), id: [registrationId] }),
    ],
    'it has to be signed in on again': [
      'device_unknown',
      async (one) =>
        organizations().revokeUsers({ ...account(), email: await emailOf(one), warp_session_reauth: true }),
    ],
  };
  for (const [name, [reason, end]] of Object.entries(ended)) {
    it(`is over at the return when ${name}, what is open too, and nobody else's`, async () => {
      const [one, other] = [await enrol(), await enrol()];
      const [falls, stays] = [await socketOf(one), await socketOf(other)];
      const heard: unknown[] = [];
      falls.on('message', (said) => heard.push(said));
      await end(one);
      for (const socket of proxied().upstream.webSockets) socket.send('after the return');
      await over(falls);
      assert.deepEqual(heard, []);
      assert.equal(stays.readyState, stays.OPEN);
      stays.close();
      await assertSignIn({ device: one }, reason);
      assert.equal((await asks({ device: other })).status, 200);
    });
  }

  it('is over when the organization or the application no longer says so, and cannot be said of one alone', async () => {
    const alone = await create('alone');
    const host = new URL(alone.site).host;
    const headers = () => ({ [PROOF_HEADER]: device.prove({ url: `${alone.site}/socket` }) });
    const place = { world: proxied().world, host };
    const update = (more: object) =>
      proxied().world.app.api('PUT', `/accounts/${account().account_id}/access/apps/${alone.id}`, {
        body: { type: 'self_hosted', name: 'alone', domain: host, ...more },
      });
    const first = await openWebSocket(place, { headers: headers() });
    assert.equal((await update({ allow_authenticate_via_warp: false })).status, 200);
    await over(first);
    await assertSignIn({ device }, 'no_credential', alone);
    assert.equal((await update({ allow_authenticate_via_warp: true })).status, 200);
    const second = await openWebSocket(place, { headers: headers() });
    await allow(false);
    await over(second);
    await assertSignIn({ device }, 'no_credential', alone);
    const { status, body } = await update({ allow_authenticate_via_warp: true });
    assert.equal(status, 400);
    const { errors } = body as { errors: { source?: { pointer?: string } }[] };
    assert.equal(errors[0]?.source?.pointer, '/allow_authenticate_via_warp');
    await allow(true);
    assert.equal((await asks({ device }, alone)).status, 200);
  });
});

async function over(socket: {
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
