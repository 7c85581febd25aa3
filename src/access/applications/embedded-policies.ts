import { Compile } from 'typebox/compile';
import { invalidInput } from '../../kernel/errors.ts';
import { below, isObject, type Problem } from '../../kernel/result.ts';
import { checkPolicy, refuseLater } from '../policies/policy-input.ts';
import { PolicyInput as Contract, PolicyLink } from './contract.ts';
import type { PolicyInput } from './held-policies.ts';

/** A policy in the body of an application: a new one, one that there is already, or its id alone. */
export interface EmbeddedPolicy {
  readonly pointer: string;
  readonly id: string | null;
  readonly precedence: number | null;
  /** null leaves what the policy says as it is. */
  readonly input: PolicyInput | null;
  /** Which of the two the caller takes it for; null where that is not said. */
  readonly reusable: boolean | null;
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
  const reusable = readReusable(policy, pointer);
  if (isLink(policy)) {
    if (!linkShape.Check(policy)) throw invalid(shapeProblems(linkShape.Errors(policy), pointer));
    refuseLater(policy, pointer);
    const { id, precedence = null } = policy;
    return { pointer, id: id.toLowerCase(), precedence, input: null, reusable };
  }
  if (!policyShape.Check(policy)) throw invalid(shapeProblems(policyShape.Errors(policy), pointer));
  checkPolicy(policy, pointer);
  const { id } = policy as { id?: unknown };
  if (id !== undefined && typeof id !== 'string')
    throw invalid([{ pointer: below(pointer, 'id'), message: 'must be a string' }]);
  const { precedence = null } = policy;
  return { pointer, id: id?.toLowerCase() ?? null, precedence, input: policy, reusable };
}

function readReusable({ reusable = null }: { reusable?: unknown }, pointer: string): boolean | null {
  if (reusable === null || typeof reusable === 'boolean') return reusable;
  throw invalid([{ pointer: below(pointer, 'reusable'), message: 'must be a boolean' }]);
}

/** An id, and nothing of what a policy says. */
function isLink(policy: Record<string, unknown>): boolean {
  return 'id' in policy && !SAID.some((name) => name in policy);
}

const SAID = ['name', 'decision', 'include', 'exclude', 'require', 'session_duration'];

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

function invalid(problems: readonly Problem[]) {
  return invalidInput(problems.slice(0, 20), 'invalidAccess');
}
