import type { Static } from 'typebox';
import type { ReusablePolicyRow } from '../../database/tables.ts';
import { invalidInput } from '../../kernel/errors.ts';
import { refuseAsked } from '../../kernel/off.ts';
import { below, type Problem } from '../../kernel/result.ts';
import { isOfIdentity } from '../../policy/rule-index.ts';
import { parseRules } from '../../policy/rule-reader.ts';
import type { Decision } from '../../policy/rules.ts';
import { SHORTEST_SESSION, sessionDurationProblems } from '../../policy/session-duration.ts';
import type { PolicyState } from '../../protocol/state.ts';
import { ruleProblems, toRuleLists } from '../rules/rules.ts';
import type { PolicyInput as Contract } from './contract.ts';

/* What a reusable policy and one of an application have in common. */

export type PolicyInput = Static<typeof Contract>;

/** What is kept of a policy, whichever of the two. */
export type PolicyContent = Omit<ReusablePolicyRow, 'account_id'>;

const DECISIONS = ['allow', 'deny', 'non_identity', 'bypass'] as const satisfies Decision[];

/** Settings of a policy that come later, accepted only where they ask for nothing. */
const NOT_YET = [
  'approval_groups',
  'approval_required',
  'connection_rules',
  'isolation_required',
  'mfa_config',
  'purpose_justification_prompt',
  'purpose_justification_required',
] as const;

/** Refuses, with pointers below `pointer`, settings of a policy that ask for something we cannot do. */
export function refuseLater(input: Readonly<Record<string, unknown>>, pointer: string): void {
  refuseAsked(input, NOT_YET, pointer);
}

/**
 * Refuses, with pointers below `pointer`, a policy that says something wrong or something we cannot do. What its
 * rules name is not looked for.
 */
export function checkPolicy(input: PolicyInput, pointer: string): void {
  refuseLater(input, pointer);
  const problems = [...policyProblems(input, pointer)];
  if (problems.length > 0) throw invalidInput(problems.slice(0, 20), 'invalidAccess');
}

function* policyProblems(input: PolicyInput, pointer: string): Generator<Problem> {
  const { decision, session_duration: duration } = input;
  if (!isDecision(decision)) {
    yield { pointer: below(pointer, 'decision'), message: `must be one of ${DECISIONS.join(', ')}` };
  }
  yield* ruleProblems({ ...input, pointer });
  if (decision === 'bypass') yield* bypassProblems(input, pointer);
  if (duration !== undefined && duration !== null) {
    yield* sessionDurationProblems(duration, below(pointer, 'session_duration'), SHORTEST_SESSION);
  }
}

/**
 * On a bypass nobody has said who they are: a rule that asks for it could never be true, and one that excludes would
 * let in whom it is to keep out. Groups may ask for both, and are judged in three values.
 */
function* bypassProblems(input: PolicyInput, pointer: string): Generator<Problem> {
  for (const list of ['include', 'exclude', 'require'] as const) {
    const reading = parseRules(input[list] ?? [], '');
    for (const [index, rule] of (reading.ok ? reading.value : []).entries()) {
      const [type = ''] = Object.keys(rule);
      const at = [list, index, type].reduce<string>(below, pointer);
      if (isOfIdentity(rule)) yield { pointer: at, message: `${type} asks who somebody is: ${NOBODY}` };
    }
  }
}

const NOBODY = 'a policy that bypasses Access does not know';

function isDecision(text: string): text is Decision {
  return (DECISIONS as readonly string[]).includes(text);
}

/** The columns of a checked policy. Rules are kept as they were sent, and read on the way to a gate. */
export function policyFields(input: PolicyInput) {
  return {
    name: input.name,
    decision: input.decision,
    include: JSON.stringify(input.include),
    exclude: JSON.stringify(input.exclude ?? []),
    require: JSON.stringify(input.require ?? []),
    session_duration: input.session_duration ?? null,
  };
}

/** What is answered of either. */
export function presentContent(row: PolicyContent) {
  return {
    id: row.id,
    name: row.name,
    decision: row.decision,
    include: JSON.parse(row.include) as unknown[],
    exclude: JSON.parse(row.exclude) as unknown[],
    require: JSON.parse(row.require) as unknown[],
    session_duration: row.session_duration,
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}

/** The policy as gates evaluate it, its rules normalised. */
export function toPolicyState(row: PolicyContent): PolicyState {
  return {
    id: row.id,
    name: row.name,
    // Checked when it was written; anything else would weigh as a deny.
    decision: isDecision(row.decision) ? row.decision : 'deny',
    ...toRuleLists(row),
    session_duration: row.session_duration,
  };
}

/** Whether a checked policy says what one that there is says, in whatever order and spelling. */
export function saysTheSame(input: PolicyInput, row: PolicyContent): boolean {
  const given = policyFields(input);
  return (
    given.name === row.name &&
    given.decision === row.decision &&
    given.session_duration === row.session_duration &&
    JSON.stringify(sorted(given)) === JSON.stringify(sorted(row))
  );
}

function sorted(row: Pick<PolicyContent, 'include' | 'exclude' | 'require'>): string[][] {
  const { include, exclude, require } = toRuleLists(row);
  return [include, exclude, require].map((rules) => rules.map((rule) => JSON.stringify(rule)).sort());
}
