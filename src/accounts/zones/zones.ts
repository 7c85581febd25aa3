import type { Principal } from '../../database/act.ts';
import type { Reader, Tx } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import { createZoneResourceGroup } from '../../iam/resource-groups/resource-groups.ts';
import { normaliseDomain } from '../../kernel/email.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newTag } from '../../kernel/ids.ts';
import type { PermissionGroupName } from '../../kernel/permissions.ts';
import { accountsOf } from '../holdings/holdings.ts';
import {
  countZones,
  findZone,
  insertZone,
  listZoneIds,
  listZoneNames,
  listZones,
  type StoredZone,
  type ZoneFilter,
  type ZoneOrder,
} from './store.ts';

export const zoneReaders = [
  'Zone Read',
  'Zone Write',
  'Zone Settings Read',
] as const satisfies readonly PermissionGroupName[];

/** A zone as the API answers it. Its DNS is elsewhere, so of name servers and plans there is nothing to say. */
export function presentZone(zone: StoredZone) {
  const account = { id: zone.account_id, name: zone.account_name };
  return {
    id: zone.id,
    name: zone.name,
    status: 'active' as const,
    type: 'partial' as const,
    paused: false,
    development_mode: 0,
    account,
    owner: { ...account, type: 'organization' as const },
    meta: {},
    plan: {},
    name_servers: [],
    original_name_servers: null,
    original_registrar: null,
    original_dnshost: null,
    created_on: zone.created_on,
    modified_on: zone.modified_on,
    activated_on: zone.created_on,
  };
}

export type PresentedZone = ReturnType<typeof presentZone>;

export async function getZone(reader: Reader, accountId: string, id: string): Promise<PresentedZone> {
  const zone = await findZone(reader, accountId, id);
  if (!zone) throw refusal('notFound', { detail: 'zone not found' });
  return presentZone(zone);
}

/** The ids of the zones in the principal's accounts on which it has any of the permissions. */
export async function visibleZones(
  reader: Reader,
  principal: Principal,
  names: readonly PermissionGroupName[] = zoneReaders,
): Promise<{ id: string; account_id: string }[]> {
  const visible = [];
  for (const zone of await listZoneIds(reader, await accountsOf(reader, principal))) {
    const wanted = { names, account: zone.account_id, zone: zone.id };
    if (await principal.permits(reader, wanted)) visible.push(zone);
  }
  return visible;
}

/** The names of an account's zones, by name. Whoever changes them tells gates the organization's new state in the same act. */
export async function zoneNames(reader: Reader, accountId: string): Promise<string[]> {
  return await listZoneNames(reader, accountId);
}

export interface ZoneQuestion {
  readonly name?: string;
  readonly 'account.id'?: string;
  readonly 'account.name'?: string;
  readonly status?: string;
  readonly type?: readonly string[];
  readonly order?: string;
  readonly direction?: 'asc' | 'desc';
  readonly match?: 'any' | 'all';
}

/** The zones that the principal may see, as a list to be paged. Every zone is active and partial. */
export async function zoneList(
  reader: Reader,
  principal: Principal,
  query: ZoneQuestion,
): Promise<KeyedList<StoredZone>> {
  refuseUnsupported(query);
  const ids = isAskedFor(query) ? (await visibleZones(reader, principal)).map(({ id }) => id) : [];
  const filter = filterOf(ids, query);
  const order: ZoneOrder = { columns: columnsOf(query.order), direction: query.direction ?? 'asc' };
  return {
    fetch: (start) => listZones(reader, { filter, order, start }),
    keyOf: (zone) => order.columns.map((column) => zone[column]),
    total: () => countZones(reader, filter),
  };
}

function refuseUnsupported({ name, 'account.name': accountName }: ZoneQuestion): void {
  const problems = [];
  if (name?.includes(':')) problems.push({ pointer: '/query/name', message: OPERATORS });
  if (accountName && OPERATOR.test(accountName))
    problems.push({ pointer: '/query/account.name', message: OPERATORS });
  if (problems.length > 0) throw invalidInput(problems, 'notSupported');
}

const OPERATOR = /^(?:(?:not_)?equal|starts_with|ends_with|contains)(?:_case_sensitive)?:/;
const OPERATORS = 'filter operators are not supported, only the whole name';

function isAskedFor(query: ZoneQuestion): boolean {
  const { isActive, isPartial } = constantsOf(query);
  return isAny(query) || (isActive !== false && isPartial !== false);
}

/** What is asked of that which is the same for all zones: whether they meet it, undefined if it is not asked. */
function constantsOf({ status, type }: ZoneQuestion) {
  return {
    isActive: status && status === 'active',
    isPartial: type?.some((types) => types.split(',').includes('partial')),
  };
}

/** With nothing asked there is nothing of which one must be met. */
function isAny({ match, ...asked }: ZoneQuestion): boolean {
  const filters = [asked.name, asked['account.id'], asked['account.name']];
  return match === 'any' && filters.some((filter) => filter !== undefined);
}

function filterOf(ids: readonly string[], query: ZoneQuestion): ZoneFilter {
  const { name, 'account.id': accountId, 'account.name': accountName } = query;
  const { isActive, isPartial } = constantsOf(query);
  // Every zone meets one of them already.
  if (isAny(query) && (isActive || isPartial)) return { ids };
  return {
    ids,
    any: isAny(query),
    ...(name === undefined ? {} : { name: normaliseDomain(name) ?? name }),
    ...(accountId === undefined ? {} : { accountId }),
    ...(accountName === undefined ? {} : { accountName }),
  };
}

/** Zone names are unique; status and plan are the same for all. */
function columnsOf(order: string | undefined): ZoneOrder['columns'] {
  if (order === 'account.id') return ['account_id', 'name'];
  return order === 'account.name' ? ['account_name', 'name'] : ['name'];
}

/** A new zone and the resource group that stands for it. The database refuses a name that is taken. */
export async function createZone(
  tx: Tx,
  { accountId, name, now, zoneId = newTag() }: NewZone,
): Promise<{ zoneId: string; resourceGroupId: string }> {
  const domain = readZoneName(name);
  await insertZone(tx, {
    id: zoneId,
    account_id: accountId,
    name: domain,
    created_on: now,
    modified_on: now,
  });
  return { zoneId, resourceGroupId: await createZoneResourceGroup(tx, { accountId, zoneId, now }) };
}

export interface NewZone {
  readonly accountId: string;
  readonly name: string;
  readonly now: string;
  readonly zoneId?: string;
}

/** A zone's name as it is kept: lower case and ASCII. */
export function readZoneName(name: string): string {
  const domain = normaliseDomain(name);
  if (domain === null) throw invalidInput([{ pointer: '/name', message: 'is not a domain name' }]);
  return domain;
}
