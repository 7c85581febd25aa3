import { type BoundedMap, createBoundedMap } from '../kernel/bounded-map.ts';
import { MINUTE } from '../kernel/clock.ts';
import { ASSERTION_SECONDS } from '../protocol/claims.ts';
import { type Credential, endOf } from './decide.ts';
import type { Destination } from './state.ts';
import type { Visitor } from './visitor.ts';

/** Signs claims with the account's gate key, as an assertion; resolves to the compact JWS. */
export type AssertionSigner = (accountId: string, claims: Record<string, unknown>) => Promise<string>;

/** Whom an application is told of, and until when that can be true. */
export interface Told {
  readonly destination: Destination;
  /** null: a client certificate spoke for itself. */
  readonly credential: Credential | null;
  readonly visitor: Visitor;
  readonly now: number;
}

/** Makes `Cf-Access-Jwt-Assertion`: what an application is told of its visitor, for five minutes at most. */
export interface Assertions {
  /** The one made for this visitor and application within the last minutes; null if one has to be made. */
  recall(told: Told): string | null;
  /** Makes one, for `recall` to find. */
  make(told: Told): Promise<void>;
}

/** Whoever gets it has two minutes left for it at least. */
const REUSE_FOR = 3 * MINUTE;
const MOST_APPLICATIONS_KEPT = 100;

interface Kept {
  readonly at: number;
  readonly assertion: string;
}

export function createAssertions(
  sign: AssertionSigner,
  { scheme }: { scheme: 'http' | 'https' },
): Assertions {
  // By what proved the visitor: with the verified token, or the service token's state, its assertions go as well; of a
  // certificate, which is nothing that is removed, they last as long as it is remembered.
  const kept = new WeakMap<object, BoundedMap<string, Kept>>();
  const making = new WeakMap<object, Map<string, Promise<void>>>();

  const make = async (told: Told) => {
    const { account, application } = told.destination;
    const assertion = await sign(account.accountId, claimsOf(told, scheme));
    const known = kept.get(proofOf(told)) ?? createBoundedMap(MOST_APPLICATIONS_KEPT);
    known.set(application.id, { at: told.now, assertion });
    kept.set(proofOf(told), known);
  };

  return {
    recall: (told) => {
      const known = kept.get(proofOf(told))?.get(told.destination.application.id);
      return known && told.now >= known.at && told.now - known.at < REUSE_FOR ? known.assertion : null;
    },
    make: (told) => {
      const { id } = told.destination.application;
      const running = making.get(proofOf(told)) ?? new Map<string, Promise<void>>();
      making.set(proofOf(told), running);
      const one = running.get(id) ?? make(told).finally(() => running.delete(id));
      running.set(id, one);
      return one;
    },
  };
}

/** A token of another reading is another proof: what was made before a removal is not handed out after it. */
function proofOf({ credential, visitor }: Told): object {
  if (credential?.kind === 'session') return credential.token;
  if (credential?.kind === 'device' && visitor.kind === 'user') return visitor.session;
  if (visitor.kind === 'service') return visitor.serviceToken;
  if (visitor.kind === 'certificate') return visitor.identity;
  throw new TypeError('nobody is told of whoever proved nothing');
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

/** Who it is, as Cloudflare's tokens say it of a person, a service token or a certificate (reference §5). */
function naming(visitor: Visitor): Record<string, unknown> {
  if (visitor.kind === 'service') return { common_name: visitor.serviceToken.client_id, sub: '' };
  if (visitor.kind === 'certificate') return { common_name: visitor.commonName ?? '', sub: '' };
  if (visitor.kind === 'anyone') throw new TypeError('nobody is told of whoever proved nothing');
  const { email, user_id: sub, nonce } = visitor.session;
  return { email, sub, identity_nonce: nonce };
}
