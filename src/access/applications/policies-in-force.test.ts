import assert from 'node:assert/strict';
import { test } from 'node:test';
import type Cloudflare from 'cloudflare';
import type { Browser } from '../../../test/support/browser.ts';
import { type Gated, gatedOnBothDatabases } from '../../../test/support/gated.ts';

/*
 * A policy is in force with the answer to its change, for people who are signed in as for those who are not: what
 * they were allowed at sign-in counts for nothing (design §4.11).
 */

const everyone = { name: 'Everyone', decision: 'allow', include: [{ everyone: {} }] };
const only = (email: string) => ({
  name: `Only ${email}`,
  decision: 'allow',
  include: [{ email: { email } }],
});
const against = (email: string) => ({ ...only(email), name: `Not ${email}`, decision: 'deny' });

type NewPolicy = Cloudflare.ZeroTrust.Access.Applications.PolicyCreateParams;
type NewApplication = Cloudflare.ZeroTrust.Access.ApplicationUpdateParams;

/** An application of its own with these policies, and two people who are signed in to it. */
async function open(world: Gated, name: string, policies: readonly object[] = [everyone]) {
  const { account_id, sdk } = world;
  const host = `${name}.${new URL(world.site).host}`;
  const { id, site } = await world.createApplication(host, { policies: [everyone] });
  const [ann, bob] = [world.person(), world.person()];
  const browsers = [await world.signedIn(ann, { site }), await world.signedIn(bob, { site })] as const;
  const { applications } = sdk.zeroTrust.access;
  const put = (given: readonly object[]) =>
    applications.update(id, {
      account_id,
      type: 'self_hosted',
      domain: host,
      policies: given,
    } as NewApplication);
  await put(policies);
  return {
    id,
    ann,
    bob,
    put,
    policies: applications.policies,
    at: { account_id, app_id: id },
    add: (policy: object) => applications.policies.create(id, { account_id, ...policy } as NewPolicy),
    /** What Ann's and Bob's next requests are answered, and how many of them reached the application. */
    next: async () => {
      const before = world.arrived.length;
      const statuses = await Promise.all(browsers.map((browser: Browser) => browser.get(site)));
      return [...statuses.map(({ status }) => status), world.arrived.length - before];
    },
  };
}

gatedOnBothDatabases('policies in force', (world) => {
  test('let nobody in where there are none', async () => {
    const { next, put } = await open(world(), 'none');
    assert.deepEqual(await next(), [200, 200, 2]);
    await put([]);
    assert.deepEqual(await next(), [403, 403, 0]);
  });

  test('are the new ones at the next request after each change, and deny outweighs allow wherever it stands', async () => {
    const { next, add, policies, at, ann, bob } = await open(world(), 'changes', []);
    assert.deepEqual(await next(), [403, 403, 0]);
    const { id: first = '' } = await add(only(ann.email));
    assert.deepEqual(await next(), [200, 403, 1]);
    await policies.update(first, { ...at, ...only(bob.email) } as Update);
    assert.deepEqual(await next(), [403, 200, 1]);
    await policies.update(first, { ...at, ...everyone } as Update);
    assert.deepEqual(await next(), [200, 200, 2]);
    const { id: last = '' } = await add({ ...against(ann.email), precedence: 1000 });
    assert.deepEqual(await next(), [403, 200, 1]);
    await policies.update(last, { ...at, ...against(ann.email), precedence: 1 } as Update);
    assert.deepEqual(await next(), [403, 200, 1]);
    await policies.delete(last, at);
    assert.deepEqual(await next(), [200, 200, 2]);
    await policies.delete(first, at);
    assert.deepEqual(await next(), [403, 403, 0]);
  });

  test('are the new ones also when they come with their application', async () => {
    const { next, put, ann, bob } = await open(world(), 'embedded');
    await put([only(bob.email)]);
    assert.deepEqual(await next(), [403, 200, 1]);
    await put([everyone, against(bob.email)]);
    assert.deepEqual(await next(), [200, 403, 1]);
    await put([{ ...everyone, exclude: [{ email: { email: ann.email.toUpperCase() } }] }]);
    assert.deepEqual(await next(), [403, 200, 1]);
    await put([{ ...everyone, require: [{ email_domain: { domain: 'elsewhere.example' } }] }]);
    assert.deepEqual(await next(), [403, 403, 0]);
    await put([{ ...everyone, require: [{ email_domain: { domain: 'Example.com' } }] }]);
    assert.deepEqual(await next(), [200, 200, 2]);
  });

  test('stay as they are when a change was refused', async () => {
    const { next, add, put, ann } = await open(world(), 'refused', [everyone]);
    await assert.rejects(add({ ...against(ann.email), require: [{ group: { id: 'x' } }] }));
    await assert.rejects(put([against(ann.email), { ...only(ann.email), decision: 'bypass' }]));
    assert.deepEqual(await next(), [200, 200, 2]);
  });

  test('of one application say nothing of another', async () => {
    const one = await open(world(), 'one');
    const two = await open(world(), 'two');
    await one.put([]);
    assert.deepEqual(await one.next(), [403, 403, 0]);
    assert.deepEqual(await two.next(), [200, 200, 2]);
  });
});

type Update = Cloudflare.ZeroTrust.Access.Applications.PolicyUpdateParams;
