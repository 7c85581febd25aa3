import assert from 'node:assert/strict';
import { createAuthority } from '../client-certificates.ts';
import { eventually } from '../request-lines.ts';
import { signedIn } from './people.ts';
import { type Call, idOf, type World } from './world.ts';

const include = [{ everyone: {} }];
const PAGE = { type: 'forbidden' as const, custom_html: '<h1>No</h1>' };

async function newCertificate(world: World, associated_hostnames: string[] = []) {
  const { at, name } = world;
  const { cert: certificate } = await createAuthority({ names: [name('Authority')] });
  const body = { name: name('certificate'), certificate, associated_hostnames };
  return await world.sdk.zeroTrust.access.certificates.create({ ...at, ...body });
}

function newPage({ account_id, sdk, name }: World) {
  return sdk.zeroTrust.access.customPages.create({ account_id, name: name('page'), ...PAGE });
}

async function pageId(world: World): Promise<string> {
  const { uid } = await newPage(world);
  assert.ok(uid);
  return uid;
}

function newGroup({ at, sdk, name }: World) {
  return sdk.zeroTrust.access.groups.create({ ...at, name: name('group'), include });
}

function newServiceToken({ at, sdk, name }: World) {
  return sdk.zeroTrust.access.serviceTokens.create({ ...at, name: name('robot') });
}

async function newTag({ account_id, sdk, name }: World): Promise<string> {
  const made = await sdk.zeroTrust.access.tags.create({ account_id, name: name('tag') });
  return made.name;
}

/** Of `zeroTrust.access`, without applications, policies and users. */
export const accessCalls: Readonly<Record<string, Call>> = {
  'zeroTrust.access.certificates.create': (world) => newCertificate(world),
  'zeroTrust.access.certificates.update': async (world) => {
    const { certificates } = world.sdk.zeroTrust.access;
    const certificate = idOf(await newCertificate(world));
    return await certificates.update(certificate, { ...world.at, associated_hostnames: [] });
  },
  'zeroTrust.access.certificates.list': ({ sdk, at }) => sdk.zeroTrust.access.certificates.list({ ...at }),
  'zeroTrust.access.certificates.delete': async (world) =>
    await world.sdk.zeroTrust.access.certificates.delete(idOf(await newCertificate(world)), world.at),
  'zeroTrust.access.certificates.get': async (world) =>
    await world.sdk.zeroTrust.access.certificates.get(idOf(await newCertificate(world)), world.at),
  'zeroTrust.access.certificates.settings.update': async (world) => {
    const hostname = `${world.name('host')}.localhost`;
    await newCertificate(world, [hostname]);
    const off = { china_network: false, client_certificate_forwarding: false };
    const { settings } = world.sdk.zeroTrust.access.certificates;
    return await settings.update({ ...world.at, settings: [{ hostname, ...off }] });
  },
  'zeroTrust.access.certificates.settings.get': async (world) => {
    await newCertificate(world, [`${world.name('host')}.localhost`]);
    return await world.sdk.zeroTrust.access.certificates.settings.get({ ...world.at });
  },

  'zeroTrust.access.customPages.create': newPage,
  'zeroTrust.access.customPages.update': async (world) => {
    const { account_id, sdk, name } = world;
    const page = await pageId(world);
    return await sdk.zeroTrust.access.customPages.update(page, { account_id, name: name('page'), ...PAGE });
  },
  'zeroTrust.access.customPages.list': ({ sdk, account_id }) =>
    sdk.zeroTrust.access.customPages.list({ account_id }),
  'zeroTrust.access.customPages.delete': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.access.customPages.delete(await pageId(world), { account_id });
  },
  'zeroTrust.access.customPages.get': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.access.customPages.get(await pageId(world), { account_id });
  },

  'zeroTrust.access.groups.create': newGroup,
  'zeroTrust.access.groups.update': async (world) => {
    const { at, sdk, name } = world;
    const group = idOf(await newGroup(world));
    return await sdk.zeroTrust.access.groups.update(group, { ...at, name: name('group'), include });
  },
  'zeroTrust.access.groups.list': ({ sdk, at }) => sdk.zeroTrust.access.groups.list({ ...at }),
  'zeroTrust.access.groups.delete': async (world) =>
    await world.sdk.zeroTrust.access.groups.delete(idOf(await newGroup(world)), world.at),
  'zeroTrust.access.groups.get': async (world) =>
    await world.sdk.zeroTrust.access.groups.get(idOf(await newGroup(world)), world.at),

  'zeroTrust.access.keys.get': ({ sdk, account_id }) => sdk.zeroTrust.access.keys.get({ account_id }),
  'zeroTrust.access.keys.update': ({ sdk, account_id }) =>
    sdk.zeroTrust.access.keys.update({ account_id, key_rotation_interval_days: 60 }),
  'zeroTrust.access.keys.rotate': ({ sdk, account_id }) => sdk.zeroTrust.access.keys.rotate({ account_id }),

  'zeroTrust.access.logs.accessRequests.list': async (world) => {
    const { account_id, sdk } = world;
    await signedIn(world);
    return await eventually(async () => {
      const lines = await sdk.zeroTrust.access.logs.accessRequests.list({ account_id });
      return lines?.[0];
    });
  },

  'zeroTrust.access.serviceTokens.create': newServiceToken,
  'zeroTrust.access.serviceTokens.update': async (world) => {
    const { at, sdk, name } = world;
    const token = idOf(await newServiceToken(world));
    return await sdk.zeroTrust.access.serviceTokens.update(token, { ...at, name: name('robot') });
  },
  'zeroTrust.access.serviceTokens.list': ({ sdk, at }) => sdk.zeroTrust.access.serviceTokens.list({ ...at }),
  'zeroTrust.access.serviceTokens.delete': async (world) =>
    await world.sdk.zeroTrust.access.serviceTokens.delete(idOf(await newServiceToken(world)), world.at),
  'zeroTrust.access.serviceTokens.get': async (world) =>
    await world.sdk.zeroTrust.access.serviceTokens.get(idOf(await newServiceToken(world)), world.at),
  'zeroTrust.access.serviceTokens.refresh': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.access.serviceTokens.refresh(idOf(await newServiceToken(world)), {
      account_id,
    });
  },
  'zeroTrust.access.serviceTokens.rotate': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.access.serviceTokens.rotate(idOf(await newServiceToken(world)), {
      account_id,
    });
  },

  'zeroTrust.access.tags.create': newTag,
  'zeroTrust.access.tags.update': async (world) => {
    const { account_id, sdk, name } = world;
    return await sdk.zeroTrust.access.tags.update(await newTag(world), { account_id, name: name('tag') });
  },
  'zeroTrust.access.tags.list': ({ sdk, account_id }) => sdk.zeroTrust.access.tags.list({ account_id }),
  'zeroTrust.access.tags.delete': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.access.tags.delete(await newTag(world), { account_id });
  },
  'zeroTrust.access.tags.get': async (world) => {
    const { account_id, sdk } = world;
    return await sdk.zeroTrust.access.tags.get(await newTag(world), { account_id });
  },
};
