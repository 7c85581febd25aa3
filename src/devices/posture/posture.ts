import type { Static } from 'typebox';
import type { Reader, Snapshot } from '../../database/database.ts';
import type { PostureRuleRow } from '../../database/tables.ts';
import { refusal } from '../../kernel/errors.ts';
import type { JsonObject } from '../../kernel/json.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import type { PostureRuleState } from '../../protocol/state.ts';
import type { PostureRule } from './contract.ts';
import { type PostureInput, readPostureInput } from './posture-input.ts';
import { findPostureRule, listPostureRules } from './store.ts';

export type PresentedPostureRule = Static<typeof PostureRule>;

/** A posture rule as the API answers it: what was written. */
export function presentPostureRule(row: PostureRuleRow): PresentedPostureRule {
  const { id, name, type, description } = row;
  const { match, input } = writtenOf(row);
  return { id, name, type, description, enabled: true, match, input };
}

/** 404 if the account has no such posture rule. */
export async function getPostureRule(reader: Reader, accountId: string, id: string): Promise<PostureRuleRow> {
  const row = await findPostureRule(reader, accountId, id);
  if (!row) throw unknownPostureRule();
  return row;
}

/** The posture rules of an account, oldest first; there are at most 500. */
export async function allPostureRules(reader: Reader, accountId: string): Promise<PresentedPostureRule[]> {
  return (await listPostureRules(reader, accountId)).map(presentPostureRule);
}

export function unknownPostureRule() {
  return refusal('notFound', { detail: 'posture rule not found' });
}

/** The posture rules of an account, for gates. */
export async function postureRuleStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  return (await listPostureRules(snapshot, accountId)).map(postureRuleItem);
}

/** The newest state of a posture rule, for gates. */
export function postureRuleItem(row: PostureRuleRow): FeedItem {
  const { id, name, type } = row;
  const state: PostureRuleState = { id, name, ...readPostureInput({ name, type, ...writtenOf(row) }) };
  return { kind: 'posture_rule', id, state: { ...state } as unknown as JsonObject };
}

function writtenOf({ match, input }: PostureRuleRow) {
  return {
    match: JSON.parse(match) as NonNullable<PostureInput['match']>,
    input: JSON.parse(input) as NonNullable<PostureInput['input']>,
  };
}
