import type { JsonObject } from '../kernel/json.ts';
import type { Rev } from './rev.ts';

/**
 * What a revocation can name. An `email` is a normalised key, an `identity` the key of identitySubject. `devices` has a
 * user's id: something of their devices ended, and no sign-in from before enrols another. Gates have no use for it.
 */
export type SubjectType =
  | 'account'
  | 'user'
  | 'email'
  | 'identity'
  | 'session'
  | 'application'
  | 'provider'
  | 'registration'
  | 'devices'
  | 'service_token'
  | 'gate';

export interface Subject {
  readonly type: SubjectType;
  readonly id: string;
}

/** The subject for one identity at a provider: the three parts that make it, none of which can be confused. */
export function identitySubject(identity: { provider_id: string; issuer: string; subject: string }): Subject {
  return { type: 'identity', id: JSON.stringify([identity.provider_id, identity.issuer, identity.subject]) };
}

/** A subject as one text, by which it is found. */
export function subjectKey({ type, id }: Subject): string {
  return `${type}:${id}`;
}

/** What a gate must know besides revocations: the newest state of an object, or that it is gone. */
export type StateKind =
  | 'organization'
  | 'application'
  | 'policy'
  | 'group'
  | 'list'
  | 'certificate'
  | 'custom_page'
  | 'provider'
  | 'session'
  | 'service_token'
  | 'registration'
  | 'posture_rule'
  | 'key';

/** What an act adds to the feed. All entries of one transaction share one position and are applied whole. */
export type FeedItem =
  | { readonly kind: 'revocation'; readonly subject: Subject }
  | { readonly kind: StateKind; readonly id: string; readonly state: JsonObject | null };

/** What one transaction told, with its place: what is applied as a whole. */
export interface FeedChange {
  readonly accountId: string;
  readonly at: Rev;
  readonly items: readonly FeedItem[];
}

/** The same, with its link to everything before it. */
export interface FeedBatch extends FeedChange {
  /** The account's chain with this batch in it (chain.ts). */
  readonly chain: string;
}

export function revocation(subject: Subject): FeedItem {
  return { kind: 'revocation', subject };
}
