import { type SelectQueryBuilder, sql } from 'kysely';
import { likeLiteral, type Reader, type Tx } from '../../database/database.ts';
import { type Start, startAt } from '../../database/paging.ts';
import { inParts } from '../../database/parts.ts';
import type { PhysicalDeviceRow, Tables, UserRow } from '../../database/tables.ts';

export type StoredDevice = Omit<PhysicalDeviceRow, 'ordinal'>;

/** What a list is narrowed to; ids in lower case, e-mail and search in the form in which they are stored. */
export interface DeviceFilter {
  /** Those with a registration that is not revoked: with the others, alone, or left out. */
  readonly active: 'include' | 'only' | 'exclude';
  readonly ids?: readonly string[];
  readonly lastSeenEmail?: string;
  readonly search?: string;
  readonly seenAfter?: string;
  readonly seenBefore?: string;
}

/** The columns by which a list can be ordered, each the first of an index. */
export type DeviceOrder =
  | 'id'
  | 'name_key'
  | 'client_version'
  | 'last_seen_email'
  | 'last_seen_at'
  | 'active_registrations'
  | 'created_at';

export interface DevicePage {
  readonly filter: DeviceFilter;
  readonly start: Start;
  readonly order: DeviceOrder;
  readonly direction: 'asc' | 'desc';
}

type Select = SelectQueryBuilder<Tables, 'physical_devices', StoredDevice>;

function selectDevices(reader: Reader, accountId: string): Select {
  return reader.query.selectFrom('physical_devices').selectAll().where('account_id', '=', accountId);
}

export async function findDevice(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<StoredDevice | null> {
  return (await selectDevices(reader, accountId).where('id', '=', id).executeTakeFirst()) ?? null;
}

export async function listDevices(
  reader: Reader,
  accountId: string,
  { filter, start, order, direction }: DevicePage,
): Promise<StoredDevice[]> {
  const select = narrow(reader, reader.query.selectFrom('physical_devices').selectAll(), filter);
  const columns = order === 'id' ? (['id'] as const) : ([order, 'id'] as const);
  return await startAt(
    select.where(ofAccount(reader, accountId, filter)),
    isNarrow(reader, filter) ? columns.map((column) => sql`+${sql.ref(column)}`) : columns,
    start,
    direction,
  ).execute();
}

/**
 * Without statistics SQLite would rather read a whole account in order than sort the few rows that a filter leaves: a
 * plus keeps it from the indexes that begin with the account, or that have the order. PostgreSQL counts for itself.
 */
function isNarrow({ dialect }: Reader, { ids, lastSeenEmail, search }: DeviceFilter): boolean {
  return dialect === 'sqlite' && (ids !== undefined || lastSeenEmail !== undefined || Boolean(search));
}

function ofAccount(reader: Reader, accountId: string, filter: DeviceFilter) {
  const { ids, search } = filter;
  return reader.dialect === 'sqlite' && (ids !== undefined || search)
    ? sql<boolean>`+account_id = ${accountId}`
    : sql<boolean>`account_id = ${accountId}`;
}

function narrow(reader: Reader, select: Select, filter: DeviceFilter): Select {
  const { active, ids, lastSeenEmail, search, seenAfter, seenBefore } = filter;
  let query = select;
  // In the words of the partial indexes.
  const active_registrations = isNarrow(reader, filter)
    ? sql`+active_registrations`
    : sql`active_registrations`;
  if (active === 'only') query = query.where(sql<boolean>`${active_registrations} > 0`);
  if (active === 'exclude') query = query.where(sql<boolean>`${active_registrations} = 0`);
  if (ids) query = query.where('id', 'in', [...ids]);
  if (lastSeenEmail !== undefined) query = query.where('last_seen_email', '=', lastSeenEmail);
  if (seenAfter !== undefined) query = query.where('last_seen_at', '>', seenAfter);
  if (seenBefore !== undefined) query = query.where('last_seen_at', '<', seenBefore);
  return search ? narrowToSearch(reader, query, search) : query;
}

const TRIGRAM = 3;

/** Both databases answer this from a trigram index; shorter texts are the beginning of the name. */
function narrowToSearch(reader: Reader, query: Select, search: string): Select {
  if ([...search].length < TRIGRAM) {
    return query.where('name_key', '>=', search).where('name_key', '<', `${search}\u{10ffff}`);
  }
  if (reader.dialect === 'postgres') {
    return query.where(sql<boolean>`search_text like ${likeLiteral(search)}`);
  }
  const phrase = `"${search.replaceAll('"', '""')}"`;
  const found = reader.query
    .selectFrom('physical_devices_search')
    .select('rowid')
    .where(sql<boolean>`physical_devices_search match ${phrase}`);
  return query.where('physical_devices.ordinal', 'in', found);
}

/** The users of these ids. */
export async function findUsers(
  reader: Reader,
  accountId: string,
  ids: readonly string[],
): Promise<Pick<UserRow, 'id' | 'email' | 'name'>[]> {
  return await inParts([...new Set(ids)].sort(), (some) =>
    reader.query
      .selectFrom('users')
      .select(['id', 'email', 'name'])
      .where('account_id', '=', accountId)
      .where('id', 'in', [...some])
      .execute(),
  );
}

/** Deletes a device that has no registration left. */
export async function deleteDeviceRow(
  tx: Tx,
  { account_id, id }: Pick<StoredDevice, 'account_id' | 'id'>,
): Promise<void> {
  await tx.query
    .deleteFrom('physical_devices')
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}
