import { errors, type JWTPayload, jwtVerify } from 'jose';
import type { OidcProvider } from '../access/identity-providers/opened.ts';
import { type Clock, MINUTE, SECOND } from '../kernel/clock.ts';
import type { KeySet, ProviderKeys } from './provider-keys.ts';

/** What a logout token asks for, checked. At least one of `sub` and `sid` is there. */
export interface LogoutOrder {
  readonly jti: string;
  readonly sub: string | null;
  readonly sid: string | null;
}

/** A token that is not what it has to be; the message says so to the provider. */
export class LogoutRefused extends Error {}

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];

/** How long after it was made a token is taken, also where it names no end. */
const LONGEST_AGE = 10 * MINUTE;
const SKEW = MINUTE;

/** For how long a token has to be remembered so that it cannot come twice. */
export const REMEMBERED_FOR = LONGEST_AGE + 3 * SKEW;

/** Types that a token of another use would have; those that older providers send instead of `logout+jwt` are not. */
const TYPES: ReadonlySet<string | undefined> = new Set([
  'logout+jwt',
  'application/logout+jwt',
  'jwt',
  undefined,
]);

/**
 * Checks a logout token (OpenID Connect Back-Channel Logout §2.6; standards §3.2): signature by a published key of the
 * pinned provider, issuer, audience, age, and that it is no ID token. Throws LogoutRefused, or KeysUnavailable.
 */
export async function readLogoutToken(
  token: string,
  { provider, keys, clock }: { provider: OidcProvider; keys: ProviderKeys; clock: Clock },
): Promise<LogoutOrder> {
  const verify = async (set: KeySet) =>
    await jwtVerify(token, set, {
      algorithms: ALGORITHMS,
      issuer: provider.issuer,
      audience: provider.clientId,
      currentDate: new Date(clock.now()),
      clockTolerance: SKEW / SECOND,
      maxTokenAge: LONGEST_AGE / SECOND,
      requiredClaims: ['iat', 'jti', 'events'],
    });
  try {
    const { payload, protectedHeader } = await keys.with(provider.certsUrl, verify);
    if (!TYPES.has(protectedHeader.typ?.toLowerCase()))
      throw new LogoutRefused('the token is of another type');
    return readOrder(payload);
  } catch (error) {
    if (error instanceof errors.JOSEError) throw new LogoutRefused(error.message);
    throw error;
  }
}

function readOrder(payload: JWTPayload): LogoutOrder {
  const { jti, sub, sid, events } = payload;
  if (Object.hasOwn(payload, 'nonce')) throw new LogoutRefused('a logout token has no nonce');
  if (!isEvent(events)) throw new LogoutRefused(`events has no ${EVENT}`);
  if (!isName(jti)) throw new LogoutRefused('jti is no identifier');
  if (sub === undefined && sid === undefined) throw new LogoutRefused('neither sub nor sid');
  return { jti, sub: readName('sub', sub), sid: readName('sid', sid) };
}

function isEvent(events: unknown): boolean {
  if (events === null || typeof events !== 'object' || !Object.hasOwn(events, EVENT)) return false;
  const event = (events as Record<string, unknown>)[EVENT];
  return event !== null && typeof event === 'object' && !Array.isArray(event);
}

function readName(claim: string, value: unknown): string | null {
  if (value === undefined) return null;
  if (!isName(value)) throw new LogoutRefused(`${claim} is no identifier`);
  return value;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 255 && value.isWellFormed() && /^\P{Cc}+$/u.test(value);
}
