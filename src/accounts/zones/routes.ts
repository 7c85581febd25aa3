import { Type } from 'typebox';
import { readPage } from '../../database/paging.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import { CreateZone, Zone, ZoneQuery } from './contract.ts';
import { type AfterZones, addZone, askForZone, deleteZone } from './zone-changes.ts';
import { getZone, presentZone, zoneList, zoneReaders } from './zones.ts';

const tag = 'Zone';

interface ZoneRouteOptions {
  /** Hosts of this server itself. */
  readonly reservedHosts: readonly string[];
  readonly afterZones: AfterZones;
}

/** /zones (reference §3.8; design §2). */
export function zoneRoutes(control: Control, options: ZoneRouteOptions): Route[] {
  return [...readingRoutes(control), ...writingRoutes(control, options)];
}

function readingRoutes(control: Control): Route[] {
  const { reader } = control.database;
  return [
    pagedRoute({
      method: 'GET',
      scope: 'any',
      path: '/zones',
      operation: 'zones-get',
      summary: 'List zones',
      tag,
      permission: zoneReaders,
      status: 200,
      query: ZoneQuery,
      result: Zone,
      handler: async ({ principal, query, walk }) => {
        const page = await readPage(control, walk, await zoneList(reader, principal, query));
        return { ...page, items: page.items.map(presentZone) };
      },
    }),
    route({
      method: 'GET',
      scope: 'zone',
      path: '',
      operation: 'zones-0-get',
      summary: 'Zone details',
      tag,
      permission: zoneReaders,
      status: 200,
      result: Zone,
      handler: ({ accountId, zone }) => getZone(reader, accountId, zone?.id ?? ''),
    }),
  ];
}

function writingRoutes(control: Control, { reservedHosts, afterZones }: ZoneRouteOptions): Route[] {
  const { reader } = control.database;
  return [
    route({
      method: 'POST',
      scope: 'any',
      path: '/zones',
      operation: 'zones-post',
      summary: 'Create a zone',
      tag,
      permission: ['Zone Write'],
      status: 200,
      body: CreateZone,
      result: Zone,
      handler: async ({ principal, act, body }) => {
        const zone = await askForZone(reader, principal, body);
        await zone.authorize(reader);
        const now = timestamp(control.clock.now());
        const { accountId, authorize } = zone;
        return await commitAct(control, { ...act, accountId, authorize }, (tx) =>
          addZone(tx, zone, { reservedHosts, afterZones, now }),
        );
      },
    }),
    route({
      method: 'DELETE',
      scope: 'zone',
      path: '',
      operation: 'zones-0-delete',
      summary: 'Delete a zone',
      tag,
      permission: ['Zone Write'],
      status: 200,
      result: Type.Object({ id: Type.String() }),
      handler: ({ accountId, zone, act }) =>
        commitAct(control, act, (tx) => deleteZone(tx, { accountId, id: zone?.id ?? '', afterZones })),
    }),
  ];
}
