import { parseAddress } from '../kernel/address.ts';
import { meetsPosture } from './posture.ts';
import { hasAnyKey, isOfIdentity, keyOf, type RuleIndexes, toKeys } from './rule-index.ts';
import type {
  ExternalQuestion,
  Identity,
  NamedSets,
  Policy,
  Rule,
  RuleLists,
  Surroundings,
} from './rules.ts';

/** What policies say of an identity, and which of them said it. */
export interface Evaluation {
  readonly verdict: 'allow' | 'deny';
  readonly reason: 'policy_allow' | 'policy_bypass' | 'policy_deny' | 'no_policy_matched';
  /** The policy that decided, by id. */
  readonly policy: string | null;
  /** Of the policy that allowed; null leaves it to the application. */
  readonly sessionDuration: string | null;
  /** What has to be asked elsewhere first: with any of these, the verdict is not one yet. */
  readonly questions: readonly ExternalQuestion[];
}

/** Everything that a policy is evaluated on. */
export interface Asked {
  readonly identity: Identity;
  readonly surroundings: Surroundings;
  readonly sets: NamedSets;
  readonly answers: Answers;
  readonly indexes: RuleIndexes;
}

/**
 * What external services said, by `questionKey`; null for one that did not answer as it should. Null itself is an empty
 * map: nobody was asked yet.
 */
export type Answers = ReadonlyMap<string, boolean | null> | null;

/** null: it cannot be known. What rests on it admits nobody, and denies (Kleene's three values). */
export type Truth = boolean | null;

/**
 * Decides for an identity. A policy applies if it is meant for such an identity, one of its include rules
 * matches, none of its exclude rules, and all of its require rules. Any applicable deny outweighs everything
 * that admits, wherever it stands; of several that agree, the one of lowest precedence is named, and among
 * equals the one of lowest id. Without an applicable policy the answer is deny. Pure and total; the order of
 * the policies does not matter, as long as no group lies within itself, which is refused when it is written.
 */
export function evaluate(policies: readonly Policy[], asked: Asked): Evaluation {
  const matcher = createMatcher(asked);
  let chosen: Policy | null = null;
  for (const policy of policies) {
    if (!isMeantFor(policy, asked.identity)) continue;
    if (outweighs(policy, chosen) && matcher.applies(policy)) chosen = policy;
  }
  const { questions } = matcher;
  if (chosen === null) {
    return { verdict: 'deny', reason: 'no_policy_matched', policy: null, sessionDuration: null, questions };
  }
  const { id: policy, session_duration: duration, decision } = chosen;
  if (!admits(chosen)) {
    return { verdict: 'deny', reason: 'policy_deny', policy, sessionDuration: null, questions };
  }
  const reason = decision === 'bypass' ? 'policy_bypass' : 'policy_allow';
  return { verdict: 'allow', reason, policy, sessionDuration: duration, questions };
}

/** By which an answer of an external service is found again. */
export function questionKey({ evaluate_url: evaluateUrl, keys_url: keysUrl }: ExternalQuestion): string {
  return `${evaluateUrl} ${keysUrl}`;
}

/** Who is let in by which decision; a deny, and anything that is none of these, concerns everybody. */
const ADMITTED_BY: Readonly<Record<Identity['kind'], string>> = {
  person: 'allow',
  service: 'non_identity',
  certificate: 'non_identity',
  nobody: 'bypass',
};

/** Whether a policy says anything of such an identity. */
export function isMeantFor(policy: Policy, { kind }: Identity): boolean {
  return !admits(policy) || policy.decision === ADMITTED_BY[kind];
}

/** Anything else weighs as a deny. */
export function admits({ decision }: Pick<Policy, 'decision'>): boolean {
  return decision === 'allow' || decision === 'non_identity' || decision === 'bypass';
}

function outweighs(policy: Policy, chosen: Policy | null): boolean {
  if (chosen === null) return true;
  if (admits(policy) !== admits(chosen)) return !admits(policy);
  if (policy.precedence !== chosen.precedence) return policy.precedence < chosen.precedence;
  return policy.id < chosen.id;
}

/** Matches rules against one identity and where it comes from. */
export interface Matcher {
  /** Whether a policy applies; one that cannot be known applies if it denies, and not if it admits. */
  applies(policy: Policy): boolean;
  lists(lists: RuleLists): Truth;
  rule(rule: Rule): Truth;
  /** What was met and is not answered yet. */
  readonly questions: readonly ExternalQuestion[];
}

