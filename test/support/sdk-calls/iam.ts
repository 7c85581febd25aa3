import { type Call, idOf, mayRead, newMember, type World } from './world.ts';

function newGroup(world: World) {
  const { account_id, sdk } = world;
  return sdk.iam.userGroups.create({ account_id, name: world.name('group'), policies: mayRead(world) });
}

/** A group with a member. */
async function newGroupWithMember(world: World) {
  const { account_id, sdk } = world;
  const group = idOf(await newGroup(world));
  const member = idOf(await newMember(world));
  await sdk.iam.userGroups.members.create(group, { account_id, members: [{ id: member }] });
  return { group, member };
}

function newResourceGroup(world: World) {
  const { account_id, sdk } = world;
  return sdk.iam.resourceGroups.create({ account_id, name: world.name('resources'), scope: scopeOf(world) });
}

function scopeOf({ account_id, zone_id }: World) {
  return {
    key: `com.cloudflare.api.account.${account_id}`,
    objects: [{ key: `com.cloudflare.api.account.zone.${zone_id}` }],
  };
}

function newZone(world: World) {
  const { account_id, sdk } = world;
  return sdk.zones.create({ account: { id: account_id }, name: `${world.name('zone')}.test` });
}

/** Of `iam` and `zones`. */
export const iamCalls: Readonly<Record<string, Call>> = {
  'iam.permissionGroups.list': ({ sdk, account_id }) => sdk.iam.permissionGroups.list({ account_id }),
  'iam.permissionGroups.get': async ({ sdk, account_id }) => {
    const [group] = (await sdk.iam.permissionGroups.list({ account_id })).result;
    return await sdk.iam.permissionGroups.get(idOf(group), { account_id });
  },
  'iam.resourceGroups.create': newResourceGroup,
  'iam.resourceGroups.update': async (world) => {
    const { account_id, sdk } = world;
    const group = idOf(await newResourceGroup(world));
    return await sdk.iam.resourceGroups.update(group, { account_id, name: world.name('renamed') });
  },
  'iam.resourceGroups.list': ({ sdk, account_id }) => sdk.iam.resourceGroups.list({ account_id }),
  'iam.resourceGroups.delete': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.iam.resourceGroups.delete(idOf(await newResourceGroup(world)), { account_id });
  },
  'iam.resourceGroups.get': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.iam.resourceGroups.get(idOf(await newResourceGroup(world)), { account_id });
  },
  'iam.userGroups.create': newGroup,
  'iam.userGroups.update': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.iam.userGroups.update(idOf(await newGroup(world)), {
      account_id,
      name: world.name('renamed'),
    });
  },
  'iam.userGroups.list': ({ sdk, account_id }) => sdk.iam.userGroups.list({ account_id }),
  'iam.userGroups.delete': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.iam.userGroups.delete(idOf(await newGroup(world)), { account_id });
  },
  'iam.userGroups.get': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.iam.userGroups.get(idOf(await newGroup(world)), { account_id });
  },
  'iam.userGroups.members.create': newGroupWithMember,
  'iam.userGroups.members.update': async (world) => {
    const { account_id, sdk } = world;
    const { group } = await newGroupWithMember(world);
    return await sdk.iam.userGroups.members.update(group, { account_id, members: [] });
  },
  'iam.userGroups.members.list': async (world) => {
    const { account_id, sdk } = world;
    const { group } = await newGroupWithMember(world);
    return await sdk.iam.userGroups.members.list(group, { account_id });
  },
  'iam.userGroups.members.delete': async (world) => {
    const { account_id, sdk } = world;
    const { group, member } = await newGroupWithMember(world);
    return await sdk.iam.userGroups.members.delete(member, { account_id, user_group_id: group });
  },
  'iam.userGroups.members.get': async (world) => {
    const { account_id, sdk } = world;
    const { group, member } = await newGroupWithMember(world);
    return await sdk.iam.userGroups.members.get(member, { account_id, user_group_id: group });
  },

  'zones.create': (world) => newZone(world),
  'zones.list': ({ sdk }) => sdk.zones.list(),
  'zones.delete': async (world) => await world.sdk.zones.delete({ zone_id: idOf(await newZone(world)) }),
  'zones.get': ({ sdk, zone_id }) => sdk.zones.get({ zone_id }),
};
