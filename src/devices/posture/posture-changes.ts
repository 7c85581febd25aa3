import { dropReferences, holdNamedList, putReferences, refuseIfNamed } from '../../access/rules/rules.ts';
import type { Tx } from '../../database/database.ts';
import type { PostureRuleRow } from '../../database/tables.ts';
import { refusal } from '../../kernel/errors.ts';
import { newUuid } from '../../kernel/ids.ts';
import { quote } from '../../kernel/result.ts';
import type { Change } from '../../removal/act.ts';
import {
  type PresentedPostureRule,
  postureRuleItem,
  presentPostureRule,
  unknownPostureRule,
} from './posture.ts';
import { LIST_TYPES, type PostureInput, readPostureInput } from './posture-input.ts';
import {
  countPostureRules,
  deletePostureRuleRow,
  holdPostureRules,
  insertPostureRule,
  lockPostureRule,
  updatePostureRuleRow,
} from './store.ts';

/** A gate holds them all. */
const MOST_POSTURE_RULES = 500;

interface Write {
  readonly accountId: string;
  readonly input: PostureInput;
  readonly now: string;
}

/** A new posture rule. Nobody names it yet, so nothing ends by it. 409 for a name that is taken. */
export async function createPostureRule(
  tx: Tx,
  { accountId, input, now }: Write,
): Promise<Change<PresentedPostureRule>> {
  const read = readPostureInput(input);
  await holdPostureRules(tx, accountId);
  if ((await countPostureRules(tx, accountId)) >= MOST_POSTURE_RULES) throw tooMany();
  const row = { id: newUuid(), account_id: accountId, ...fieldsOf(input, now), created_at: now };
  const references = await readList(tx, accountId, read);
  await insertPostureRule(tx, row);
  await putReferences(tx, { accountId, holder: holderOf(row), references });
  return { ...told(row, 'create'), onlyAdds: true };
}

/**
 * Replaces a posture rule. It is in force with the answer wherever the rule is named: gates decide anew what is open
 * (design §4.11).
 */
export async function updatePostureRule(
  tx: Tx,
  { accountId, id, input, now }: Write & { id: string },
): Promise<Change<PresentedPostureRule>> {
  const read = readPostureInput(input);
  const before = await lockPostureRule(tx, accountId, id);
  if (!before) throw unknownPostureRule();
  const row = { ...before, ...fieldsOf(input, now) };
  const references = await readList(tx, accountId, read);
  await updatePostureRuleRow(tx, row);
  await putReferences(tx, { accountId, holder: holderOf(row), references });
  return told(row, 'update');
}

/** Deletes a posture rule that no policy or group names; 409 otherwise. */
export async function deletePostureRule(
  tx: Tx,
  { accountId, id }: { accountId: string; id: string },
): Promise<Change<{ id: string }>> {
  const row = await lockPostureRule(tx, accountId, id);
  if (!row) throw unknownPostureRule();
  const what = `the posture rule ${quote(row.name)}`;
  await refuseIfNamed(tx, { accountId, to: holderOf(row), what });
  await dropReferences(tx, { accountId, holder: holderOf(row) });
  await deletePostureRuleRow(tx, row);
  return {
    result: { id },
    items: [{ kind: 'posture_rule', id, state: null }],
    audit: factsOf(row, 'delete'),
  };
}

/** The list that the rule looks into: of this account and of the right type, and there until the end. */
async function readList(
  tx: Tx,
  accountId: string,
  { type: ruleType, list_id: id }: ReturnType<typeof readPostureInput>,
) {
  const type = LIST_TYPES[ruleType];
  if (type === undefined || id === null) return [];
  return [await holdNamedList(tx, { accountId, id, type, pointer: '/input/id' })];
}

function fieldsOf({ name, type, description = '', match = [], input = {} }: PostureInput, now: string) {
  return {
    name,
    type,
    description,
    match: JSON.stringify(match),
    input: JSON.stringify(input),
    schedule: null,
    expiration: null,
    updated_at: now,
  };
}

function holderOf({ id }: PostureRuleRow) {
  return { type: 'posture_rule', id } as const;
}

function told(row: PostureRuleRow, verb: string): Change<PresentedPostureRule> {
  return { result: presentPostureRule(row), items: [postureRuleItem(row)], audit: factsOf(row, verb) };
}

function factsOf(row: PostureRuleRow, verb: string) {
  return {
    action: `posture_rule.${verb}`,
    resource: { type: 'posture_rule', id: row.id },
    metadata: { name: row.name, type: row.type },
  };
}

function tooMany() {
  return refusal('invalid', { detail: `an account has at most ${MOST_POSTURE_RULES} posture rules` });
}
