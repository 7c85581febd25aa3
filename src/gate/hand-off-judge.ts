import { DAY } from '../kernel/clock.ts';
import { parseDuration } from '../kernel/duration.ts';
import { admits, createMatcher, type Evaluation, isMeantFor, type Truth } from '../policy/evaluate.ts';
import type { RuleIndexes } from '../policy/rule-index.ts';
import type { NamedSets, PersonIdentity, Policy, Rule, RuleLists } from '../policy/rules.ts';
import type { ApplicationState } from '../protocol/state.ts';

/** A person on the way to an application, at the team domain. */
export interface OnTheWay {
  readonly application: ApplicationState;
  readonly identity: PersonIdentity;
  readonly ip: string;
}

export type HandOffJudge = (policies: readonly Policy[], who: OnTheWay) => Evaluation;

interface Judged {
  readonly policy: Policy;
  readonly truth: Truth;
}

/**
 * Judges where neither the client certificate of the connection to the application, nor the device that proves itself
 * there, nor the word of external services is known. Only what is certain counts: a deny that applies whatever those are, or that nothing can admit. Whoever
 * is not refused here is judged by the gate, at each request, with everything known. Of several policies that may
 * admit, the one with the shortest session is named, so that nobody has more than the one that will.
 */
export function createHandOffJudge({
  sets,
  indexes,
}: {
  sets: NamedSets;
  indexes: RuleIndexes;
}): HandOffJudge {
  const open = createOpener();
  const opened: NamedSets = {
    group: (id) => {
      const group = sets.group(id);
      return group && open(group);
    },
    list: (id) => sets.list(id),
    posture: (id) => sets.posture(id),
  };
  return (policies, { application, identity, ip }) => {
    const surroundings = { ip, certificate: null, device: null };
    const matcher = createMatcher({ identity, surroundings, sets: opened, answers: null, indexes });
    const judged = policies
      .filter((policy) => isMeantFor(policy, identity))
      .map((policy) => ({ policy, truth: matcher.lists(open(policy)) }));
    const denied = first(judged.filter(({ policy, truth }) => !admits(policy) && truth === true));
    if (denied) return answer('deny', 'policy_deny', denied.policy);
    const chosen = shortest(mayAdmit(judged), application);
    return chosen ? answer('allow', 'policy_allow', chosen) : answer('deny', 'no_policy_matched', null);
  };
}

/** The policies of which one will admit, if any: up to the first that does so for certain. */
function mayAdmit(judged: readonly Judged[]): Policy[] {
  const admitting = judged.filter(({ policy, truth }) => admits(policy) && truth !== false);
  const certain = first(admitting.filter(({ truth }) => truth === true));
  const before = admitting.filter(({ policy }) => !certain || order(policy, certain.policy) <= 0);
  return before.map(({ policy }) => policy);
}

function first(judged: readonly Judged[]): Judged | undefined {
  return judged.toSorted((one, other) => order(one.policy, other.policy))[0];
}

/** As evaluate.ts weighs them. */
function order(one: Policy, other: Policy): number {
  return one.precedence - other.precedence || (one.id < other.id ? -1 : Number(one.id > other.id));
}

function shortest(policies: readonly Policy[], { session_duration: usual }: ApplicationState): Policy | null {
  const length = ({ session_duration: own }: Policy) =>
    (own === null ? null : parseDuration(own)) ?? usual ?? DAY;
  return policies.toSorted((one, other) => length(one) - length(other) || order(one, other))[0] ?? null;
}

function answer(
  verdict: Evaluation['verdict'],
  reason: Evaluation['reason'],
  policy: Policy | null,
): Evaluation {
  const sessionDuration = verdict === 'allow' ? (policy?.session_duration ?? null) : null;
  return { verdict, reason, policy: policy?.id ?? null, sessionDuration, questions: [] };
}

/** What nobody has an answer to: `external_evaluation` without answers is neither true nor false. */
const UNKNOWN: Rule = { external_evaluation: { evaluate_url: '', keys_url: '' } };

/** Puts UNKNOWN in the place of rules about certificates and devices; what was made is kept for as long as what it was made of. */
function createOpener(): (lists: RuleLists) => RuleLists {
  const known = new WeakMap<readonly Rule[], readonly Rule[]>();
  const open = (rules: readonly Rule[]) => {
    const opened = known.get(rules) ?? (rules.some(isProvenThere) ? rules.map(toOpen) : rules);
    known.set(rules, opened);
    return opened;
  };
  return ({ include, exclude, require }) => ({
    include: open(include),
    exclude: open(exclude),
    require: open(require),
  });
}

function toOpen(rule: Rule): Rule {
  return isProvenThere(rule) ? UNKNOWN : rule;
}

function isProvenThere(rule: Rule): boolean {
  return 'certificate' in rule || 'common_name' in rule || 'device_posture' in rule;
}
