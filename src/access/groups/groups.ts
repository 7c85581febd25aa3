import type { Static } from 'typebox';
import type { Reader, Snapshot } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import type { AccessGroupRow } from '../../database/tables.ts';
import { refusal } from '../../kernel/errors.ts';
import type { JsonObject } from '../../kernel/json.ts';
import { foldCase } from '../../kernel/text.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import type { GroupState } from '../../protocol/state.ts';
import { toRuleLists } from '../rules/rules.ts';
import type { Group } from './contract.ts';
import { countGroups, findGroup, listAllGroups, listGroups } from './store.ts';

export type PresentedGroup = Static<typeof Group>;

/** A group as the API answers it, its rules as they were written. */
export function presentGroup(row: AccessGroupRow): PresentedGroup {
  return {
    id: row.id,
    name: row.name,
    include: JSON.parse(row.include) as unknown[],
    exclude: JSON.parse(row.exclude) as unknown[],
    require: JSON.parse(row.require) as unknown[],
    is_default: row.is_default === 1,
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}

/** 404 if the account has no such group. */
export async function getGroup(reader: Reader, accountId: string, id: string): Promise<AccessGroupRow> {
  const row = await findGroup(reader, accountId, id);
  if (!row) throw unknownGroup();
  return row;
}

export function unknownGroup() {
  return refusal('notFoundGroup', { detail: 'Access group not found' });
}

/** The groups of an account, oldest first, as a list to be paged. */
export function groupList(
  reader: Reader,
  { accountId, name, search }: { accountId: string; name?: string; search?: string },
): KeyedList<AccessGroupRow> {
  const filter = {
    ...(name === undefined ? {} : { nameKey: foldCase(name) }),
    ...(search ? { search: foldCase(search) } : {}),
  };
  return {
    fetch: (start) => listGroups(reader, accountId, { filter, start }),
    keyOf: (row) => [row.created_at, row.id],
    total: () => countGroups(reader, accountId, filter),
  };
}

/** The groups of an account, for gates. */
export async function groupStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  return (await listAllGroups(snapshot, accountId)).map(groupItem);
}

/** The newest state of a group, for gates: its rules normalised. */
export function groupItem(row: AccessGroupRow): FeedItem {
  const state: GroupState = { id: row.id, name: row.name, ...toRuleLists(row) };
  return { kind: 'group', id: row.id, state: { ...state } as unknown as JsonObject };
}
