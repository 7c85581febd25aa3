import type { SeenIdentity } from '../access/users/sessions.ts';
import { admitUser, recordSignIn } from '../access/users/users.ts';
import type { Tx } from '../database/database.ts';
import type { IdentityRow, SignInStateRow, UserRow } from '../database/tables.ts';
import { timestamp } from '../kernel/clock.ts';
import { newSessionNonce, newUuid } from '../kernel/ids.ts';
import { isBlocked } from '../portcullis/blocked-users/blocked-users.ts';
import { identitySubject, type Subject } from '../protocol/feed.ts';
import type { Head } from '../protocol/rev.ts';
import type { Change } from '../removal/act.ts';
import { beginMint, parentStands, wereRevoked } from '../removal/mint.ts';
import { wasEndedByProvider } from './backchannel-logout.ts';
import { isFresh, refuseStale } from './fresh-login.ts';
import { revOf, sessionItem, subjectsOf } from './lineage.ts';
import { type ProvenIdentity, provenEmail, seenIdentity } from './proven-identity.ts';
import { SignInRefused } from './refused.ts';
import { refuseRestored } from './restored.ts';
import { takingSeat } from './seat.ts';
import {
  findIdentity,
  insertIdentity,
  insertSession,
  listIdentitiesOf,
  listLineagesOf,
  type SessionLineage,
  takeState,
  updateIdentity,
} from './store.ts';

export interface FinishInput {
  readonly accountId: string;
  readonly stateId: string;
  readonly proven: ProvenIdentity;
  readonly providerType: string;
  readonly linkByEmail: boolean;
  readonly acceptsStaleLogin: boolean;
  /** Milliseconds. */
  readonly sessionDuration: number;
  readonly now: number;
  readonly ip: string;
}

export interface FinishedSignIn {
  readonly session: SessionLineage;
  readonly returnTo: string;
  readonly applicationId: string | null;
}

/**
 * Mints the session of a sign-in (design §4.3): reading first, then the rows, then the question whether the
 * state's lineage still stands, and only then the session, with the state's own `rev`. The caller commits it
 * through commitAct, which asks the same question again after the counter row is locked.
 */
export async function finishSignIn(tx: Tx, input: FinishInput): Promise<Change<FinishedSignIn>> {
  const head = await beginMint(tx, input.accountId);
  await refuseRestored(tx);
  const state = await takeStateOf(tx, input);
  const email = provenEmail(input.proven);
  const identity = {
    provider_id: state.provider_id,
    issuer: input.proven.issuer,
    subject: input.proven.subject,
  };
  const subjects: Subject[] = [
    { type: 'email', id: email },
    identitySubject(identity),
    { type: 'provider', id: state.provider_id },
  ];
  await refuseBlocked(tx, input.accountId, email);
  await refuseSuperseded(tx, { state, head, subjects });
  await refuseEndedByProvider(tx, { state, sid: input.proven.sid });
  const user = await admitUser(tx, {
    accountId: input.accountId,
    email,
    name: input.proven.name ?? '',
    now: timestamp(input.now),
  });
  // All of them again: whoever was deleting the person may have held the user until now.
  await refuseSuperseded(tx, { state, head, subjects: [...subjects, { type: 'user', id: user.id }] });
  // A provider that was pointed elsewhere says nothing of this person.
  const ofPerson = subjects.filter(({ type }) => type !== 'provider');
  if (await mustProve(tx, user, ofPerson)) refuseStale(input, state);
  // Read under the lock of the user: a first sign-in at the same moment may just have made it.
  const known = await findIdentity(tx, { ...identity, providerId: identity.provider_id });
  const linked = known ?? (await linkIdentity(tx, { input, state, userId: user.id, email }));
  if (linked.user_id !== user.id) throw new SignInRefused('email_changed');
  const seen = seenIdentity(input, { providerId: state.provider_id, userId: user.id, email });
  const claims = JSON.stringify(input.proven.claims);
  const now = timestamp(input.now);
  if (claims !== linked.claims) refuseOutdated(state, linked);
  const toldAt = Math.max(linked.told_at, head.position);
  const profile = JSON.stringify(seen);
  await updateIdentity(tx, linked.id, { profile, claims, told_at: toldAt, updated_at: now });
  // Policies are evaluated on what the provider said last: the person's other sessions through it change with it.
  const of = { accountId: input.accountId, identityId: linked.id, now };
  const changed = claims === linked.claims ? [] : await listLineagesOf(tx, of);
  const session = newSession(input, { state, identity: { ...linked, claims }, email, seen });
  const { email_key: _, issuer: __, subject: ___, claims: ____, ...row } = session;
  await insertSession(tx, row);
  // The last of it, since the count of seats stays locked from here on.
  await takingSeat(recordSignIn(tx, user, now));
  return {
    result: { session, returnTo: state.return_to, applicationId: state.application_id },
    items: [...changed, session].map(sessionItem),
    onlyAdds: changed.length === 0,
    audit: {
      action: 'user.sign_in',
      resource: { type: 'user', id: user.id },
      metadata: { session: session.nonce, provider_id: state.provider_id },
    },
    guard: async (later) => {
      // Once more: the revocation that comes with a block names none of its other spellings.
      await refuseBlocked(later, input.accountId, email);
      await refuseSuperseded(later, { state, head: null, subjects: subjectsOf(session) });
      await refuseEndedByProvider(later, { state, sid: session.provider_sid });
    },
  };
}

