import { emailDomain } from '../kernel/email.ts';
import type { Identity, Policy, Rule } from './rules.ts';

/** What policies say of an identity, and which of them said it. */
export interface Evaluation {
  readonly verdict: 'allow' | 'deny';
  readonly reason: 'policy_allow' | 'policy_deny' | 'no_policy_matched';
  /** The policy that decided, by id. */
  readonly policy: string | null;
  /** Of the policy that allowed; null leaves it to the application. */
  readonly sessionDuration: string | null;
}

/**
 * Decides for an identity. A policy applies if one of its include rules matches, none of its exclude rules,
 * and all of its require rules. Any applicable deny outweighs every allow, wherever it stands; of several
 * that agree, the one of lowest precedence is named, and among equals the one of lowest id. Without an
 * applicable policy the answer is deny. Pure and total; the order of the policies does not matter.
 */
export function evaluate(policies: readonly Policy[], identity: Identity): Evaluation {
  const subject: Subject = { email: identity.email, domain: emailDomain(identity.email) };
  let chosen: Policy | null = null;
  for (const policy of policies) {
    if (outweighs(policy, chosen) && applies(policy, subject)) chosen = policy;
  }
  if (chosen === null) return NO_POLICY;
  if (chosen.decision !== 'allow') {
    return { verdict: 'deny', reason: 'policy_deny', policy: chosen.id, sessionDuration: null };
  }
  return {
    verdict: 'allow',
    reason: 'policy_allow',
    policy: chosen.id,
    sessionDuration: chosen.session_duration,
  };
}

const NO_POLICY: Evaluation = {
  verdict: 'deny',
  reason: 'no_policy_matched',
  policy: null,
  sessionDuration: null,
};

interface Subject {
  readonly email: string;
  readonly domain: string;
}

/** Anything but an allow weighs as a deny. */
function outweighs(policy: Policy, chosen: Policy | null): boolean {
  if (chosen === null) return true;
  const isAllow = policy.decision === 'allow';
  if (isAllow !== (chosen.decision === 'allow')) return !isAllow;
  if (policy.precedence !== chosen.precedence) return policy.precedence < chosen.precedence;
  return policy.id < chosen.id;
}

function applies({ include, exclude, require }: Policy, subject: Subject): boolean {
  return matchesAny(include, subject) && !matchesAny(exclude, subject) && matchesAll(require, subject);
}

function matchesAny(rules: readonly Rule[], subject: Subject): boolean {
  for (const rule of rules) if (matches(rule, subject)) return true;
  return false;
}

function matchesAll(rules: readonly Rule[], subject: Subject): boolean {
  for (const rule of rules) if (!matches(rule, subject)) return false;
  return true;
}

function matches(rule: Rule, subject: Subject): boolean {
  if ('email' in rule) return rule.email.email === subject.email;
  if ('email_domain' in rule) return rule.email_domain.domain === subject.domain;
  return 'everyone' in rule;
}