export function createMatcher({ identity, surroundings, sets, answers, indexes }: Asked): Matcher {
  const keys = withCertificate(indexes.keysOf(identity), surroundings);
  const isNobody = identity.kind === 'nobody';
  const groups = new Map<string, Truth>();
  const questions: ExternalQuestion[] = [];
  const address = parseAddress(surroundings.ip);

  const rule = (one: Rule): Truth => {
    if ('everyone' in one) return true;
    const key = keyOf(one);
    if (key === null) return unkeyed(one);
    if (keys.has(key)) return true;
    return isNobody && isOfIdentity(one) ? null : false;
  };

  const unkeyed = (one: Rule): Truth => {
    if ('group' in one) return group(one.group.id);
    if ('ip' in one) return address !== null && indexes.blockOf(one).has(address);
    if ('ip_list' in one) return isListed(one.ip_list.id, 'ip', surroundings.ip);
    if (isNobody) return null;
    if ('email_list' in one) {
      return identity.kind === 'person' ? isListed(one.email_list.id, 'email', identity.email) : false;
    }
    if ('device_posture' in one) return posture(one.device_posture.integration_uid);
    return 'external_evaluation' in one ? answerTo(one.external_evaluation) : null;
  };

  const isListed = (id: string, type: 'email' | 'ip', value: string): Truth => {
    const list = sets.list(id);
    return list?.type === type ? list.has(value) : null;
  };

  const posture = (id: string): Truth => {
    const rule = sets.posture(id);
    if (!rule) return null;
    const { device } = surroundings;
    return device !== null && meetsPosture(rule, device, sets.list);
  };

  const answerTo = (question: ExternalQuestion): Truth => {
    const answer = answers?.get(questionKey(question));
    if (answer === undefined) questions.push(question);
    return answer ?? null;
  };

  const group = (id: string): Truth => {
    const known = groups.get(id);
    if (known !== undefined) return known;
    // A group within itself is refused when it is written; should there be one, it cannot be known.
    groups.set(id, null);
    const found = sets.group(id);
    const truth = found ? lists(found) : null;
    groups.set(id, truth);
    return truth;
  };

  const any = (rules: readonly Rule[]): Truth => {
    if (rules.length === 0) return false;
    const index = indexes.indexOf(rules);
    if (index.everyone || hasAnyKey(index, keys)) return true;
    if (address !== null && index.blocks.has(address)) return true;
    let truth: Truth = isNobody && index.asksIdentity ? null : false;
    for (const one of index.others) {
      const matched = unkeyed(one);
      if (matched === true) return true;
      if (matched === null) truth = null;
    }
    return truth;
  };

  const all = (rules: readonly Rule[]): Truth => {
    if (rules.length === 0) return true;
    const index = indexes.indexOf(rules);
    if (!(address === null ? index.hasNoBlocks : index.blocks.allHave(address))) return false;
    let truth: Truth = true;
    for (const key of index.keys) {
      if (keys.has(key)) continue;
      if (!isNobody || !index.identityKeys.has(key)) return false;
      truth = null;
    }
    for (const one of index.others) {
      const matched = unkeyed(one);
      if (matched === false) return false;
      if (matched === null) truth = null;
    }
    return truth;
  };

  const lists = ({ include, exclude, require }: RuleLists): Truth => {
    const isIncluded = any(include);
    if (isIncluded === false) return false;
    const isExcluded = any(exclude);
    if (isExcluded === true) return false;
    const hasRequired = all(require);
    if (hasRequired === false) return false;
    return isIncluded && isExcluded === false && hasRequired ? true : null;
  };

  return {
    lists,
    rule,
    questions,
    applies: (policy) => {
      const truth = lists(policy);
      // Of nobody, a deny that asks who they are says nothing: else no bypass could stand beside it.
      return truth === null ? !admits(policy) && !isNobody : truth;
    },
  };
}

/** The same with what is true of where the request comes from. */
function withCertificate(keys: ReadonlySet<string>, { certificate }: Surroundings): ReadonlySet<string> {
  if (!certificate) return keys;
  const { commonName } = certificate;
  const rules: Rule[] = [
    { certificate: {} },
    ...(commonName === null ? [] : [{ common_name: { common_name: commonName } }]),
  ];
  return new Set([...keys, ...toKeys(rules)]);
}
