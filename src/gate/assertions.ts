import { MINUTE } from '../kernel/clock.ts';
import { ASSERTION_SECONDS } from '../protocol/claims.ts';
import type { SessionState } from '../protocol/state.ts';
import type { Destination } from './state.ts';

/** Signs claims with the account's gate key, as an assertion; resolves to the compact JWS. */
export type AssertionSigner = (accountId: string, claims: Record<string, unknown>) => Promise<string>;

/** Makes `Cf-Access-Jwt-Assertion`: what an application is told of the person, for five minutes at most. */
export interface Assertions {
  /** The one for this session and application; signed anew when the last is over a minute old. */
  of(destination: Destination, session: SessionState, now: number): Promise<string>;
}

const REUSE_FOR = MINUTE;
const MOST_KEPT = 20_000;

export function createAssertions(sign: AssertionSigner, options: { scheme: 'http' | 'https' }): Assertions {
  const kept = new Map<string, { at: number; assertion: Promise<string> }>();
  return {
    of: (destination, session, now) => {
      const key = `${session.nonce} ${destination.application.id}`;
      const known = kept.get(key);
      if (known && now >= known.at && now - known.at < REUSE_FOR) return known.assertion;
      const assertion = sign(
        destination.account.accountId,
        claimsOf(destination, session, { now, ...options }),
      );
      assertion.catch(() => kept.delete(key));
      const oldest = kept.size >= MOST_KEPT ? kept.keys().next().value : undefined;
      if (oldest !== undefined) kept.delete(oldest);
      kept.set(key, { at: now, assertion });
      return assertion;
    },
  };
}

function claimsOf(
  { account, application }: Destination,
  session: SessionState,
  { now, scheme }: { now: number; scheme: string },
): Record<string, unknown> {
  const iat = Math.floor(now / 1000);
  return {
    type: 'app',
    aud: [application.aud],
    email: session.email,
    sub: session.user_id,
    identity_nonce: session.nonce,
    iss: `${scheme}://${account.organization?.auth_domain ?? ''}`,
    iat,
    nbf: iat,
    exp: Math.min(iat + ASSERTION_SECONDS, Math.floor(session.expires_at / 1000)),
  };
}
