import { parseRev, type Rev, type RevClaim } from './rev.ts';

/** RS256 only, as Cloudflare signs (reference §5); any other `alg` is refused before a key is looked up. */
export const ALGORITHM = 'RS256';

/** Header `typ` of session and application tokens, of assertions, and of questions to services of others: none is ever taken for another. */
export const TOKEN_TYPE = 'JWT';
export const ASSERTION_TYPE = 'assertion+jwt';
export const QUESTION_TYPE = 'external-evaluation+jwt';

/** An assertion lives at most this long: how far behind an application that validates offline can be. */
export const ASSERTION_SECONDS = 300;

/** Claims of the global session token (`org`) and of an application token (`app`), reference §5. */
export interface TokenClaims {
  readonly type: 'org' | 'app';
  readonly iss: string;
  readonly aud: readonly string[];
  readonly sub: string;
  readonly email: string;
  readonly identity_nonce: string;
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
  /** The lineage's reading: account, user, identity, session, provider. */
  readonly rev: RevClaim;
  /** The application's own reading, in application tokens. */
  readonly app_rev?: RevClaim;
  /** SHA-256 of the value of `CF_Binding`, where the application binds its tokens to the browser. */
  readonly binding?: string;
}

/** A verified token, ready to be judged. */
export interface SessionToken {
  readonly type: 'org' | 'app';
  readonly audience: string;
  readonly userId: string;
  readonly email: string;
  readonly sessionNonce: string;
  readonly expiresAt: number;
  readonly rev: Rev;
  readonly applicationRev: Rev | null;
  /** SHA-256 of the cookie that has to come along; null if it was issued without one. */
  readonly binding: string | null;
}

/**
 * Reads the claims of a token whose signature, issuer and type are already verified; null if anything is
 * missing or of an odd shape. `expiresAt` is in milliseconds.
 */
export function readClaims(payload: Record<string, unknown>): SessionToken | null {
  const { type, aud, sub, email, identity_nonce: nonce, exp } = payload;
  const rev = parseRev(payload.rev);
  const applicationRev = parseRev(payload.app_rev);
  if (type !== 'org' && type !== 'app') return null;
  if (!Array.isArray(aud) || aud.length !== 1 || !isText(aud[0])) return null;
  if (!isText(sub) || !isText(email) || !isText(nonce) || !Number.isSafeInteger(exp)) return null;
  if (!rev || (type === 'app' && !applicationRev)) return null;
  return {
    type,
    audience: aud[0],
    userId: sub,
    email,
    sessionNonce: nonce,
    expiresAt: (exp as number) * 1000,
    rev,
    applicationRev,
    binding: isText(payload.binding) ? payload.binding : null,
  };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
