import type { Static } from 'typebox';
import type { Tx } from '../../database/database.ts';
import type { AccessGroupRow } from '../../database/tables.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newUuid } from '../../kernel/ids.ts';
import { quote } from '../../kernel/result.ts';
import { foldCase } from '../../kernel/text.ts';
import type { Change } from '../../removal/act.ts';
import {
  dropReferences,
  type PlacedLists,
  putReferences,
  readReferences,
  refuseIfNamed,
  ruleProblems,
} from '../rules/rules.ts';
import type { GroupInput as Contract } from './contract.ts';
import { groupItem, type PresentedGroup, presentGroup, unknownGroup } from './groups.ts';
import { nestingProblems } from './nesting.ts';
import {
  countGroups,
  deleteGroupRow,
  holdGroups,
  insertGroup,
  listEdges,
  lockGroup,
  updateGroupRow,
} from './store.ts';

/** Cloudflare's limit (reference §3.4); a gate holds them all. */
const MOST_GROUPS = 300;

export type GroupInput = Static<typeof Contract>;

interface Write {
  readonly accountId: string;
  readonly input: GroupInput;
  readonly now: string;
}

/** A new group. Nobody names it yet, so nothing ends by it. */
export async function createGroup(tx: Tx, { accountId, input, now }: Write): Promise<Change<PresentedGroup>> {
  refuseUnreadable(input);
  await holdGroups(tx, accountId);
  if ((await countGroups(tx, accountId)) >= MOST_GROUPS) throw tooMany();
  const id = newUuid();
  const row: AccessGroupRow = { id, account_id: accountId, ...fieldsOf(input, now), created_at: now };
  const references = await checkNamed(tx, { accountId, id: null, input });
  await insertGroup(tx, row);
  await putReferences(tx, { accountId, holder: { type: 'group', id }, references });
  return { ...told(row, 'create'), onlyAdds: true };
}

/**
 * Replaces a group. It is in force with the answer wherever the group is named, directly or within others: gates
 * decide anew what is open (design §4.11).
 */
export async function updateGroup(
  tx: Tx,
  { accountId, id, input, now }: Write & { id: string },
): Promise<Change<PresentedGroup>> {
  refuseUnreadable(input);
  await holdGroups(tx, accountId);
  const before = await lockGroup(tx, accountId, id);
  if (!before) throw unknownGroup();
  const row = { ...before, ...fieldsOf(input, now) };
  const references = await checkNamed(tx, { accountId, id, input });
  await updateGroupRow(tx, row);
  await putReferences(tx, { accountId, holder: { type: 'group', id }, references });
  return told(row, 'update');
}

/** Deletes a group that no rule names; 409 otherwise. */
export async function deleteGroup(
  tx: Tx,
  { accountId, id }: { accountId: string; id: string },
): Promise<Change<{ id: string }>> {
  await holdGroups(tx, accountId);
  const row = await lockGroup(tx, accountId, id);
  if (!row) throw unknownGroup();
  const what = `the group ${quote(row.name)}`;
  await refuseIfNamed(tx, { accountId, to: { type: 'group', id }, what });
  await dropReferences(tx, { accountId, holder: { type: 'group', id } });
  await deleteGroupRow(tx, row);
  return {
    result: { id },
    items: [{ kind: 'group', id, state: null }],
    audit: factsOf(row, 'delete'),
  };
}

function refuseUnreadable(input: GroupInput): void {
  const problems = ruleProblems(placed(input));
  if (problems.length > 0) throw invalidInput(problems, 'invalidAccess');
}

/** What the rules name: all of it there, and no group within itself. */
async function checkNamed(
  tx: Tx,
  { accountId, id, input }: { accountId: string; id: string | null; input: GroupInput },
) {
  const lists = placed(input);
  const references = await readReferences(tx, accountId, [lists]);
  const problems = nestingProblems(await listEdges(tx, accountId), { id, placed: lists });
  if (problems.length > 0) throw invalidInput(problems.slice(0, 20), 'invalidAccess');
  return references;
}

function placed({ include, exclude, require }: GroupInput): PlacedLists {
  return { include, exclude, require, pointer: '' };
}

function fieldsOf(input: GroupInput, now: string) {
  return {
    name: input.name,
    name_key: foldCase(input.name),
    is_default: input.is_default ? 1 : 0,
    include: JSON.stringify(input.include),
    exclude: JSON.stringify(input.exclude ?? []),
    require: JSON.stringify(input.require ?? []),
    updated_at: now,
  };
}

function told(row: AccessGroupRow, verb: string): Change<PresentedGroup> {
  return { result: presentGroup(row), items: [groupItem(row)], audit: factsOf(row, verb) };
}

function factsOf(row: AccessGroupRow, verb: string) {
  return {
    action: `access_group.${verb}`,
    resource: { type: 'access_group', id: row.id },
    metadata: { name: row.name },
  };
}

function tooMany() {
  return refusal('invalidAccess', { detail: `an account has at most ${MOST_GROUPS} Access groups` });
}
