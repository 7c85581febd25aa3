import { readPage } from '../../database/paging.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import type { Control } from '../../removal/act.ts';
import { Zone, ZoneQuery } from './contract.ts';
import { getZone, presentZone, zoneList, zoneReaders } from './zones.ts';

const tag = 'Zone';

/** /zones (reference §3.8; design §2). */
export function zoneRoutes(control: Control): Route[] {
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
