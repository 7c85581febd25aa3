import type { SeenIdentity } from '../access/users/sessions.ts';
import { emailDomain, normaliseEmail } from '../kernel/email.ts';
import type { Claims } from '../policy/rules.ts';
import { SignInRefused } from './refused.ts';

/** What the provider said of the person, checked as its protocol demands, not yet believed as an identity. */
export interface ProvenIdentity {
  readonly issuer: string;
  readonly subject: string;
  readonly email: string | null;
  readonly emailVerified: boolean | null;
  readonly name: string | null;
  /** When the provider last authenticated the person: seconds since the epoch, by our clock. */
  readonly authTime: number | null;
  /** What policies may ask about, beside the e-mail. */
  readonly claims: Claims;
  /** How they proved themselves (RFC 8176). */
  readonly amr: readonly string[];
  /** The provider's own name for the session, by which it may end it. */
  readonly sid: string | null;
  /** When the provider wants the session to end at the latest, in milliseconds since the epoch. */
  readonly endsAt?: number | null;
}

/** The key of the e-mail. Refuses one that is missing, unreadable, or said not to be verified. */
export function provenEmail({ email, emailVerified }: ProvenIdentity): string {
  const key = email === null ? null : normaliseEmail(email);
  if (key === null || emailDomain(key) === '') throw new SignInRefused('email_missing');
  if (emailVerified === false) throw new SignInRefused('email_unverified');
  return key;
}

/** A display name as it is kept: short, well-formed, without control characters. */
export function shownName(name: string): string {
  return name
    .slice(0, 320)
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, ' ')
    .trim();
}

/** A sign-in, as far as get-identity tells of it. */
interface Seen {
  readonly accountId: string;
  readonly proven: ProvenIdentity;
  readonly providerType: string;
  readonly now: number;
  readonly ip: string;
}

/** What get-identity answers for the session (reference §4.5). */
export function seenIdentity(
  seen: Seen,
  { providerId, userId, email }: { providerId: string; userId: string; email: string },
): SeenIdentity {
  return {
    account_id: seen.accountId,
    auth_status: 'NONE',
    common_name: '',
    device_id: '',
    device_sessions: {},
    devicePosture: {},
    email,
    ...toldOf(seen),
    geo: {},
    iat: Math.floor(seen.now / 1000),
    idp: { id: providerId, type: seen.providerType },
    ip: seen.ip,
    is_gateway: false,
    is_warp: false,
    service_token_id: '',
    service_token_status: false,
    user_uuid: userId,
    version: 1,
  };
}

/** What the provider told, under the names that Cloudflare gives it. */
function toldOf({
  proven: { name, amr, claims },
  providerType,
}: Seen): Pick<SeenIdentity, 'name' | 'amr' | 'groups' | 'oidc_fields' | 'saml_attributes'> {
  const { groups, ...more } = claims;
  const told = providerType === 'saml' ? { saml_attributes: claims } : { oidc_fields: more };
  return {
    name: name ?? '',
    amr: [...amr],
    groups: [...(groups ?? claims.github_organizations ?? [])],
    ...told,
  };
}
