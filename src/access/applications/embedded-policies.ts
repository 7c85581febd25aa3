import { Compile } from 'typebox/compile';
import type { PolicyRow } from '../../database/tables.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { below, isObject, type Problem } from '../../kernel/result.ts';
import { PolicyInput as Contract, PolicyLink } from './contract.ts';
import { checkPolicy, type PolicyInput, policyFields, toPolicyRow } from './policy-input.ts';

/** A policy in the body of its application: a new one, one that is there already, or its id alone. */
export interface EmbeddedPolicy {
  readonly pointer: string;
  readonly id: string | null;
  readonly precedence: number | null;
  /** null leaves what the policy says as it is. */
  readonly input: PolicyInput | null;
}

const policyShape = Compile(Contract);
const linkShape = Compile(PolicyLink);

/** Reads the policies of an application's body, each checked by itself. */
export function readEmbedded(policies: readonly unknown[], pointer: string): EmbeddedPolicy[] {
  return policies.map((policy, index) => readOne(policy, below(pointer, index)));
}

function readOne(given: unknown, pointer: string): EmbeddedPolicy {
  const policy = typeof given === 'string' ? { id: given } : given;
  if (!isObject(policy)) throw invalid([{ pointer, message: 'must be a policy or the id of one' }]);
  if (isLink(policy)) {
    if (!linkShape.Check(policy)) throw invalid(shapeProblems(linkShape.Errors(policy), pointer));
    return { pointer, id: policy.id.toLowerCase(), precedence: policy.precedence ?? null, input: null };
  }
  if (!policyShape.Check(policy)) throw invalid(shapeProblems(policyShape.Errors(policy), pointer));
  checkPolicy(policy, pointer);
  const { id } = policy as { id?: unknown };
  if (id !== undefined && typeof id !== 'string')
    throw invalid([{ pointer: `${pointer}/id`, message: 'must be a string' }]);
  return { pointer, id: id?.toLowerCase() ?? null, precedence: policy.precedence ?? null, input: policy };
}

/** An id, and nothing of what makes a policy. */
function isLink(policy: Record<string, unknown>): boolean {
  return 'id' in policy && !['name', 'decision', 'include'].some((name) => name in policy);
}

interface ShapeError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: object;
}

function shapeProblems(errors: readonly ShapeError[], pointer: string): Problem[] {
  return errors.flatMap(({ keyword, instancePath, message, params }) => {
    const at = pointer + instancePath;
    if (keyword !== 'required') return [{ pointer: at, message }];
    const { requiredProperties } = params as { requiredProperties: string[] };
    return requiredProperties.map((name) => ({ pointer: below(at, name), message: 'is required' }));
  });
}

/**
 * The rows that an application has afterwards. A policy that is named keeps its id and what is not said of it;
 * one that is not named is gone. Without a precedence each comes after the one before it.
 */
export function embeddedRows(
  embedded: readonly EmbeddedPolicy[],
  of: { accountId: string; applicationId: string; existing: readonly PolicyRow[]; now: string },
): PolicyRow[] {
  const ids = new Set<string>();
  const precedences = new Set<number>();
  let last = 0;
  return embedded.map((policy) => {
    const precedence = policy.precedence ?? last + 1;
    if (precedences.has(precedence)) throw invalid([{ pointer: precedenceOf(policy), message: TAKEN }]);
    const row = toRow(policy, { ...of, precedence });
    if (ids.has(row.id)) throw invalid([{ pointer: policy.pointer, message: 'names a policy twice' }]);
    precedences.add(precedence);
    ids.add(row.id);
    last = precedence;
    return row;
  });
}

const TAKEN = 'another policy of the application has this precedence';

function precedenceOf({ pointer }: EmbeddedPolicy): string {
  return `${pointer}/precedence`;
}

function toRow(
  { id, input, pointer }: EmbeddedPolicy,
  of: {
    accountId: string;
    applicationId: string;
    existing: readonly PolicyRow[];
    precedence: number;
    now: string;
  },
): PolicyRow {
  const before = of.existing.find((row) => row.id === id);
  if (id !== null && !before) throw refusal('notSupported', { detail: 'reusable policies yet', pointer });
  if (!before) return toPolicyRow(input as PolicyInput, of);
  const isSame = input === null && before.precedence === of.precedence;
  if (isSame) return before;
  return {
    ...before,
    ...(input ? policyFields(input) : {}),
    precedence: of.precedence,
    updated_at: of.now,
  };
}

function invalid(problems: readonly Problem[]) {
  return invalidInput(problems.slice(0, 20), 'invalidAccess');
}
