import type { Static } from 'typebox';
import type { Reader, Snapshot } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import type { ListItemRow, ListRow } from '../../database/tables.ts';
import { refusal } from '../../kernel/errors.ts';
import type { JsonObject } from '../../kernel/json.ts';
import type { NamedListType } from '../../policy/rules.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import type { ListState } from '../../protocol/state.ts';
import type { List, ListItem } from './contract.ts';
import { type CountedList, countItems, findList, listItems, listKeys, listLists } from './store.ts';

export type PresentedList = Static<typeof List>;

/** A list as the API answers it. */
export function presentList(row: CountedList): PresentedList {
  const { id, name, type, description, count, created_at, updated_at } = row;
  return { id, name, type, description, count, created_at, updated_at };
}

/** An item as it was written. */
export function presentItem({ value, description, created_at }: ListItemRow): Static<typeof ListItem> {
  return { value, description, created_at };
}

/** 404 if the account has no such list. */
export async function getList(reader: Reader, accountId: string, id: string): Promise<CountedList> {
  const row = await findList(reader, accountId, id);
  if (!row) throw unknownList();
  return row;
}

export function unknownList() {
  return refusal('notFound', { detail: 'list not found' });
}

/** The items of a list of the account, by their normalised values, as a list to be paged. */
export async function itemList(
  reader: Reader,
  { accountId, id }: { accountId: string; id: string },
): Promise<KeyedList<ListItemRow>> {
  await getList(reader, accountId, id);
  return {
    fetch: (start) => listItems(reader, id, start),
    keyOf: (row) => [row.value_key],
    total: () => countItems(reader, id),
  };
}

/** The lists of an account, for gates. */
export async function listStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  const keys = await listKeys(snapshot, accountId);
  const lists = await listLists(snapshot, accountId);
  return lists.map((list) => listItem(list, keys.get(list.id) ?? []));
}

/** The newest state of a list, for gates: its items as rules compare them. */
export function listItem({ id, type }: Pick<ListRow, 'id' | 'type'>, keys: readonly string[]): FeedItem {
  const state: ListState = { id, type: toNamedType(type), items: keys };
  return { kind: 'list', id, state: { ...state } as unknown as JsonObject };
}

const NAMED_TYPES: Readonly<Record<string, NamedListType>> = {
  EMAIL: 'email',
  IP: 'ip',
  SERIAL: 'serial',
  DEVICE: 'device',
};

/** Rows are written with a type that was checked; one that is not known must not be taken for another. */
function toNamedType(type: string): NamedListType {
  const named = Object.hasOwn(NAMED_TYPES, type) ? NAMED_TYPES[type] : undefined;
  if (!named) throw new Error(`a list of the type ${type}`);
  return named;
}
