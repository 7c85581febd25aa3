import type { FeedItem, Subject } from '../protocol/feed.ts';
import { subjectKey } from '../protocol/feed.ts';
import type { Admitted } from './admission.ts';
import { lineageOf } from './lineage.ts';
import { isOfRules } from './rule-memory.ts';

/**
 * Whose an exchange is: every subject whose revocation ends it, and every object whose change may. Those of a
 * session or service token are remembered with its state, since most requests have one that was seen before.
 */
export function createKeys() {
  const known = new WeakMap<object, readonly string[]>();
  return ({ destination: { account, application }, visitor }: Admitted): readonly string[] => {
    const { accountId } = account;
    const owner = visitor.kind === 'user' ? visitor.session : visitor.serviceToken;
    const keys = known.get(owner) ?? ownerKeys(accountId, visitor);
    known.set(owner, keys);
    const subject: Subject = { type: 'application', id: application.id };
    // A revocation of an application's tokens is none of a service token's business; the application's end is.
    return [
      ...keys,
      visitor.kind === 'user' ? keyOf(accountId, subject) : goneKey(accountId, application.id),
    ];
  };
}

function ownerKeys(accountId: string, visitor: Admitted['visitor']): string[] {
  const subjects: Subject[] =
    visitor.kind === 'user'
      ? lineageOf(accountId, visitor.session)
      : [
          { type: 'account', id: accountId },
          { type: 'service_token', id: visitor.serviceToken.id },
        ];
  return subjects.map((subject) => keyOf(accountId, subject));
}

/** What a revocation, or the end of an object, ends at once. */
export function endedBy(accountId: string, item: FeedItem): string[] {
  if (item.kind === 'revocation') return [keyOf(accountId, item.subject)];
  if (item.state !== null || !isSubject(item.kind)) return [];
  const key = keyOf(accountId, { type: item.kind, id: item.id });
  return item.kind === 'application' ? [key, goneKey(accountId, item.id)] : [key];
}

/** What hangs on one credential that has changed. */
export function changedBy(accountId: string, item: FeedItem): string[] {
  if (item.kind !== 'session' && item.kind !== 'service_token') return [];
  return [keyOf(accountId, { type: item.kind, id: item.id })];
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

export function keyOf(accountId: string, subject: Subject): string {
  return `${accountId} ${subjectKey(subject)}`;
}
