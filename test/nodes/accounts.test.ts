import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { superAdministrator } from '../../src/kernel/permissions.ts';
import { Browser } from '../support/browser.ts';
import { cookieOf, startNodes, type TestNodes } from '../support/nodes.ts';
import { addOlderAccount, addPerson, firstTenant, keySdk } from '../support/tenants.ts';

describe('accounts on three nodes', () => {
  const set: { nodes?: TestNodes } = {};
  const nodes = (): TestNodes => set.nodes ?? assert.fail();
  before(async () => {
    set.nodes = await startNodes(3);
  });
  after(async () => await set.nodes?.[Symbol.asyncDispose]());

  /** The keys that a node publishes on that host, whose port is that of the node on which the account was made. */
  const keysOn = async (node: number, host: string) => {
    const port = nodes().apps[node]?.port ?? 0;
    const browser = new Browser({ ports: { [host.split(':')[0] ?? '']: port } });
    const { text } = await browser.get(`http://${host}/cdn-cgi/access/certs`);
    return (JSON.parse(text) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid).join();
  };

  test('a new one is known to every node without a restart', async () => {
    const { world, apps } = nodes();
    const roles = [superAdministrator.id];
    const home = await firstTenant(world.app);
    const { sdk } = await addPerson(world.app, home, { email: 'maker@example.com', roles });
    const { id: account_id } = await sdk.accounts.create({ name: 'New' });
    const { auth_domain: team = '' } = await sdk.zeroTrust.organizations.list({ account_id });
    const keys = await keysOn(0, team);
    assert.notEqual(keys, await keysOn(0, new URL(world.team).host));
    for (const node of apps.keys()) {
      const deadline = performance.now() + 10_000;
      while ((await keysOn(node, team)) !== keys && performance.now() < deadline) {
        await new Promise((done) => setTimeout(done, 50));
      }
      assert.equal(await keysOn(node, team), keys, `node ${node}`);
    }
  });

  test('one that is deleted on a node has ended on every node when the call returns', async () => {
    const { world, apps, ask } = nodes();
    await addOlderAccount(world.app);
    const home = await firstTenant(world.app);
    const roles = [superAdministrator.id];
    const owner = await addPerson(world.app, home, { email: 'owner@example.com', roles });
    const cookie = cookieOf(world, await world.signedIn(world.person()));
    assert.deepEqual(await Promise.all([0, 1, 2].map((node) => ask(node, cookie))), [200, 200, 200]);
    const second = apps[1] ?? assert.fail();
    const { account_id } = world;
    const sdk = keySdk(second, owner.email, owner.key);
    assert.deepEqual(await sdk.accounts.delete({ account_id }), { id: account_id });
    const statuses = await Promise.all([0, 1, 2].map((node) => ask(node, cookie)));
    assert.ok(!statuses.includes(200), String(statuses));
    for (const app of apps) {
      assert.equal((await app.api('GET', `/accounts/${account_id}`)).status, 401);
      assert.equal((await fetch(`${app.origin}/readyz`)).status, 200);
    }
  });
});
