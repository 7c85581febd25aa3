import { Type } from 'typebox';
import { cursorRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import { OneQuery, PhysicalDevice, PhysicalDeviceParams, PhysicalDeviceQuery } from './contract.ts';
import { deletePhysicalDevice, revokePhysicalDevice } from './device-changes.ts';
import { getPhysicalDevice, physicalDevicePage } from './physical-devices.ts';

const writers = ['Zero Trust Write'] as const;
const readers = [...writers, 'Zero Trust Read', 'Zero Trust Report'] as const;
const base = { scope: 'account', tag: 'Physical devices', status: 200 } as const;
const COLLECTION = '/devices/physical-devices';
const ITEM = `${COLLECTION}/:device_id`;

/** /devices/physical-devices of an account: the SDK's `zeroTrust.devices.devices` (reference §3.10). */
export function physicalDeviceRoutes(control: Control): Route[] {
  const { reader } = control.database;
  const now = () => timestamp(control.clock.now());
  return [
    cursorRoute({
      ...base,
      method: 'GET',
      path: COLLECTION,
      operation: 'list-devices',
      summary: 'List devices',
      permission: readers,
      query: PhysicalDeviceQuery,
      result: PhysicalDevice,
      handler: ({ accountId, query }) => physicalDevicePage(reader, accountId, query),
    }),
    route({
      ...base,
      method: 'GET',
      path: ITEM,
      operation: 'get-device',
      summary: 'Get a device',
      permission: readers,
      params: PhysicalDeviceParams,
      query: OneQuery,
      result: PhysicalDevice,
      handler: ({ accountId, params: { device_id: id }, query: { include } }) =>
        getPhysicalDevice(reader, accountId, { id, include }),
    }),
    route({
      ...base,
      method: 'DELETE',
      path: ITEM,
      operation: 'delete-device',
      summary: 'Delete a device',
      permission: writers,
      params: PhysicalDeviceParams,
      result: Type.Null(),
      handler: ({ act, accountId, params: { device_id: id } }) =>
        commitAct(control, act, (tx) => deletePhysicalDevice(tx, { accountId, id, now: now() })),
    }),
    route({
      ...base,
      method: 'POST',
      path: `${ITEM}/revoke`,
      operation: 'revoke-device',
      summary: 'Revoke the registrations of a device',
      permission: writers,
      params: PhysicalDeviceParams,
      result: Type.Null(),
      handler: ({ act, accountId, params: { device_id: id } }) =>
        commitAct(control, act, (tx) => revokePhysicalDevice(tx, { accountId, id, now: now() })),
    }),
  ];
}