async function refuseBlocked(tx: Tx, accountId: string, email: string): Promise<void> {
  if (await isBlocked(tx, accountId, email)) throw new SignInRefused('user_blocked');
}

async function takeStateOf(tx: Tx, input: FinishInput): Promise<SignInStateRow> {
  const state = await takeState(tx, input.stateId);
  if (!state || state.account_id !== input.accountId) throw new SignInRefused('state_unknown');
  if (state.expires_at <= timestamp(input.now)) throw new SignInRefused('state_expired');
  return state;
}

/** A removal that came after the state was made ends this sign-in; the person starts again (schedules 2, 3). */
async function refuseSuperseded(
  tx: Tx,
  { state, head, subjects }: { state: SignInStateRow; head: Head | null; subjects: readonly Subject[] },
): Promise<void> {
  const { account_id: accountId } = state;
  const now = head ?? (await beginMint(tx, accountId));
  if (!(await parentStands(tx, { accountId, rev: revOf(state), head: now, subjects }))) {
    throw new SignInRefused('superseded');
  }
}

/** The provider has ended the session that it proved, by its back channel: the person starts again there. */
async function refuseEndedByProvider(
  tx: Tx,
  { state, sid }: { state: SignInStateRow; sid: string | null },
): Promise<void> {
  if (await wasEndedByProvider(tx, { providerId: state.provider_id, sid })) {
    throw new SignInRefused('superseded');
  }
}

/** Whether this is the first sign-in after a revocation: of the user, or of one with this e-mail who was deleted. */
async function mustProve(
  tx: Tx,
  user: Pick<UserRow, 'account_id' | 'reauthenticate' | 'last_successful_login'>,
  subjects: readonly Subject[],
): Promise<boolean> {
  if (user.reauthenticate === 1) return true;
  return user.last_successful_login === null && (await wereRevoked(tx, user.account_id, subjects));
}

/**
 * The first identity of a user links by e-mail. A second subject at the same provider, or a second provider
 * without `link_by_email`, does not: whoever can make such an account would become the person.
 */
async function linkIdentity(
  tx: Tx,
  { input, state, userId }: { input: FinishInput; state: SignInStateRow; userId: string; email: string },
): Promise<IdentityRow> {
  const others = await listIdentitiesOf(tx, userId);
  if (others.some((other) => other.provider_id === state.provider_id))
    throw new SignInRefused('subject_mismatch');
  if (others.length > 0 && !input.linkByEmail) throw new SignInRefused('link_refused');
  const now = timestamp(input.now);
  const identity: IdentityRow = {
    id: newUuid(),
    account_id: input.accountId,
    user_id: userId,
    provider_id: state.provider_id,
    issuer: input.proven.issuer,
    subject: input.proven.subject,
    profile: '{}',
    claims: '{}',
    told_at: -1,
    created_at: now,
    updated_at: now,
  };
  await insertIdentity(tx, identity);
  return identity;
}

/**
 * What a provider was asked before it told of this person last may be older than that: it must not bring back a group
 * that was taken away since. The person starts again, and is asked for anew.
 */
function refuseOutdated(state: SignInStateRow, linked: IdentityRow): void {
  if (state.position <= linked.told_at) throw new SignInRefused('superseded');
}

function newSession(
  input: FinishInput,
  {
    state,
    identity,
    email,
    seen,
  }: { state: SignInStateRow; identity: IdentityRow; email: string; seen: SeenIdentity },
): SessionLineage {
  return {
    nonce: newSessionNonce(),
    account_id: input.accountId,
    user_id: identity.user_id,
    identity_id: identity.id,
    provider_id: identity.provider_id,
    epoch: state.epoch,
    position: state.position,
    identity: JSON.stringify(seen),
    issued_at: timestamp(input.now),
    // Counted from the time read with `rev`, so that nothing outlives the pruning of the feed (schedule 19).
    expires_at: timestamp(
      Math.min(Date.parse(state.created_at) + input.sessionDuration, input.proven.endsAt ?? Infinity),
    ),
    email_key: email,
    issuer: identity.issuer,
    subject: identity.subject,
    claims: identity.claims,
    amr: JSON.stringify(input.proven.amr),
    provider_sid: input.proven.sid,
    parent_nonce: null,
    fresh_login: isFresh(input, state) ? 1 : 0,
  };
}
