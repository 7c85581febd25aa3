import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PROOF_HEADER } from '../../src/protocol/device-proof.ts';
import { requiring } from '../support/device-asks.ts';
import { enrolTestDevice } from '../support/devices.ts';
import { signIn } from '../support/openid-provider.ts';
import { databases } from '../support/postgres.ts';
import { openWebSocket } from '../support/proxied.ts';
import { askGate } from '../support/remote-asks.ts';
import { type Followed, startFollowed, until } from '../support/remote-gate.ts';

/* Devices at a gate by itself: by the feed, and without a lease by way of a node. */

for (const { name, create } of databases) {
  describe(`a device at a remote gate (${name})`, () => {
    test('counts by the feed, falls with its registration, and without a lease is judged by a node', async () => {
      await using followed = await startFollowed(await create(), { serveFlags: ['--lease=2'] });
      const { world, application, place } = followed;
      const { account_id } = world;
      const { devices, access } = world.sdk.zeroTrust;
      const rule = await devices.posture.create({ account_id, name: 'Managed', type: 'warp' } as Parameters<
        typeof devices.posture.create
      >[0]);
      const uri = place.host;
      await access.applications.update(application.id, {
        account_id,
        type: 'self_hosted',
        domain: uri,
        policies: requiring(rule?.id ?? assert.fail()),
      } as Parameters<typeof access.applications.update>[1]);
      const person = world.person();
      const browser = world.browser();
      await signIn(browser, application.site, { login: person.sub });
      const [held] = browser.jar
        .cookiesFor(new URL(application.site))
        .filter((one) => one.name === 'CF_Authorization');
      const cookie = `CF_Authorization=${held?.value ?? assert.fail()}`;
      const device = await enrolTestDevice(world.app, { email: person.email });
      const other = await enrolTestDevice(world.app, { email: world.person().email });
      const proof = (of = device, path = '/') => ({
        [PROOF_HEADER]: of.prove({ url: `http://${uri}${path}` }),
      });
      const status = async (headers: Record<string, string>) =>
        (await askGate(followed, '/', cookie, { headers })).status;

      const refuses = async () => {
        assert.equal(await status({}), 403);
        assert.equal(await status(proof(other)), 403);
        assert.equal(await status({ [PROOF_HEADER]: device.prove({ url: `http://${uri}/other` }) }), 403);
        const once = proof();
        assert.deepEqual([await status(once), await status(once)], [200, 403]);
      };
      await refuses();
      const socket = await openWebSocket(place, { headers: { cookie, ...proof(device, '/') }, path: '/' });
      const heard: unknown[] = [];
      socket.on('message', (said) => heard.push(said));
      await devices.registrations.revoke({ account_id, id: [device.registrationId] });
      for (const one of followed.upstream.webSockets) one.send('after the return');
      await until(
        () => socket.readyState === socket.CLOSED,
        () => 'it is open after the removal returned',
      );
      assert.deepEqual(heard, []);
      assert.equal(await status(proof()), 403);

      await devices.registrations.unrevoke({ account_id, id: [device.registrationId] });
      assert.equal(await status(proof()), 403, 'unrevoked is not signed in');
      await enrolTestDevice(world.app, { email: person.email, key: device });
      followed.line.refuseStreams();
      await unled(followed);
      await refuses();
      await devices.registrations.revoke({ account_id, id: [device.registrationId] });
      assert.equal(await status(proof()), 403, 'admitted by a node after the removal returned');
    });
  });
}

/** Until the gate has no lease any more. */
async function unled({ gate }: Followed): Promise<void> {
  await until(
    () => gate.gate.unready() !== null,
    () => 'it still decides by a lease',
  );
}
