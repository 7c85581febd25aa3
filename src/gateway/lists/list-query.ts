import type { Static } from 'typebox';
import type { Reader } from '../../database/database.ts';
import { invalidInput } from '../../kernel/errors.ts';
import { quote } from '../../kernel/result.ts';
import { foldCase } from '../../kernel/text.ts';
import type { ListQuery } from './contract.ts';
import { isListType } from './items.ts';
import { type PresentedList, presentList } from './lists.ts';
import { listLists } from './store.ts';

type Query = Static<typeof ListQuery>;
type Test = (list: PresentedList) => boolean;

/** The lists of an account that a query asks for: all of them, in its order. An account has at most 100. */
export async function queryLists(
  reader: Reader,
  { accountId, query }: { accountId: string; query: Query },
): Promise<PresentedList[]> {
  const tests = testsOf(query);
  const lists = (await listLists(reader, accountId)).map(presentList);
  return lists.filter((list) => tests.every((test) => test(list))).sort(orderOf(query));
}

function testsOf({ type, search, filter = [] }: Query): Test[] {
  const filters = filter.map(readFilter);
  const hasType = filters.some(({ field }) => field === 'type');
  if (type !== undefined && !isListType(type)) throw invalid('/query/type', 'is not a type of list');
  return [
    ...filters.map(({ test }) => test),
    ...(type === undefined || hasType ? [] : [(list: PresentedList) => list.type === type]),
    ...(search === undefined || search === '' ? [] : [hasPart(search)]),
  ];
}

function hasPart(search: string): Test {
  const term = foldCase(search);
  return ({ name, description }) => foldCase(name).includes(term) || foldCase(description).includes(term);
}

/** `field:value`, as the SDK describes each. */
function readFilter(text: string, index: number): { field: string; test: Test } {
  const colon = text.indexOf(':');
  const [field, value] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)];
  const make = Object.hasOwn(FILTERS, field) ? FILTERS[field] : undefined;
  const test = make?.(value);
  if (!test) throw invalid(`/query/filter/${index}`, `${quote(text)} is not a filter`);
  return { field, test };
}

const FILTERS: Readonly<Record<string, (value: string) => Test | null>> = {
  name: (value) => {
    const term = foldCase(value);
    return ({ name }) => foldCase(name).includes(term);
  },
  id: (value) => {
    const term = value.toLowerCase().replaceAll('-', '');
    return ({ id }) => id.replaceAll('-', '').includes(term);
  },
  type: (value) => (isListType(value) ? ({ type }) => type === value : null),
  item_count: (value) => (/^\d{1,9}$/.test(value) ? ({ count }) => count === Number(value) : null),
};

/** Newest first where a time is asked for by name, else ascending; equals by age. */
function orderOf({ order_by: by, direction }: Query): (one: PresentedList, other: PresentedList) => number {
  const usual = by === 'created_at' || by === 'updated_at' ? 'desc' : 'asc';
  const sign = (direction ?? usual) === 'desc' ? -1 : 1;
  return (one, other) => {
    const compared = compare(keyOf(one, by), keyOf(other, by));
    return sign * (compared || compare(one.created_at, other.created_at) || compare(one.id, other.id));
  };
}

function keyOf(list: PresentedList, by: Query['order_by'] = 'created_at'): string | number {
  return by === 'item_count' ? list.count : list[by];
}

/** Texts by code point, as databases sort them. */
function compare(one: string | number, other: string | number): number {
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  return Buffer.compare(Buffer.from(String(one)), Buffer.from(String(other)));
}

function invalid(pointer: string, message: string) {
  return invalidInput([{ pointer, message }]);
}
