import { Type } from 'typebox';
import { listRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import { LegacyDevice, LegacyIds, LegacyParams } from './contract.ts';
import { legacyDevices, presentLegacyDevice, readLegacyIds } from './legacy.ts';
import { revokeMeant, unrevokeMeant } from './registration-changes.ts';
import { getRegistration } from './registration-list.ts';

const writers = ['Zero Trust Write'] as const;
const readers = [...writers, 'Zero Trust Read', 'Zero Trust Report'] as const;
const base = { scope: 'account', tag: 'Devices', status: 200 } as const;

/** /devices of an account as older SDKs know it (reference §3.10): one device for each registration. */
export function legacyDeviceRoutes(control: Control): Route[] {
  const { reader } = control.database;
  const now = () => timestamp(control.clock.now());
  return [
    listRoute({
      ...base,
      method: 'GET',
      path: '/devices',
      operation: 'devices-list-devices',
      summary: 'List devices (deprecated)',
      permission: readers,
      result: LegacyDevice,
      handler: ({ accountId }) => legacyDevices(reader, accountId),
    }),
    route({
      ...base,
      method: 'GET',
      path: '/devices/:device_id',
      operation: 'devices-device-details',
      summary: 'Get a device (deprecated)',
      permission: readers,
      params: LegacyParams,
      result: LegacyDevice,
      handler: async ({ accountId, params: { device_id: id } }) =>
        presentLegacyDevice(await getRegistration(reader, accountId, id)),
    }),
    route({
      ...base,
      method: 'POST',
      path: '/devices/revoke',
      operation: 'devices-revoke-devices',
      summary: 'Revoke devices (deprecated)',
      permission: writers,
      body: LegacyIds,
      result: Type.Null(),
      handler: ({ act, accountId, body }) =>
        commitAct(control, act, async (tx) =>
          revokeMeant(tx, { ...(await readLegacyIds(tx, accountId, body)), now: now() }),
        ),
    }),
    route({
      ...base,
      method: 'POST',
      path: '/devices/unrevoke',
      operation: 'devices-unrevoke-devices',
      summary: 'Unrevoke devices (deprecated)',
      permission: writers,
      body: LegacyIds,
      result: Type.Null(),
      handler: ({ act, accountId, body }) =>
        commitAct(control, act, async (tx) =>
          unrevokeMeant(tx, { ...(await readLegacyIds(tx, accountId, body)), now: now() }),
        ),
    }),
  ];
}
