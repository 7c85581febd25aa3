import { MINUTE } from '../kernel/clock.ts';
import { ASSERTION_SECONDS } from '../protocol/claims.ts';
import { type Credential, endOf, type Visitor } from './decide.ts';
import type { Destination } from './state.ts';

/** Signs claims with the account's gate key, as an assertion; resolves to the compact JWS. */
export type AssertionSigner = (accountId: string, claims: Record<string, unknown>) => Promise<string>;

/** Whom an application is told of, and until when that can be true. */
export interface Told {
  readonly destination: Destination;
  readonly credential: Credential;
  readonly visitor: Visitor;
  readonly now: number;
}

/** Makes `Cf-Access-Jwt-Assertion`: what an application is told of its visitor, for five minutes at most. */
export interface Assertions {
  /** The one made for this visitor and application within the last minute; null if one has to be made. */
  recall(told: Told): string | null;
  /** Makes one, for `recall` to find. */
  make(told: Told): Promise<void>;
}

const REUSE_FOR = MINUTE;
const MOST_KEPT = 20_000;

export function createAssertions(
  sign: AssertionSigner,
  { scheme }: { scheme: 'http' | 'https' },
): Assertions {
  const kept = new Map<string, { at: number; assertion: string }>();
  const making = new Map<string, Promise<void>>();

  const keep = (key: string, at: number, assertion: string) => {
    const oldest = kept.size >= MOST_KEPT ? kept.keys().next().value : undefined;
    if (oldest !== undefined) kept.delete(oldest);
    kept.set(key, { at, assertion });
  };

  const signFor = async (key: string, told: Told) => {
    const { accountId } = told.destination.account;
    keep(key, told.now, await sign(accountId, claimsOf(told, scheme)));
  };

  return {
    recall: (told) => {
      const known = kept.get(keyOf(told));
      return known && told.now >= known.at && told.now - known.at < REUSE_FOR ? known.assertion : null;
    },
    make: (told) => {
      const key = keyOf(told);
      const running = making.get(key) ?? signFor(key, told).finally(() => making.delete(key));
      making.set(key, running);
      return running;
    },
  };
}

/** Tokens of different readings do not share one: what was made before a removal is not handed out after it. */
function keyOf({ destination: { application }, credential, visitor }: Told): string {
  if (credential.kind === 'session' && visitor.kind === 'user') {
    const { epoch, position } = credential.token.applicationRev ?? { epoch: 0, position: 0 };
    return `${visitor.session.nonce} ${application.id} ${epoch} ${position}`;
  }
  return `${visitor.kind === 'service' ? visitor.serviceToken.id : ''} ${application.id}`;
}

function claimsOf({ destination, credential, visitor, now }: Told, scheme: string): Record<string, unknown> {
  const { account, application } = destination;
  const iat = Math.floor(now / 1000);
  return {
    type: 'app',
    aud: [application.aud],
    ...naming(visitor),
    iss: `${scheme}://${account.organization?.auth_domain ?? ''}`,
    iat,
    nbf: iat,
    exp: Math.min(iat + ASSERTION_SECONDS, Math.floor(endOf(credential, visitor) / 1000)),
  };
}

/** Who it is, as Cloudflare's tokens say it of a person and of a service token (reference §5). */
function naming(visitor: Visitor): Record<string, unknown> {
  if (visitor.kind === 'service') return { common_name: visitor.serviceToken.client_id, sub: '' };
  const { email, user_id: sub, nonce } = visitor.session;
  return { email, sub, identity_nonce: nonce };
}
