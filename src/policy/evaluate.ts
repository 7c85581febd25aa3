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
 * Decides for an identity. A policy applies if it is meant for such an identity, one of its include rules
 * matches, none of its exclude rules, and all of its require rules. Any applicable deny outweighs everything
 * that admits, wherever it stands; of several that agree, the one of lowest precedence is named, and among
 * equals the one of lowest id. Without an applicable policy the answer is deny. Pure and total; the order of
 * the policies does not matter.
 */
export function evaluate(policies: readonly Policy[], identity: Identity): Evaluation {
  const subject = toSubject(identity);
  let chosen: Policy | null = null;
  for (const policy of policies) {
    if (policy.decision === subject.notFor) continue;
    if (outweighs(policy, chosen) && applies(policy, subject)) chosen = policy;
  }
  if (chosen === null) return NO_POLICY;
  if (!admits(chosen)) {
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
  readonly email: string | null;
  readonly domain: string | null;
  readonly serviceTokenId: string | null;
  /** The decision that admits the other kind of identity, and says nothing of this one. */
  readonly notFor: 'allow' | 'non_identity';
}

function toSubject(identity: Identity): Subject {
  if ('serviceTokenId' in identity) {
    return { email: null, domain: null, serviceTokenId: identity.serviceTokenId, notFor: 'allow' };
  }
  const { email } = identity;
  return { email, domain: emailDomain(email), serviceTokenId: null, notFor: 'non_identity' };
}

/** Anything else weighs as a deny. */
function admits({ decision }: Policy): boolean {
  return decision === 'allow' || decision === 'non_identity';
}

function outweighs(policy: Policy, chosen: Policy | null): boolean {
  if (chosen === null) return true;
  if (admits(policy) !== admits(chosen)) return !admits(policy);
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
  if ('service_token' in rule) return rule.service_token.token_id === subject.serviceTokenId;
  if ('any_valid_service_token' in rule) return subject.serviceTokenId !== null;
  return 'everyone' in rule;
}
