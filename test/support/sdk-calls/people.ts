import assert from 'node:assert/strict';
import { oidc } from '../access.ts';
import type { Gated } from '../gated.ts';
import { signIn, startOpenIdProvider } from '../openid-provider.ts';
import { type Call, email, idOf, type World } from './world.ts';

function newUser(world: World) {
  const { account_id, sdk } = world;
  return sdk.zeroTrust.access.users.create({ account_id, email: email(world), name: 'Ada' });
}

/** Somebody who has signed in. */
export async function signedIn({ gated }: World) {
  const person = gated.person();
  await gated.signedIn(person);
  return await gated.user(person);
}

/** Settings of an application that lead straight to the provider of the world, however many there are. */
export function byItsProvider({ providerId }: Pick<Gated, 'providerId'>) {
  return { allowed_idps: [providerId], auto_redirect_to_identity: true };
}

/** Somebody who may not use an application, and tried. */
async function denied(world: World) {
  const { gated } = world;
  const person = gated.person();
  const { port } = new URL(gated.site);
  const { site } = await gated.createApplication(`${world.name('closed')}.localhost:${port}`, {
    ...byItsProvider(gated),
    policies: [],
  });
  await gated.signedIn(person);
  const page = await signIn(gated.browser(), site, { login: person.sub });
  assert.equal(page.status, 403);
  return await gated.user(person);
}

async function newProvider(world: World): Promise<{ id: string; body: ReturnType<typeof oidc> }> {
  await using provider = await startOpenIdProvider({ people: [], clients: [] });
  const body = { ...oidc(provider), name: world.name('provider') };
  const made = await world.sdk.zeroTrust.identityProviders.create({ ...world.at, ...body });
  return { id: idOf(made), body };
}

/** Of `zeroTrust.access.users`, `zeroTrust.identityProviders`, `zeroTrust.organizations` and `zeroTrust.seats`. */
export const peopleCalls: Readonly<Record<string, Call>> = {
  'zeroTrust.access.users.create': newUser,
  'zeroTrust.access.users.update': async (world) => {
    const { account_id, sdk } = world;
    const { id = '', email: known = '' } = await newUser(world);
    return await sdk.zeroTrust.access.users.update(id, { account_id, email: known, name: 'Grace' });
  },
  'zeroTrust.access.users.list': ({ sdk, account_id }) => sdk.zeroTrust.access.users.list({ account_id }),
  'zeroTrust.access.users.delete': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.access.users.delete(idOf(await newUser(world)), { account_id });
  },
  'zeroTrust.access.users.get': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.access.users.get(idOf(await newUser(world)), { account_id });
  },
  'zeroTrust.access.users.activeSessions.list': async (world) => {
    const { account_id, sdk } = world;
    const { id } = await signedIn(world);
    const sessions = await sdk.zeroTrust.access.users.activeSessions.list(id, { account_id });
    assert.equal(sessions.result.length, 1);
  },
  'zeroTrust.access.users.activeSessions.get': async (world) => {
    const { account_id, sdk } = world;
    const { id: user_id } = await signedIn(world);
    const { activeSessions } = sdk.zeroTrust.access.users;
    const [session] = (await activeSessions.list(user_id, { account_id })).result;
    const { nonce = '' } = session?.metadata ?? {};
    return await activeSessions.get(nonce, { account_id, user_id });
  },
  'zeroTrust.access.users.lastSeenIdentity.get': async (world) => {
    const { account_id, sdk } = world;
    const { id } = await signedIn(world);
    return await sdk.zeroTrust.access.users.lastSeenIdentity.get(id, { account_id });
  },
  'zeroTrust.access.users.failedLogins.list': async (world) => {
    const { account_id, sdk } = world;
    const { id } = await denied(world);
    return await sdk.zeroTrust.access.users.failedLogins.list(id, { account_id });
  },

  'zeroTrust.identityProviders.create': newProvider,
  'zeroTrust.identityProviders.update': async (world) => {
    await using provider = await startOpenIdProvider({ people: [], clients: [] });
    const body = { ...oidc(provider), name: world.name('provider') };
    const { identityProviders } = world.sdk.zeroTrust;
    const made = await identityProviders.create({ ...world.at, ...body });
    return await identityProviders.update(idOf(made), { ...world.at, ...body, name: world.name('renamed') });
  },
  'zeroTrust.identityProviders.list': ({ sdk, at }) => sdk.zeroTrust.identityProviders.list({ ...at }),
  'zeroTrust.identityProviders.delete': async (world) => {
    const { id } = await newProvider(world);
    return await world.sdk.zeroTrust.identityProviders.delete(id, world.at);
  },
  'zeroTrust.identityProviders.get': async (world) => {
    const { id } = await newProvider(world);
    return await world.sdk.zeroTrust.identityProviders.get(id, world.at);
  },

  'zeroTrust.organizations.create': ({ sdk, at, name }) =>
    sdk.zeroTrust.organizations.create({ ...at, name: 'Another', auth_domain: `${name('team')}.localhost` }),
  'zeroTrust.organizations.update': ({ sdk, at, name }) =>
    sdk.zeroTrust.organizations.update({ ...at, name: name('organization') }),
  'zeroTrust.organizations.list': ({ sdk, at }) => sdk.zeroTrust.organizations.list({ ...at }),
  'zeroTrust.organizations.revokeUsers': async (world) => {
    const { email: known } = await signedIn(world);
    const done = await world.sdk.zeroTrust.organizations.revokeUsers({ ...world.at, email: known });
    assert.equal(done, true);
  },

  'zeroTrust.seats.edit': async (world) => {
    const { account_id, sdk } = world;
    const { id } = await signedIn(world);
    const { seat_uid = '' } = await sdk.zeroTrust.access.users.get(id, { account_id });
    const body = [{ seat_uid, access_seat: false, gateway_seat: false }];
    const changed = await sdk.zeroTrust.seats.edit({ account_id, body });
    assert.equal(changed.result.length, 1);
  },
};
