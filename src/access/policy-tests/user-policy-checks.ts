import type { Static } from 'typebox';
import type { Snapshot } from '../../database/database.ts';
import { normaliseEmail } from '../../kernel/email.ts';
import { refusal } from '../../kernel/errors.ts';
import type { Policy } from '../../policy/rules.ts';
import type { ApplicationState } from '../../protocol/state.ts';
import { applicationState, getApplication, type Place } from '../applications/applications.ts';
import type { SeenIdentity } from '../users/sessions.ts';
import type { UserPolicyChecks } from './contract.ts';
import { checkPerson } from './persons.ts';
import { readRuleWorld, reusablePolicies } from './rule-world.ts';
import { findSeenUser, type SeenUser } from './store.ts';

/** Who is to be checked: a user by id or e-mail; both only if they are the same. */
export interface CheckedUser {
  readonly userId: string | null;
  readonly email: string | null;
}

/** What the policies of an application say of a user as they were seen last, and which rule decided (reference §3.4). */
export async function checkUserPolicies(
  snapshot: Snapshot,
  { place, applicationId, who }: { place: Place; applicationId: string; who: CheckedUser },
): Promise<Static<typeof UserPolicyChecks>> {
  const { accountId } = place;
  const whole = await getApplication(snapshot, place, applicationId);
  const application = applicationState(whole);
  const user = await findUser(snapshot, accountId, who);
  const policies = await resolve(snapshot, accountId, application);
  const checked = checkPerson(policies, user, await readRuleWorld(snapshot, accountId));
  return {
    app_state: {
      app_uid: application.id,
      aud: application.aud,
      hostname: application.destinations[0]?.host ?? '',
      name: application.name,
      policies: checked.policies.map(({ rule, ...policy }) => ({ ...policy, rule: rule && { ...rule } })),
      status: checked.status,
      reason: checked.evaluation.reason,
      policy: checked.evaluation.policy,
    },
    user_identity: presentIdentity(accountId, user),
  };
}

async function findUser(snapshot: Snapshot, accountId: string, who: CheckedUser): Promise<SeenUser> {
  const emailKey = who.email === null ? null : normaliseEmail(who.email);
  const by = who.userId !== null ? { id: who.userId } : { emailKey: emailKey ?? '' };
  const user = await findSeenUser(snapshot, accountId, by);
  const isSame = user && (who.email === null || user.email_key === emailKey);
  if (!user || !isSame) {
    throw refusal('notFoundAccess', { detail: 'user not found; name one by user_id or email' });
  }
  return user;
}

async function resolve(
  snapshot: Snapshot,
  accountId: string,
  { policies }: ApplicationState,
): Promise<Policy[]> {
  const reusable = await reusablePolicies(snapshot, accountId);
  return policies.flatMap((policy) => {
    if (!('reusable' in policy)) return [policy];
    const linked = reusable.get(policy.reusable);
    return linked ? [{ ...linked, precedence: policy.precedence }] : [];
  });
}

function presentIdentity(accountId: string, { id, email, name, identity }: SeenUser) {
  const seen = identity ? (JSON.parse(identity.profile) as SeenIdentity) : null;
  return {
    id,
    account_id: accountId,
    device_sessions: {},
    email,
    geo: seen?.geo ?? {},
    ...(seen ? { iat: seen.iat } : {}),
    is_gateway: seen?.is_gateway ?? false,
    is_warp: seen?.is_warp ?? false,
    name,
    user_uuid: id,
    version: seen?.version ?? 1,
  };
}
