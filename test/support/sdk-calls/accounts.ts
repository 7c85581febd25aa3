import assert from 'node:assert/strict';
import { everything, seed } from '../authority-rows.ts';
import { tokenPolicy } from '../tenants.ts';
import { type Call, email, idOf, newMember, type World } from './world.ts';

const DAY = 24 * 60 * 60 * 1000;

function newAccountToken(world: World) {
  const { account_id, sdk } = world;
  return sdk.accounts.tokens.create({ account_id, ...tokenBody(world) });
}

function newUserToken(world: World) {
  return world.sdk.user.tokens.create(tokenBody(world));
}

function tokenBody(world: World) {
  return { name: world.name('token'), policies: [tokenPolicy(world.account_id, ['Account Settings Read'])] };
}

function secretOf({ value }: { value?: string }): string {
  assert.ok(value);
  return value;
}

/** Somebody who was asked to be a member of the account, with the key and the id of that membership. */
async function invited(world: World) {
  const person = await seed(world.gated.app).person(email(world));
  const row = { account_id: world.account_id, administrator_id: person.id, roles: everything };
  const membership = await seed(world.gated.app).member({ ...row, status: 'pending' });
  return { membership, key: person };
}

function period() {
  const now = Date.now();
  return { since: new Date(now - DAY).toISOString(), before: new Date(now + DAY).toISOString() };
}

/** An entry of the audit log's second version. */
async function auditEntry(world: World) {
  const { account_id, sdk } = world;
  await newMember(world);
  const [entry] = (await sdk.accounts.logs.audit.list({ account_id, ...period() })).result ?? [];
  assert.ok(entry?.id && entry.action?.time);
  return { id: entry.id, action_time: entry.action.time };
}

/** Of `accounts`, `memberships`, `user` and `auditLogs`. */
export const accountCalls: Readonly<Record<string, Call>> = {
  'accounts.create': (world) => world.sdk.accounts.create({ name: world.name('account') }),
  'accounts.update': async (world) => {
    const made = await world.sdk.accounts.create({ name: world.name('account') });
    const account_id = idOf(made);
    const name = world.name('renamed');
    return await world.sdk.accounts.update({ account_id, id: account_id, name, type: 'standard' });
  },
  'accounts.list': ({ sdk }) => sdk.accounts.list(),
  'accounts.delete': async (world) => {
    const made = await world.sdk.accounts.create({ name: world.name('account') });
    return await world.sdk.accounts.delete({ account_id: idOf(made) });
  },
  'accounts.get': ({ sdk, account_id }) => sdk.accounts.get({ account_id }),

  'accounts.members.create': newMember,
  'accounts.members.update': async (world) => {
    const { account_id, sdk } = world;
    const member = idOf(await newMember(world));
    return await sdk.accounts.members.update(member, { account_id, policies: [] });
  },
  'accounts.members.list': ({ sdk, account_id }) => sdk.accounts.members.list({ account_id }),
  'accounts.members.delete': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.accounts.members.delete(idOf(await newMember(world)), { account_id });
  },
  'accounts.members.get': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.accounts.members.get(idOf(await newMember(world)), { account_id });
  },
  'accounts.roles.list': ({ sdk, account_id }) => sdk.accounts.roles.list({ account_id }),
  'accounts.roles.get': async ({ sdk, account_id }) => {
    const [role] = (await sdk.accounts.roles.list({ account_id })).result;
    return await sdk.accounts.roles.get(idOf(role), { account_id });
  },

  'accounts.tokens.create': newAccountToken,
  'accounts.tokens.update': async (world) => {
    const { account_id, sdk } = world;
    const token = idOf(await newAccountToken(world));
    return await sdk.accounts.tokens.update(token, { account_id, ...tokenBody(world), status: 'disabled' });
  },
  'accounts.tokens.list': ({ sdk, account_id }) => sdk.accounts.tokens.list({ account_id }),
  'accounts.tokens.delete': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.accounts.tokens.delete(idOf(await newAccountToken(world)), { account_id });
  },
  'accounts.tokens.get': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.accounts.tokens.get(idOf(await newAccountToken(world)), { account_id });
  },
  'accounts.tokens.verify': async (world) => {
    const token = secretOf(await newAccountToken(world));
    return await world.withToken(token).accounts.tokens.verify({ account_id: world.account_id });
  },
  'accounts.tokens.value.update': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.accounts.tokens.value.update(idOf(await newAccountToken(world)), { account_id });
  },
  'accounts.tokens.permissionGroups.list': ({ sdk, account_id }) =>
    sdk.accounts.tokens.permissionGroups.list({ account_id }),
  'accounts.tokens.permissionGroups.get': ({ sdk, account_id }) =>
    sdk.accounts.tokens.permissionGroups.get({ account_id }),

  'accounts.logs.audit.list': ({ sdk, account_id }) =>
    sdk.accounts.logs.audit.list({ account_id, ...period() }),
  'accounts.logs.audit.history': async (world) => {
    const { id, ...entry } = await auditEntry(world);
    const { account_id, sdk } = world;
    return await sdk.accounts.logs.audit.history(id, { account_id, ...period(), ...entry });
  },
  'accounts.logs.audit.productCategories': ({ sdk, account_id }) =>
    sdk.accounts.logs.audit.productCategories({ account_id }),

  'memberships.list': ({ sdk }) => sdk.memberships.list(),
  'memberships.get': async ({ sdk }) => {
    const [membership] = (await sdk.memberships.list()).result;
    return await sdk.memberships.get(idOf(membership));
  },
  'memberships.update': async (world) => {
    const { membership, key } = await invited(world);
    return await world.withKey(key).memberships.update(membership, { status: 'accepted' });
  },
  'memberships.delete': async (world) => {
    const { membership, key } = await invited(world);
    return await world.withKey(key).memberships.delete(membership);
  },

  'user.get': ({ sdk }) => sdk.user.get(),
  'user.edit': ({ sdk }) => sdk.user.edit({ first_name: 'Ada' }),
  'user.tokens.create': newUserToken,
  'user.tokens.update': async (world) => {
    const token = idOf(await newUserToken(world));
    return await world.sdk.user.tokens.update(token, { ...tokenBody(world), status: 'disabled' });
  },
  'user.tokens.list': ({ sdk }) => sdk.user.tokens.list(),
  'user.tokens.delete': async (world) => await world.sdk.user.tokens.delete(idOf(await newUserToken(world))),
  'user.tokens.get': async (world) => await world.sdk.user.tokens.get(idOf(await newUserToken(world))),
  'user.tokens.verify': async (world) =>
    await world.withToken(secretOf(await newUserToken(world))).user.tokens.verify(),
  'user.tokens.value.update': async (world) =>
    await world.sdk.user.tokens.value.update(idOf(await newUserToken(world))),
  'user.tokens.permissionGroups.list': ({ sdk }) => sdk.user.tokens.permissionGroups.list(),

  'user.auditLogs.list': ({ sdk }) => sdk.user.auditLogs.list(),
  'auditLogs.list': ({ sdk, account_id }) => sdk.auditLogs.list({ account_id }),
};
