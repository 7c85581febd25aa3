import type { Final, Seen, Verdict } from './checker.ts';
import type { RemovalEvent } from './history.ts';

/* What the database and the tokens must say, of invariants 2, 3, 7 and 8. */

/** Invariant 2, as far as a token shows it. */
export function ofTokens({ credentials }: Seen, { head }: Final): Verdict {
  const read = [...credentials.values()].flatMap(({ id, rev }) => (rev ? [{ id, rev }] : []));
  const broken = read.flatMap(({ id, rev }) => {
    const isWhole = rev.every((part) => Number.isSafeInteger(part) && part >= 0);
    return isWhole && rev[1] <= head.position && rev[0] <= head.epoch
      ? []
      : [`${id} has the reading ${JSON.stringify(rev)}, beyond the head or none`];
  });
  return { invariant: 2, says: 'a token reads where the feed stood', checked: read.length, broken };
}

/** Invariant 3: what hung on somebody when they were removed was not minted with a later reading. */
export function ofLineage({ credentials, removals }: Seen, { revocations }: Final): Verdict {
  const newest = newestRevocations(revocations);
  let checked = 0;
  const broken: string[] = [];
  for (const { id, roots, rev } of credentials.values()) {
    for (const removal of removals) {
      const since = roots.find(({ of }) => of === removal.root)?.since;
      const at = newest.get(keyOf(removal.subject));
      // An application's own revocation is compared with another reading than `rev`.
      if (since === undefined || !rev || at === undefined || removal.subject.type === 'application') continue;
      if (removal.returned === null || !(since < removal.call)) continue;
      checked += 1;
      if (!(rev[1] < at)) broken.push(`${id} reads ${rev[1]}, and was removed at ${at} or before`);
    }
  }
  return { invariant: 3, says: 'a child reads no later than its parent', checked, broken };
}

function newestRevocations(revocations: Final['revocations']): Map<string, number> {
  const newest = new Map<string, number>();
  for (const one of revocations) {
    const key = keyOf(one);
    newest.set(key, Math.max(newest.get(key) ?? 0, one.position));
  }
  return newest;
}

function keyOf({ type, id }: { type: string; id: string }): string {
  return `${type} ${id}`;
}

/** What a removal deletes, if it deletes something. */
const DELETES = new Set(['delete user', 'delete service token', 'delete API token']);

export function ofRecords({ removals }: Seen, final: Final): Verdict {
  const newest = newestRevocations(final.revocations);
  const positions = final.audit.map(({ position }) => position).toSorted((one, other) => one - other);
  const audited = new Set(positions);
  const broken = positions.flatMap((position, at) => {
    const before = positions[at - 1];
    return before === undefined || position === before + 1 ? [] : [`${before} is followed by ${position}`];
  });
  if (positions.at(-1) !== final.head.position) broken.push('the newest position has no audit entry');
  for (const { position } of final.revocations) {
    if (!audited.has(position)) broken.push(`the revocation at ${position} has no audit entry`);
  }
  const returned = removals.filter((one) => one.returned !== null);
  for (const removal of returned) broken.push(...absences(removal, final, newest));
  const says = 'an acknowledged removal is in the feed, in the audit log and in the tables';
  return { invariant: 7, says, checked: returned.length, broken };
}

function absences(removal: RemovalEvent, final: Final, newest: ReadonlyMap<string, number>): string[] {
  const { what, subject } = removal;
  const name = `${what} ${subject.id}`;
  const broken: string[] = [];
  const at = newest.get(keyOf(subject));
  const isActed = final.audit.some(({ resourceId }) => resourceId === subject.id);
  if (subject.type !== 'token' && at === undefined) broken.push(`${name} is not in the feed`);
  if (subject.type === 'token' && !isActed) broken.push(`${name} is not in the audit log`);
  if (DELETES.has(what) && final.living.has(subject.id)) broken.push(`${name}: it exists`);
  const isOpen = final.sessions.some(
    ({ userId, position }) => subject.type === 'user' && userId === subject.id && position < (at ?? 0),
  );
  return isOpen ? [...broken, `${name}: a session from before exists`] : broken;
}

export function ofAuthority({ acts, removals }: Seen, { audit }: Final): Verdict {
  const broken: string[] = [];
  const removed = removals.filter(({ subject }) => subject.type === 'token');
  for (const { subject, returned } of removed) {
    const at = audit.find(
      ({ action, resourceId }) => resourceId === subject.id && action.includes('delete'),
    )?.position;
    const later = audit.filter(({ tokenId, position }) => tokenId === subject.id && position > (at ?? 0));
    if (at !== undefined) broken.push(...later.map((one) => `${one.action} by ${subject.id} after its end`));
    const answered = acts.filter(
      ({ actor, begin, status }) =>
        actor === subject.id && begin > (returned ?? Number.POSITIVE_INFINITY) && status < 300 && status > 0,
    );
    broken.push(...answered.map(({ node }) => `an act of ${subject.id} on ${node} after its end succeeded`));
  }
  const checked = acts.filter(({ actor }) => removed.some(({ subject }) => subject.id === actor)).length;
  const says = 'nothing is written with an authority after its removal';
  return { invariant: 8, says, checked, broken };
}
