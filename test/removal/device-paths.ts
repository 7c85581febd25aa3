import assert from 'node:assert/strict';
import type Cloudflare from 'cloudflare';
import { enrolTestDevice, type TestDevice } from '../support/devices.ts';
import { tokenIn } from '../support/forge.ts';
import { withToken } from '../support/gate-questions.ts';
import type { Gated, GatedApplication } from '../support/gated.ts';
import { type GateSockets, type OpenExchange, openExchange } from '../support/open-exchanges.ts';
import type { Person } from '../support/openid-provider.ts';
import { admits } from '../support/service-tokens.ts';
import type { Upstream } from '../support/upstream.ts';
import { SEAT_PATHS } from './seat-paths.ts';

/* How what a device opens ends, for completeness.test.ts. */

type Ending = 'ends' | 'stays';

/** The forms in which a device opens something, and what its person opens without it. */
export const DEVICE_CHANNELS = [
  'device session as credential',
  'posture of a request',
  'posture of an open connection',
  'access without the device',
] as const;
export type DeviceChannel = (typeof DEVICE_CHANNELS)[number];

interface DevicePath {
  readonly operations: readonly string[];
  readonly does: (held: HeldByDevice) => Promise<unknown>;
  readonly cells: Readonly<Record<DeviceChannel, Ending>>;
}

const device: DevicePath['cells'] = {
  'device session as credential': 'ends',
  'posture of a request': 'ends',
  'posture of an open connection': 'ends',
  'access without the device': 'stays',
};
const person: DevicePath['cells'] = { ...device, 'access without the device': 'ends' };
const posture: DevicePath['cells'] = { ...device, 'device session as credential': 'stays' };

const REVOKE_USER = 'zero-trust-organization-revoke-all-access-tokens-for-a-user';

export const DEVICE_PATHS: Readonly<Record<string, DevicePath>> = {
  'the registration is deleted': {
    operations: ['delete-registration'],
    does: ({ registrations, device: { registrationId }, account }) =>
      registrations.delete(registrationId, account),
    cells: device,
  },
  'the registration is deleted with others': {
    operations: ['delete-registrations'],
    does: async ({ world, registrations, device: { registrationId }, account }) => {
      const other = await enrolTestDevice(world.app, { email: 'other@example.com' });
      await registrations.bulkDelete({ ...account, id: [other.registrationId, registrationId] });
    },
    cells: device,
  },
  'the registration is revoked': {
    operations: ['revoke-registrations'],
    does: ({ registrations, device: { registrationId }, account }) =>
      registrations.revoke({ ...account, id: [registrationId] }),
    cells: device,
  },
  'the registration is revoked and unrevoked': {
    operations: ['unrevoke-registrations'],
    does: async ({ registrations, device: { registrationId }, account }) => {
      await registrations.revoke({ ...account, id: [registrationId] });
      await registrations.unrevoke({ ...account, id: [registrationId] });
    },
    cells: device,
  },
  'the device is revoked in the old way': {
    operations: ['devices-revoke-devices'],
    does: ({ world: { sdk }, device: { registrationId }, account }) =>
      sdk.zeroTrust.devices.revoke.create({ ...account, body: [registrationId] }),
    cells: device,
  },
  'the device is revoked and unrevoked in the old way, by its own id': {
    operations: ['devices-revoke-devices', 'devices-unrevoke-devices'],
    does: async ({ world: { sdk }, device: { deviceId }, account }) => {
      await sdk.zeroTrust.devices.revoke.create({ ...account, body: [deviceId] });
      await sdk.zeroTrust.devices.unrevoke.create({ ...account, body: [deviceId] });
    },
    cells: device,
  },
  'the physical device is revoked': {
    operations: ['revoke-device'],
    does: ({ world: { sdk }, device: { deviceId }, account }) =>
      sdk.zeroTrust.devices.devices.revoke(deviceId, account),
    cells: device,
  },
  'the physical device is deleted': {
    operations: ['delete-device'],
    does: ({ world: { sdk }, device: { deviceId }, account }) =>
      sdk.zeroTrust.devices.devices.delete(deviceId, account),
    cells: device,
  },
  'the user is revoked': revokeUser({}),
  'the user is revoked with devices, by the query': revokeUser({ query_devices: true }),
  'the user is revoked with devices, by the body of the SDK': revokeUser({ body_devices: true }),
  'the user is revoked with devices, by the body': {
    operations: [REVOKE_USER],
    does: ({ world: { sdk, account_id }, person: { email } }) =>
      sdk.post(`/accounts/${account_id}/access/organizations/revoke_user`, {
        body: { email, devices: true },
      }),
    cells: person,
  },
  'the user is revoked and has to sign in on the device again': revokeUser({ warp_session_reauth: true }),
  'the user is deleted': {
    operations: ['zero-trust-users-delete-user'],
    does: ({ world: { sdk }, device: { userId }, account }) =>
      sdk.zeroTrust.access.users.delete(userId, account),
    cells: person,
  },
  'the user is blocked': {
    operations: ['portcullis-blocked-users-block-a-user'],
    does: ({ world: { sdk, account_id }, person: { email } }) =>
      sdk.post(`/accounts/${account_id}/portcullis/blocked_users`, { body: { email } }),
    cells: person,
  },
  'a seat is taken away': {
    ...(SEAT_PATHS['a seat is taken away'] ?? assert.fail()),
    cells: person,
  },
  'the posture rule asks for what the device is not': {
    operations: ['device-posture-rules-update-device-posture-rule'],
    does: ({ world: { sdk }, ruleId, account }) =>
      sdk.zeroTrust.devices.posture.update(ruleId, {
        ...account,
        name: `Managed ${ruleId}`,
        type: 'warp',
        match: [{ platform: 'windows' }],
      }),
    cells: posture,
  },
  'the device is taken from the list that the posture rule names': {
    operations: ['zero-trust-lists-patch-zero-trust-list'],
    does: async (held) => {
      const { lists } = held.world.sdk.zeroTrust.gateway;
      const items = [{ value: held.device.deviceId }];
      const { id = '' } = await lists.create({ ...held.account, name: 'Devices', type: 'DEVICE', items });
      await held.world.sdk.zeroTrust.devices.posture.update(held.ruleId, {
        ...held.account,
        name: `Listed ${held.ruleId}`,
        type: 'unique_client_id',
        input: { id } as Cloudflare.ZeroTrust.Devices.UniqueClientIDInput,
      });
      assert.equal(await held.alive['posture of a request'](), true, 'the list does not let in');
      await lists.edit(id, { ...held.account, remove: [held.device.deviceId.toUpperCase()] });
    },
    cells: posture,
  },
};

