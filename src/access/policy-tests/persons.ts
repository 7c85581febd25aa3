import { evaluate } from '../../policy/evaluate.ts';
import { type Explanation, explain } from '../../policy/explain.ts';
import type { Claims, PersonIdentity, Policy } from '../../policy/rules.ts';
import type { SeenIdentity } from '../users/sessions.ts';
import type { RuleWorld } from './rule-world.ts';
import type { SeenUser } from './store.ts';

export type Status = 'approved' | 'blocked' | 'error';

/** What policies would say of a user, and why. */
export interface Checked extends Explanation {
  /** `error`: it rests on a service of somebody else's, which is asked at a real request alone. */
  readonly status: Status;
}

/**
 * Judges a user as they were seen last: the provider, its claims, how they proved themselves, and the address. Client
 * certificates are none of a person's, and a device proves itself at a request alone: rules that ask for one do not match. Of many policies, only some are explained.
 */
export function checkPerson(
  policies: readonly Policy[],
  user: SeenUser,
  { sets, indexes }: RuleWorld,
  most = policies.length,
): Checked {
  const surroundings = { ip: seenAddress(user), certificate: null, device: null };
  const asked = { identity: toPerson(user), surroundings, sets, indexes, answers: null };
  const evaluation = evaluate(policies, asked);
  // Whoever is let in without a question needs no policy of their own.
  const open = evaluate(policies, { ...asked, identity: { kind: 'nobody' } });
  const decided = open.verdict === 'allow' ? open : evaluation;
  const { policies: explained } = explain(toExplain(policies, decided.policy, most), asked);
  const told = { evaluation: decided, policies: explained };
  if (decided.verdict === 'allow' && decided.questions.length === 0) return { ...told, status: 'approved' };
  return { ...told, status: decided.questions.length > 0 ? 'error' : 'blocked' };
}

/** All of them; of more than are asked for the one that decided, or the first. */
function toExplain(policies: readonly Policy[], decider: string | null, most: number): readonly Policy[] {
  if (policies.length <= most) return policies;
  const deciding = policies.filter(({ id }) => id === decider);
  return deciding.length > 0 ? deciding : policies.slice(0, most);
}

function toPerson({ email_key: email, identity }: SeenUser): PersonIdentity {
  const known = { kind: 'person', email } as const;
  if (!identity) return { ...known, providerId: '', claims: {}, amr: [] };
  const claims = JSON.parse(identity.claims) as Claims;
  return { ...known, providerId: identity.provider_id, claims, amr: JSON.parse(identity.amr) as string[] };
}

function seenAddress({ identity }: SeenUser): string {
  return identity ? (JSON.parse(identity.profile) as SeenIdentity).ip : '';
}
