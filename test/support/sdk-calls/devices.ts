import { enrolTestDevice } from '../devices.ts';
import { signedIn } from './people.ts';
import { type Call, idOf, type World } from './world.ts';

const WARP = { type: 'warp' as const };

/** A device of somebody who has signed in. */
async function newDevice(world: World) {
  const { email } = await signedIn(world);
  return await enrolTestDevice(world.gated.app, { email });
}

/** A registration that was revoked. */
async function revoked(world: World): Promise<string> {
  const { registrationId } = await newDevice(world);
  const { account_id, sdk } = world;
  await sdk.zeroTrust.devices.registrations.revoke({ account_id, id: [registrationId] });
  return registrationId;
}

function newRule({ account_id, sdk, name }: World) {
  return sdk.zeroTrust.devices.posture.create({ account_id, name: name('rule'), ...WARP });
}

function newList({ account_id, sdk, name }: World) {
  const items = [{ value: 'ada@example.com' }];
  return sdk.zeroTrust.gateway.lists.create({ account_id, name: name('list'), type: 'EMAIL', items });
}

/** Of `zeroTrust.devices` and `zeroTrust.gateway.lists`. */
export const deviceCalls: Readonly<Record<string, Call>> = {
  'zeroTrust.devices.list': async (world) => {
    await newDevice(world);
    return await world.sdk.zeroTrust.devices.list({ account_id: world.account_id });
  },
  'zeroTrust.devices.get': async (world) => {
    const { registrationId } = await newDevice(world);
    return await world.sdk.zeroTrust.devices.get(registrationId, { account_id: world.account_id });
  },
  'zeroTrust.devices.devices.list': async (world) => {
    await newDevice(world);
    return await world.sdk.zeroTrust.devices.devices.list({ account_id: world.account_id });
  },
  'zeroTrust.devices.devices.get': async (world) => {
    const { deviceId } = await newDevice(world);
    return await world.sdk.zeroTrust.devices.devices.get(deviceId, { account_id: world.account_id });
  },
  'zeroTrust.devices.devices.delete': async (world) => {
    const { deviceId } = await newDevice(world);
    return await world.sdk.zeroTrust.devices.devices.delete(deviceId, { account_id: world.account_id });
  },
  'zeroTrust.devices.devices.revoke': async (world) => {
    const { deviceId } = await newDevice(world);
    return await world.sdk.zeroTrust.devices.devices.revoke(deviceId, { account_id: world.account_id });
  },
  'zeroTrust.devices.registrations.list': async (world) => {
    await newDevice(world);
    return await world.sdk.zeroTrust.devices.registrations.list({ account_id: world.account_id });
  },
  'zeroTrust.devices.registrations.get': async (world) => {
    const { account_id, sdk } = world;
    const { registrationId } = await newDevice(world);
    return await sdk.zeroTrust.devices.registrations.get(registrationId, { account_id });
  },
  'zeroTrust.devices.registrations.delete': async (world) => {
    const { account_id, sdk } = world;
    const { registrationId } = await newDevice(world);
    return await sdk.zeroTrust.devices.registrations.delete(registrationId, { account_id });
  },
  'zeroTrust.devices.registrations.bulkDelete': async (world) => {
    const { account_id, sdk } = world;
    const id = [(await newDevice(world)).registrationId, (await newDevice(world)).registrationId];
    return await sdk.zeroTrust.devices.registrations.bulkDelete({ account_id, id });
  },
  'zeroTrust.devices.registrations.revoke': revoked,
  'zeroTrust.devices.registrations.unrevoke': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.devices.registrations.unrevoke({ account_id, id: [await revoked(world)] });
  },
  'zeroTrust.devices.revoke.create': async (world) => {
    const { account_id, sdk } = world;
    const { registrationId } = await newDevice(world);
    return await sdk.zeroTrust.devices.revoke.create({ account_id, body: [registrationId] });
  },
  'zeroTrust.devices.unrevoke.create': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.devices.unrevoke.create({ account_id, body: [await revoked(world)] });
  },
  'zeroTrust.devices.posture.create': newRule,
  'zeroTrust.devices.posture.update': async (world) => {
    const { account_id, sdk, name } = world;
    const rule = idOf(await newRule(world));
    return await sdk.zeroTrust.devices.posture.update(rule, { account_id, name: name('rule'), ...WARP });
  },
  'zeroTrust.devices.posture.list': async (world) => {
    await newRule(world);
    return await world.sdk.zeroTrust.devices.posture.list({ account_id: world.account_id });
  },
  'zeroTrust.devices.posture.delete': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.devices.posture.delete(idOf(await newRule(world)), { account_id });
  },
  'zeroTrust.devices.posture.get': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.devices.posture.get(idOf(await newRule(world)), { account_id });
  },
  'zeroTrust.devices.settings.get': ({ sdk, account_id }) =>
    sdk.zeroTrust.devices.settings.get({ account_id }),

  'zeroTrust.gateway.lists.create': newList,
  'zeroTrust.gateway.lists.update': async (world) => {
    const { account_id, sdk, name } = world;
    const list = idOf(await newList(world));
    return await sdk.zeroTrust.gateway.lists.update(list, { account_id, name: name('list') });
  },
  'zeroTrust.gateway.lists.edit': async (world) => {
    const { account_id, sdk } = world;
    const list = idOf(await newList(world));
    return await sdk.zeroTrust.gateway.lists.edit(list, { account_id, remove: ['ada@example.com'] });
  },
  'zeroTrust.gateway.lists.list': ({ sdk, account_id }) => sdk.zeroTrust.gateway.lists.list({ account_id }),
  'zeroTrust.gateway.lists.delete': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.gateway.lists.delete(idOf(await newList(world)), { account_id });
  },
  'zeroTrust.gateway.lists.get': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.gateway.lists.get(idOf(await newList(world)), { account_id });
  },
  'zeroTrust.gateway.lists.items.list': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.gateway.lists.items.list(idOf(await newList(world)), { account_id });
  },
};