function revokeUser(asked: object): DevicePath {
  return {
    operations: [REVOKE_USER],
    does: ({ world: { sdk }, person: { email }, account }) =>
      sdk.zeroTrust.organizations.revokeUsers({ ...account, email, ...asked }),
    cells: person,
  };
}

/** A person with a device that opens something in every form at once. */
export interface HeldByDevice {
  readonly world: Gated;
  readonly person: Person;
  readonly device: TestDevice;
  readonly ruleId: string;
  readonly account: { readonly account_id: string };
  readonly registrations: Cloudflare['zeroTrust']['devices']['registrations'];
  readonly alive: Readonly<Record<DeviceChannel, () => Promise<boolean>>>;
}

export interface Behind {
  readonly upstream: Upstream;
  readonly sockets: GateSockets;
}

/** Says once for the world that device sessions may be credentials. */
export async function allowDevices({ sdk, account_id }: Gated): Promise<void> {
  await sdk.zeroTrust.organizations.update({ account_id, allow_authenticate_via_warp: true });
}

export async function holdAsDevice(world: Gated, name: string, behind: Behind): Promise<HeldByDevice> {
  const { sdk, account_id, app } = world;
  const account = { account_id };
  const port = new URL(world.site).port;
  const person = world.person();
  const rule = await sdk.zeroTrust.devices.posture.create({
    ...account,
    name: `Managed ${name}`,
    type: 'warp',
  });
  const ruleId = rule?.id ?? assert.fail();
  const byDevice = await world.createApplication(`${name}-device.localhost:${port}`, {
    allow_authenticate_via_warp: true,
  });
  const plain = await world.createApplication(`${name}-plain.localhost:${port}`);
  const direct = `${name}.localhost:${app.port}`;
  const domain = `${name}.localhost:${port}`;
  const managed = await world.createApplication(domain, {
    destinations: [
      { type: 'public', uri: domain },
      { type: 'public', uri: direct, upstream: behind.upstream.origin },
    ],
  });
  const browser = await world.signedIn(person, { site: plain.site });
  await world.signedIn(person, { browser, site: managed.site });
  const tokens = { plain: tokenIn(browser, plain.site), managed: tokenIn(browser, managed.site) };
  await requireDevice(world, managed, ruleId);
  const device = await enrolTestDevice(app, { email: person.email });
  const open = () =>
    openExchange(
      { proxied: { world, upstream: behind.upstream, host: direct }, sockets: behind.sockets },
      'websocket',
      {
        headers: Object.fromEntries([
          withToken(tokens.managed),
          device.proof({ url: `http://${direct}${nextPath(behind)}` }),
        ]),
      },
    );
  return {
    world,
    person,
    device,
    ruleId,
    account,
    registrations: sdk.zeroTrust.devices.registrations,
    alive: {
      'device session as credential': () => admitted(world, byDevice, device),
      'posture of a request': () => admitted(world, managed, device, tokens.managed),
      'posture of an open connection': staysOpen(open),
      'access without the device': () => admits(world, plain, [withToken(tokens.plain)]),
    },
  };
}

/** Whether a program is let in with a new proof of the request, and with a token if it has one. */
async function admitted(
  world: Gated,
  application: GatedApplication,
  device: TestDevice,
  token?: string,
): Promise<boolean> {
  const proof = device.proof({ url: `${application.site}/` });
  const { status } = await world.ask([
    ['x-forwarded-method', 'GET'],
    ['x-forwarded-proto', 'http'],
    ['x-forwarded-host', new URL(application.site).host],
    ['x-forwarded-uri', '/'],
    ['accept', 'application/json'],
    proof,
    ...(token === undefined ? [] : [withToken(token)]),
  ]);
  return status === 200;
}

async function requireDevice(
  { sdk, account_id }: Gated,
  { id }: GatedApplication,
  ruleId: string,
): Promise<void> {
  const { policies } = sdk.zeroTrust.access.applications;
  const [first] = (await policies.list(id, { account_id })).result;
  await policies.update(first?.id ?? assert.fail(), {
    ...{ app_id: id, account_id, name: 'Managed', decision: 'allow' },
    include: [{ everyone: {} }],
    require: [{ device_posture: { integration_uid: ruleId } }],
  } as Cloudflare.ZeroTrust.Access.Applications.PolicyUpdateParams);
}

/** Where the exchange that is opened next will be: the proof is of it. */
function nextPath({ upstream: { paths } }: Behind): string {
  return `/exchange-${Object.keys(paths).length}`;
}

/** Opens it when first asked, and tells from then on whether it is open at both of its ends. */
function staysOpen(open: () => Promise<OpenExchange>): () => Promise<boolean> {
  let opened: OpenExchange | null = null;
  return async () => {
    opened ??= await open();
    return !opened.gate.client.destroyed && !opened.gate.upstream.destroyed;
  };
}
