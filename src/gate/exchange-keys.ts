import type { FeedItem, Subject } from '../protocol/feed.ts';
import { subjectKey } from '../protocol/feed.ts';
import type { Admitted } from './admission.ts';
import { lineageOf } from './lineage.ts';
import { isOfRules } from './rule-memory.ts';
import type { Visitor } from './visitor.ts';

/**
 * Whose an exchange is: every subject whose revocation ends it, and every object whose change may. Those of a
 * session or service token are remembered with its state, since most requests have one that was seen before.
 */
export function createKeys() {
  const known = new WeakMap<object, readonly string[]>();
  return ({ destination: { account, application }, visitor }: Admitted): readonly string[] => {
    const { accountId } = account;
    const owner = ownerOf(visitor);
    const keys = (owner && known.get(owner)) ?? ownerKeys(accountId, visitor);
    if (owner) known.set(owner, keys);
    const subject: Subject = { type: 'application', id: application.id };
    const device = visitor.kind === 'user' ? visitor.registrationId : undefined;
    // A revocation of an application's tokens is none of the business of whoever has none; the application's end is.
    return [
      ...keys,
      ...(device === undefined ? [] : [keyOf(accountId, { type: 'registration', id: device })]),
      visitor.kind === 'user' ? keyOf(accountId, subject) : goneKey(accountId, application.id),
    ];
  };
}

/** The state with which the keys are remembered. */
function ownerOf(visitor: Visitor): object | null {
  if (visitor.kind === 'user') return visitor.session;
  return visitor.kind === 'service' ? visitor.serviceToken : null;
}

function ownerKeys(accountId: string, visitor: Visitor): string[] {
  if (visitor.kind === 'user') {
    return lineageOf(accountId, visitor.session).map((subject) => keyOf(accountId, subject));
  }
  const ofAccount = keyOf(accountId, { type: 'account', id: accountId });
  if (visitor.kind === 'anyone') return [ofAccount];
  if (visitor.kind === 'certificate') return [ofAccount, authorityKey(accountId, visitor.authorityId)];
  return [ofAccount, keyOf(accountId, { type: 'service_token', id: visitor.serviceToken.id })];
}

/** What a revocation, or the end of an object, ends at once. */
export function endedBy(accountId: string, item: FeedItem): string[] {
  if (isOfRegistration(item)) return [];
  if (item.kind === 'revocation') return [keyOf(accountId, item.subject)];
  if (item.state !== null) return [];
  if (item.kind === 'certificate') return [authorityKey(accountId, item.id)];
  if (!isSubject(item.kind)) return [];
  const key = keyOf(accountId, { type: item.kind, id: item.id });
  return item.kind === 'application' ? [key, goneKey(accountId, item.id)] : [key];
}

/**
 * What hangs on one credential, or came from one device, that has changed: it is decided anew in the same turn. So what
 * rests on a device ends with it at once, and what only came from one goes on.
 */
export function changedBy(accountId: string, item: FeedItem): string[] {
  if (isOfRegistration(item)) {
    const id = item.kind === 'revocation' ? item.subject.id : item.id;
    return [keyOf(accountId, { type: 'registration', id })];
  }
  if (item.kind !== 'session' && item.kind !== 'service_token') return [];
  return [keyOf(accountId, { type: item.kind, id: item.id })];
}

function isOfRegistration(item: FeedItem): boolean {
  return item.kind === 'revocation' ? item.subject.type === 'registration' : item.kind === 'registration';
}

/**
 * What a change of rules may end. When one application changes, the routes of any other may lead elsewhere, so
 * that touches every exchange of the account.
 */
export function touchedBy(accountId: string, { kind }: FeedItem): string[] {
  if (!isOfRules(kind)) return [];
  return [keyOf(accountId, { type: 'account', id: accountId })];
}

function isSubject(kind: string): kind is 'application' | 'provider' | 'session' | 'service_token' {
  return kind === 'application' || kind === 'provider' || kind === 'session' || kind === 'service_token';
}

function goneKey(accountId: string, applicationId: string): string {
  return `${accountId} gone ${applicationId}`;
}

/** What rests on nothing but client certificates for which this Access certificate stands. */
function authorityKey(accountId: string, certificateId: string): string {
  return `${accountId} certificate ${certificateId}`;
}

export function keyOf(accountId: string, subject: Subject): string {
  return `${accountId} ${subjectKey(subject)}`;
}
