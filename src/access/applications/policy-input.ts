import type { Static } from 'typebox';
import type { PolicyRow } from '../../database/tables.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newUuid } from '../../kernel/ids.ts';
import { refuseAsked } from '../../kernel/off.ts';
import { parseInclude, parseRules } from '../../policy/rule-reader.ts';
import type { Policy } from '../../policy/rules.ts';
import { SHORTEST_SESSION, sessionDurationProblems } from '../../policy/session-duration.ts';
import type { PolicyInput as Contract, Policy as Presented } from './contract.ts';

export type PolicyInput = Static<typeof Contract>;
export type PresentedPolicy = Static<typeof Presented>;

const DECISIONS: readonly string[] = ['allow', 'deny', 'non_identity'] satisfies Policy['decision'][];
const KNOWN_DECISIONS = [...DECISIONS, 'bypass'];

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

/** Refuses, with pointers below `pointer`, a policy that says something wrong or something we cannot do. */
export function checkPolicy(input: PolicyInput, pointer: string): void {
  if (!DECISIONS.includes(input.decision)) refuseDecision(input.decision, pointer);
  refuseAsked(input, NOT_YET, pointer);
  const readings = [
    parseInclude(input.include, `${pointer}/include`),
    parseRules(input.exclude ?? [], `${pointer}/exclude`),
    parseRules(input.require ?? [], `${pointer}/require`),
  ];
  const problems = readings.flatMap((reading) => (reading.ok ? [] : reading.problems));
  const duration = input.session_duration;
  if (duration !== undefined && duration !== null) {
    problems.push(...sessionDurationProblems(duration, `${pointer}/session_duration`, SHORTEST_SESSION));
  }
  if (problems.length > 0) throw invalidInput(problems.slice(0, 20), 'invalidAccess');
}

function refuseDecision(decision: string, pointer: string): never {
  const at = `${pointer}/decision`;
  if (KNOWN_DECISIONS.includes(decision)) {
    throw refusal('notSupported', { detail: `the decision ${decision} yet`, pointer: at });
  }
  throw invalidInput(
    [{ pointer: at, message: `must be one of ${KNOWN_DECISIONS.join(', ')}` }],
    'invalidAccess',
  );
}

/** The row of a checked policy. Rules are stored as they were sent, and read on the way to a gate. */
export function toPolicyRow(
  input: PolicyInput,
  of: { accountId: string; applicationId: string; precedence: number; now: string },
): PolicyRow {
  return {
    id: newUuid(),
    account_id: of.accountId,
    application_id: of.applicationId,
    precedence: of.precedence,
    created_at: of.now,
    ...policyFields(input),
    updated_at: of.now,
  };
}

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

export function presentPolicy(row: PolicyRow): PresentedPolicy {
  return {
    id: row.id,
    name: row.name,
    decision: row.decision,
    precedence: row.precedence,
    include: JSON.parse(row.include) as unknown[],
    exclude: JSON.parse(row.exclude) as unknown[],
    require: JSON.parse(row.require) as unknown[],
    session_duration: row.session_duration,
    reusable: false,
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}

function toGateDecision(decision: string): Policy['decision'] {
  return decision === 'allow' || decision === 'non_identity' ? decision : 'deny';
}

/** The policy as gates evaluate it, its rules normalised. */
export function toGatePolicy(row: PolicyRow): Policy {
  const rules = (text: string) => {
    const reading = parseRules(JSON.parse(text), '');
    // Stored rules were checked; were one unreadable, leaving it out could widen access.
    if (!reading.ok) throw new Error(`the stored rules of policy ${row.id} cannot be read`);
    return reading.value;
  };
  return {
    id: row.id,
    name: row.name,
    decision: toGateDecision(row.decision),
    precedence: row.precedence,
    include: rules(row.include),
    exclude: rules(row.exclude),
    require: rules(row.require),
    session_duration: row.session_duration,
  };
}
