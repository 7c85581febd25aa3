import type { Static } from 'typebox';
import { refuseIfNamed } from '../../access/rules/rules.ts';
import type { Tx } from '../../database/database.ts';
import type { ListItemRow, ListRow } from '../../database/tables.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newUuid } from '../../kernel/ids.ts';
import { quote } from '../../kernel/result.ts';
import { foldCase } from '../../kernel/text.ts';
import type { Change } from '../../removal/act.ts';
import { type CreateList, type EditList, MOST_ITEMS, type NewList, type UpdateList } from './contract.ts';
import { type Item, readItems, readKeys, refuseType } from './items.ts';
import { listItem, type PresentedList, presentItem, presentList, unknownList } from './lists.ts';
import {
  countItems,
  countLists,
  deleteItems,
  deleteListRow,
  holdLists,
  insertList,
  listItems,
  lockList,
  putItems,
  updateListRow,
} from './store.ts';

/** A gate holds them all. */
const MOST_LISTS = 100;
/** How many values an audit entry names; beyond them it has their number. */
const MOST_NAMED = 100;

interface One {
  readonly accountId: string;
  readonly id: string;
}

/** A new list. Nobody names it yet, so nothing ends by it. */
export async function createList(
  tx: Tx,
  { accountId, input, now }: { accountId: string; input: Static<typeof CreateList>; now: string },
): Promise<Change<Static<typeof NewList>>> {
  const { name, type, description = '' } = input;
  refuseType(type);
  const items = readItems(type, input.items ?? [], '/items');
  await holdLists(tx, accountId);
  if ((await countLists(tx, accountId)) >= MOST_LISTS) throw tooManyLists();
  const row: ListRow = {
    id: newUuid(),
    account_id: accountId,
    name,
    name_key: foldCase(name),
    type,
    description,
    created_at: now,
    updated_at: now,
  };
  const rows = toRows(row, items);
  await insertList(tx, row);
  await putItems(tx, rows);
  const shown = presentList({ ...row, count: rows.length });
  return {
    result: { ...shown, items: rows.map(presentItem) },
    items: [toldOf(row, await listItems(tx, row.id))],
    audit: factsOf(row, 'create', { added: named(rows) }),
    onlyAdds: true,
  };
}

/**
 * Changes the name, and the description and items that are given: items replace all that there are. It is in force
 * with the answer wherever the list is named (design §4.11).
 */
export async function updateList(
  tx: Tx,
  { accountId, id, input, now }: One & { input: Static<typeof UpdateList>; now: string },
): Promise<Change<PresentedList>> {
  const before = await hold(tx, accountId, id);
  if (input.type !== undefined && input.type !== before.type) throw otherType(before);
  const { name, description = before.description } = input;
  const row = { ...before, name, name_key: foldCase(name), description, updated_at: now };
  await updateListRow(tx, row);
  if (!input.items) {
    const shown = presentList({ ...row, count: await countItems(tx, id) });
    return { result: shown, audit: factsOf(row, 'update', {}) };
  }
  const items = readItems(row.type, input.items, '/items');
  const keys = new Set(items.map(({ key }) => key));
  const removed = (await listItems(tx, id)).filter((item) => !keys.has(item.value_key));
  return await changed(tx, row, { items, removed: removed.map((item) => item.value_key), verb: 'update' });
}

/**
 * Adds items and takes items away; what is there already, or not there, stays so. It is in force with the answer
 * wherever the list is named (design §4.11).
 */
export async function editList(
  tx: Tx,
  { accountId, id, input, now }: One & { input: Static<typeof EditList>; now: string },
): Promise<Change<PresentedList>> {
  const before = await hold(tx, accountId, id);
  const items = readItems(before.type, input.append ?? [], '/append');
  const removed = readKeys(before.type, input.remove ?? [], (index) => `/remove/${index}`);
  refuseBoth(items, removed);
  const row = { ...before, updated_at: now };
  await updateListRow(tx, row);
  return await changed(tx, row, { items, removed, verb: 'edit' });
}

/** Deletes a list that no rule names; 409 otherwise. */
export async function deleteList(tx: Tx, { accountId, id }: One): Promise<Change<object>> {
  const row = await hold(tx, accountId, id);
  await refuseIfNamed(tx, { accountId, to: { type: 'list', id }, what: `the list ${quote(row.name)}` });
  await deleteListRow(tx, row);
  return {
    result: {},
    items: [{ kind: 'list', id, state: null }],
    audit: factsOf(row, 'delete', {}),
  };
}

async function hold(tx: Tx, accountId: string, id: string): Promise<ListRow> {
  const row = await lockList(tx, accountId, id);
  if (!row) throw unknownList();
  return row;
}

/** Writes the items. Gates are told the whole list in any case: the answer also says what is not in it. */
async function changed(
  tx: Tx,
  row: ListRow,
  { items, removed, verb }: { items: readonly Item[]; removed: readonly string[]; verb: string },
): Promise<Change<PresentedList>> {
  const before = new Set((await listItems(tx, row.id)).map((item) => item.value_key));
  const added = toRows(row, items).filter((item) => !before.has(item.value_key));
  await deleteItems(tx, row.id, removed);
  await putItems(tx, verb === 'edit' ? added : toRows(row, items));
  const after = await listItems(tx, row.id);
  if (after.length > MOST_ITEMS) throw tooManyItems(verb === 'edit' ? '/append' : '/items');
  const gone = removed.filter((key) => before.has(key));
  return {
    result: presentList({ ...row, count: after.length }),
    items: [toldOf(row, after)],
    audit: factsOf(row, verb, { added: named(added), removed: { count: gone.length, values: few(gone) } }),
  };
}

function toRows({ id, updated_at: now }: ListRow, items: readonly Item[]): ListItemRow[] {
  return items.map(({ key, value, description }) => ({
    list_id: id,
    value_key: key,
    value,
    description,
    created_at: now,
  }));
}

function toldOf(row: ListRow, items: readonly ListItemRow[]) {
  return listItem(
    row,
    items.map((item) => item.value_key),
  );
}

/** What is to be there and not to be there could be meant in two ways. */
function refuseBoth(items: readonly Item[], removed: readonly string[]): void {
  const gone = new Set(removed);
  if (!items.some(({ key }) => gone.has(key))) return;
  throw invalidInput([{ pointer: '/append', message: 'has a value that is to be removed as well' }]);
}

function otherType({ type }: ListRow) {
  return invalidInput([{ pointer: '/type', message: `is ${type}, and cannot be changed` }]);
}

function factsOf(row: ListRow, verb: string, metadata: Record<string, unknown>) {
  return {
    action: `list.${verb}`,
    resource: { type: 'list', id: row.id },
    metadata: { name: row.name, type: row.type, ...metadata },
  };
}

function named(items: readonly ListItemRow[]) {
  return { count: items.length, values: few(items.map(({ value }) => value)) };
}

function few(values: readonly string[]): string[] {
  return values.slice(0, MOST_NAMED);
}

function tooManyItems(pointer: string) {
  return invalidInput([{ pointer, message: `a list has at most ${MOST_ITEMS} items` }]);
}

function tooManyLists() {
  return refusal('invalid', { detail: `an account has at most ${MOST_LISTS} lists` });
}
