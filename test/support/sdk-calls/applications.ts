import assert from 'node:assert/strict';
import type Cloudflare from 'cloudflare';
import { allowAll } from '../access.ts';
import { type Call, email, idOf, type World } from './world.ts';

type NewApplication = Cloudflare.ZeroTrust.Access.ApplicationCreateParams.SelfHostedApplication;

/** A domain that nothing else has, in the zone of the world. */
function domain(world: World): string {
  return `${world.name('app')}.localhost`;
}

function body(world: World, at: string, more: object = {}): NewApplication {
  return { ...world.at, type: 'self_hosted', domain: at, ...more } as NewApplication;
}

function newApplication(world: World, more?: object) {
  return world.sdk.zeroTrust.access.applications.create(body(world, domain(world), more));
}

/** An application with a policy of its own. */
async function withPolicy(world: World) {
  const app_id = idOf(await newApplication(world));
  const made = await world.sdk.zeroTrust.access.applications.policies.create(app_id, policyOf(world));
  return { app_id, policy: idOf(made) };
}

function policyOf({ at, name }: World) {
  return { ...at, ...allowAll, name: name('policy') };
}

function newPolicy(world: World) {
  const { account_id, sdk, name } = world;
  return sdk.zeroTrust.access.policies.create({ account_id, ...allowAll, name: name('policy') });
}

/** A test of a policy that has been played to its end. */
async function playedTest(world: World) {
  const { account_id, sdk } = world;
  const { policyTests } = sdk.zeroTrust.access.applications;
  const policies = [{ ...allowAll, name: world.name('policy') }];
  const made = await policyTests.create({ account_id, policies });
  const test = idOf(made);
  for (let asked = 0; asked < 100; asked += 1) {
    const { status } = await policyTests.get(test, { account_id });
    if (status === 'complete') return test;
    await new Promise((done) => setTimeout(done, 20));
  }
  return assert.fail('the test of the policies does not come to an end');
}

/** Of `zeroTrust.access.applications` and `zeroTrust.access.policies`. */
export const applicationCalls: Readonly<Record<string, Call>> = {
  'zeroTrust.access.applications.create': (world) => newApplication(world, { policies: [allowAll] }),
  'zeroTrust.access.applications.update': async (world) => {
    const { domain: at = '', ...made } = (await newApplication(world)) as { domain?: string };
    return await world.sdk.zeroTrust.access.applications.update(idOf(made), body(world, at));
  },
  'zeroTrust.access.applications.list': ({ sdk, at }) => sdk.zeroTrust.access.applications.list({ ...at }),
  'zeroTrust.access.applications.delete': async (world) =>
    await world.sdk.zeroTrust.access.applications.delete(idOf(await newApplication(world)), world.at),
  'zeroTrust.access.applications.get': async (world) =>
    await world.sdk.zeroTrust.access.applications.get(idOf(await newApplication(world)), world.at),
  'zeroTrust.access.applications.revokeTokens': async (world) =>
    await world.sdk.zeroTrust.access.applications.revokeTokens(idOf(await newApplication(world)), world.at),
  'zeroTrust.access.applications.policies.create': withPolicy,
  'zeroTrust.access.applications.policies.update': async (world) => {
    const { app_id, policy } = await withPolicy(world);
    const { policies } = world.sdk.zeroTrust.access.applications;
    return await policies.update(policy, { app_id, ...policyOf(world) });
  },
  'zeroTrust.access.applications.policies.list': async (world) => {
    const { app_id } = await withPolicy(world);
    return await world.sdk.zeroTrust.access.applications.policies.list(app_id, { ...world.at });
  },
  'zeroTrust.access.applications.policies.delete': async (world) => {
    const { app_id, policy } = await withPolicy(world);
    return await world.sdk.zeroTrust.access.applications.policies.delete(policy, { app_id, ...world.at });
  },
  'zeroTrust.access.applications.policies.get': async (world) => {
    const { app_id, policy } = await withPolicy(world);
    return await world.sdk.zeroTrust.access.applications.policies.get(policy, { app_id, ...world.at });
  },
  'zeroTrust.access.applications.policyTests.create': playedTest,
  'zeroTrust.access.applications.policyTests.get': playedTest,
  'zeroTrust.access.applications.policyTests.users.list': async (world) => {
    const { account_id, sdk } = world;
    await sdk.zeroTrust.access.users.create({ account_id, email: email(world) });
    const test = await playedTest(world);
    return await sdk.zeroTrust.access.applications.policyTests.users.list(test, { account_id });
  },
  'zeroTrust.access.applications.settings.update': async (world) => {
    const { settings } = world.sdk.zeroTrust.access.applications;
    return await settings.update(idOf(await newApplication(world)), { ...world.at, allow_iframe: false });
  },
  'zeroTrust.access.applications.settings.edit': async (world) => {
    const { settings } = world.sdk.zeroTrust.access.applications;
    return await settings.edit(idOf(await newApplication(world)), { ...world.at, skip_interstitial: false });
  },
  'zeroTrust.access.applications.userPolicyChecks.list': async (world) => {
    const { account_id, sdk, gated } = world;
    const { users, applications } = sdk.zeroTrust.access;
    // The SDK names no user: it is the caller, who has to be one.
    const known = (await users.list({ account_id, email: gated.app.credentials.email })).result;
    if (known.length === 0) await users.create({ account_id, email: gated.app.credentials.email });
    return await applications.userPolicyChecks.list(idOf(await newApplication(world)), { ...world.at });
  },

  'zeroTrust.access.policies.create': newPolicy,
  'zeroTrust.access.policies.update': async (world) => {
    const { account_id, sdk, name } = world;
    const policy = idOf(await newPolicy(world));
    return await sdk.zeroTrust.access.policies.update(policy, {
      account_id,
      ...allowAll,
      name: name('policy'),
    });
  },
  'zeroTrust.access.policies.list': ({ sdk, account_id }) =>
    sdk.zeroTrust.access.policies.list({ account_id }),
  'zeroTrust.access.policies.delete': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.access.policies.delete(idOf(await newPolicy(world)), { account_id });
  },
  'zeroTrust.access.policies.get': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.access.policies.get(idOf(await newPolicy(world)), { account_id });
  },
};
