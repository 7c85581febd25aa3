import {
  type Asked,
  admits,
  createMatcher,
  type Evaluation,
  evaluate,
  isMeantFor,
  type Matcher,
  type Truth,
} from './evaluate.ts';
import type { Policy, Rule } from './rules.ts';

/** A rule of a policy, by its place. */
export interface FoundRule {
  readonly list: 'include' | 'exclude' | 'require';
  readonly index: number;
  readonly rule: Rule;
}

/** What one policy says of an identity, and by which of its rules. */
export interface ExplainedPolicy {
  readonly id: string;
  readonly name: string;
  readonly decision: string;
  readonly precedence: number;
  readonly outcome:
    | 'applies'
    /** Its decision is not for such an identity. */
    | 'not_concerned'
    | 'not_included'
    | 'excluded'
    | 'requirement_missing'
    /** It rests on something that cannot be known; what admits does not apply then, and what denies does. */
    | 'unknown';
  /** The rule that matched, that excluded, or that was missing; null where no include rule matched. */
  readonly rule: FoundRule | null;
}

/** The verdict, and how it came about. */
export interface Explanation {
  readonly evaluation: Evaluation;
  /** In the order of precedence. */
  readonly policies: readonly ExplainedPolicy[];
}

/** As `evaluate`, and says of each policy why. Slower: every rule is looked at by itself. */
export function explain(policies: readonly Policy[], asked: Asked): Explanation {
  const matcher = createMatcher(asked);
  const inOrder = [...policies].sort(
    (one, other) => one.precedence - other.precedence || (one.id < other.id ? -1 : 1),
  );
  return {
    evaluation: evaluate(policies, asked),
    policies: inOrder.map((policy) => explainOne(policy, asked, matcher)),
  };
}

function explainOne(policy: Policy, { identity }: Asked, matcher: Matcher): ExplainedPolicy {
  const { id, name, decision, precedence } = policy;
  const known = { id, name, decision, precedence };
  if (!isMeantFor(policy, identity)) return { ...known, outcome: 'not_concerned', rule: null };
  const { included, excluded, missing } = lookThrough(policy, matcher);
  if (included.truth === false) return { ...known, outcome: 'not_included', rule: null };
  if (excluded.truth === true) return { ...known, outcome: 'excluded', rule: excluded.found };
  if (missing.truth === true) return { ...known, outcome: 'requirement_missing', rule: missing.found };
  const unknown = [included, excluded, missing].find(({ truth }) => truth === null);
  if (!unknown) return { ...known, outcome: 'applies', rule: included.found };
  return {
    ...known,
    outcome: matcher.applies(policy) && !admits(policy) ? 'applies' : 'unknown',
    rule: unknown.found,
  };
}

interface Look {
  readonly truth: Truth;
  readonly found: FoundRule | null;
}

function lookThrough(policy: Policy, { rule }: Matcher) {
  const look = (list: FoundRule['list'], of: (one: Rule) => Truth): Look => {
    const truths = policy[list].map(of);
    const index = truths.includes(true) ? truths.indexOf(true) : truths.indexOf(null);
    const found = policy[list][index];
    return found
      ? { truth: truths[index] ?? null, found: { list, index, rule: found } }
      : { truth: false, found: null };
  };
  const isMissing = (one: Rule): Truth => {
    const truth = rule(one);
    return truth === null ? null : !truth;
  };
  return {
    included: look('include', rule),
    excluded: look('exclude', rule),
    missing: look('require', isMissing),
  };
}
