import { equalInConstantTime } from '../kernel/crypto.ts';
import type { SessionToken } from '../protocol/claims.ts';
import { parseRev } from '../protocol/rev.ts';
import type { ApplicationState, ServiceTokenState, SessionState } from '../protocol/state.ts';
import type { Asking, Credential, Reason } from './decide.ts';
import { acceptsDevices, ownDevice } from './device.ts';
import type { AccountState, Destination } from './state.ts';
import type { Visitor } from './visitor.ts';

/** Who is behind a credential, or why nobody is. */
export type Found = { readonly visitor: Visitor } | { readonly reason: Reason };

/** Who is behind a credential and stands now; without any it is a client certificate that speaks for itself. */
export function findVisitor(destination: Destination, credential: Credential | null, asking: Asking): Found {
  const { certificate } = asking.surroundings;
  if (credential?.kind === 'session') return findPerson(destination, credential, asking);
  if (credential?.kind === 'device') return findByDevice(destination, credential, asking);
  if (credential) return findService(destination.account, credential, asking.now);
  if (!certificate) return { reason: 'no_credential' };
  const { authorityId, commonName, endsAt: expiresAt } = certificate;
  const identity = destination.account.rules.certificateOf(certificate);
  return { visitor: { kind: 'certificate', identity, commonName, authorityId, expiresAt } };
}

/** Expiry, session, revocations of its lineage and of the application, binding, provider. */
function findPerson(
  { account, application }: Destination,
  { token, binding }: Extract<Credential, { kind: 'session' }>,
  asking: Asking,
): Found {
  if (token.type !== 'app' || token.audience !== application.aud || !token.applicationRev) {
    return { reason: 'credential_of_another_application' };
  }
  const standing = standingSession(account, token, asking.now);
  if ('reason' in standing) return standing;
  const ofApplication = account.lineages.ofApplication(application);
  if (!account.revocations.stands(token.applicationRev, ofApplication)) return { reason: 'revoked' };
  if (application.binding_cookie && !isBound(token, binding)) return { reason: 'binding_mismatch' };
  const { session } = standing;
  if (!allowsProvider(application, session.provider_id)) return { reason: 'provider_not_allowed' };
  const own = ownDevice(asking.device, session.user_id);
  return { visitor: { kind: 'user', session, ...(own ? { registrationId: own.id } : {}) } };
}

/**
 * A device session as a credential: the registration stands, and the session that came with it as any session does
 * (user, e-mail, identity, provider, account), whatever was revoked of either.
 */
function findByDevice(
  destination: Destination,
  { registrationId }: Extract<Credential, { kind: 'device' }>,
  { device, now }: Asking,
): Found {
  const { account, application } = destination;
  if (!acceptsDevices(destination) || device === null) return { reason: 'no_credential' };
  if ('reason' in device) return device;
  const { registration } = device;
  const session = account.sessions.get(registration.session_nonce);
  if (registration.id !== registrationId) return { reason: 'device_unknown' };
  if (!session || session.user_id !== registration.user_id) return { reason: 'session_unknown' };
  const standing = standsByItself(account, session, now);
  if ('reason' in standing) return standing;
  if (!allowsProvider(application, session.provider_id)) return { reason: 'provider_not_allowed' };
  return { visitor: { kind: 'user', session, registrationId } };
}

function isBound({ binding: bound }: SessionToken, sent: string | null): boolean {
  return bound !== null && bound !== '' && sent !== null && equalInConstantTime(bound, sent);
}

/** Positive state (design §4.4): whoever is not in the list of those that live is refused. */
function findService(
  { serviceTokens }: AccountState,
  { clientId, secretHash }: Extract<Credential, { kind: 'service_token' }>,
  now: number,
): Found {
  const serviceToken = serviceTokens.get(clientId);
  if (!serviceToken || !hasSecret(serviceToken, secretHash, now)) return { reason: 'service_token_unknown' };
  const { expires_at: end } = serviceToken;
  if (end !== null && !(now < end)) return { reason: 'service_token_expired' };
  return { visitor: { kind: 'service', serviceToken } };
}

function hasSecret(token: ServiceTokenState, secretHash: string, now: number): boolean {
  const isCurrentOne = equalInConstantTime(token.secret_hash, secretHash);
  const { previous } = token;
  const isPrevious = previous !== null && equalInConstantTime(previous.secret_hash, secretHash);
  return isCurrentOne || (isPrevious && now < previous.expires_at);
}

/**
 * Whether the session behind a verified token stands now: known, its provider known, of one lineage with
 * the token, and not revoked. Clocks take no part except for the expiry.
 */
export function standingSession(
  account: AccountState,
  token: SessionToken,
  now: number,
): { session: SessionState } | { reason: Reason } {
  if (!(now < token.expiresAt)) return { reason: 'credential_expired' };
  const session = account.sessions.get(token.sessionNonce);
  const rev = session ? parseRev(session.rev) : null;
  if (!session || !rev || session.user_id !== token.userId) return { reason: 'session_unknown' };
  const sameLineage = rev.epoch === token.rev.epoch && rev.position === token.rev.position;
  const standing = standsByItself(account, session, now);
  return 'session' in standing && !sameLineage ? { reason: 'revoked' } : standing;
}

/** The same of a session that is known by itself. */
function standsByItself(
  { providers, revocations, lineages }: AccountState,
  session: SessionState,
  now: number,
): { session: SessionState } | { reason: Reason } {
  const rev = parseRev(session.rev);
  if (!(now < session.expires_at)) return { reason: 'credential_expired' };
  if (!rev || !providers.has(session.provider_id)) return { reason: 'revoked' };
  return revocations.stands(rev, lineages.ofSession(session)) ? { session } : { reason: 'revoked' };
}

/** Which providers may sign people in is asked again at every request, like the policy. */
function allowsProvider({ allowed_idps: allowed }: ApplicationState, providerId: string): boolean {
  return allowed.length === 0 || allowed.includes(providerId);
}
