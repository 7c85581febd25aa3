import { sql } from 'kysely';
import type { Reader, Snapshot, Tx } from '../database/database.ts';
import type { FeedEntryRow } from '../database/tables.ts';
import type { JsonObject } from '../kernel/json.ts';
import type { FeedItem, StateKind, Subject, SubjectType } from '../protocol/feed.ts';
import type { Head, Rev } from '../protocol/rev.ts';

/**
 * Where the account's feed stands, as the snapshot sees it. A mint's first statement (design §4.3); null
 * for an account that does not exist.
 */
export async function readHead(snapshot: Snapshot, accountId: string): Promise<Head | null> {
  const row = await snapshot.query
    .selectFrom('feed_heads')
    .select(['epoch', 'position', 'floor'])
    .where('account_id', '=', accountId)
    .executeTakeFirst();
  return row ?? null;
}

/** Takes the account's next position. The last row that a transaction locks (design §4.2). */
export async function takePosition(tx: Tx, accountId: string): Promise<Rev> {
  return await tx.query
    .updateTable('feed_heads')
    .set((row) => ({ position: row('position', '+', 1) }))
    .where('account_id', '=', accountId)
    .returning(['epoch', 'position'])
    .executeTakeFirstOrThrow();
}

/** Writes the items of one transaction under its position, and the newest revocation of each subject. */
export async function appendFeed(
  tx: Tx,
  accountId: string,
  at: Rev,
  items: readonly FeedItem[],
): Promise<void> {
  if (items.length === 0) return;
  await tx.query
    .insertInto('feed_entries')
    .values(items.map((item, ordinal) => ({ account_id: accountId, ...at, ordinal, ...toRow(item) })))
    .execute();
  for (const subject of revokedSubjects(items)) await keepRevocation(tx, accountId, at, subject);
}

async function keepRevocation(tx: Tx, accountId: string, at: Rev, subject: Subject): Promise<void> {
  await tx.query
    .insertInto('revocations')
    .values({ account_id: accountId, subject_type: subject.type, subject_id: subject.id, ...at })
    .onConflict((conflict) => conflict.columns(['account_id', 'subject_type', 'subject_id']).doUpdateSet(at))
    .execute();
}

/** The subjects that a batch revokes. */
function revokedSubjects(items: readonly FeedItem[]): Subject[] {
  return items.flatMap((item) => (item.kind === 'revocation' ? [item.subject] : []));
}

/** The newest revocation of each of these subjects that has one. */
export async function readRevocations(
  snapshot: Snapshot,
  accountId: string,
  subjects: readonly Subject[],
): Promise<Rev[]> {
  if (subjects.length === 0) return [];
  return await snapshot.query
    .selectFrom('revocations')
    .select(['epoch', 'position'])
    .where('account_id', '=', accountId)
    .where((row) =>
      row.or(
        subjects.map((subject) =>
          row.and([row('subject_type', '=', subject.type), row('subject_id', '=', subject.id)]),
        ),
      ),
    )
    .execute();
}

/** How many revocations are read at once: a million at once would leave their weight behind in memory. */
const REVOCATIONS_AT_ONCE = 500;

export interface Revocation {
  readonly at: Rev;
  readonly subject: Subject;
}

/** Every living revocation of the account, for a gate's first snapshot; some at a time. */
export async function* listRevocations(snapshot: Snapshot, accountId: string): AsyncGenerator<Revocation[]> {
  let last: { subject_type: string; subject_id: string } | undefined;
  do {
    const rows = await readRevocationsAfter(snapshot, accountId, last);
    yield rows.map(({ subject_type, subject_id, epoch, position }) => ({
      at: { epoch, position },
      subject: { type: subject_type as SubjectType, id: subject_id },
    }));
    last = rows.length === REVOCATIONS_AT_ONCE ? rows.at(-1) : undefined;
  } while (last);
}

async function readRevocationsAfter(
  snapshot: Snapshot,
  accountId: string,
  last: { subject_type: string; subject_id: string } | undefined,
) {
  const query = snapshot.query
    .selectFrom('revocations')
    .select(['subject_type', 'subject_id', 'epoch', 'position'])
    .where('account_id', '=', accountId)
    .orderBy('subject_type')
    .orderBy('subject_id')
    .limit(REVOCATIONS_AT_ONCE);
  if (!last) return await query.execute();
  const { subject_type: type, subject_id: id } = last;
  return await query.where(sql<boolean>`(subject_type, subject_id) > (${type}, ${id})`).execute();
}

/** The feed after a position, whole transactions in their order. */
export async function readFeedAfter(
  snapshot: Snapshot,
  accountId: string,
  after: Rev,
): Promise<{ at: Rev; items: FeedItem[] }[]> {
  const rows = await snapshot.query
    .selectFrom('feed_entries')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('epoch', '=', after.epoch)
    .where('position', '>', after.position)
    .orderBy('position')
    .orderBy('ordinal')
    .execute();
  const batches = new Map<number, { at: Rev; items: FeedItem[] }>();
  for (const row of rows) {
    const batch = batches.get(row.position) ?? {
      at: { epoch: row.epoch, position: row.position },
      items: [],
    };
    batch.items.push(toItem(row));
    batches.set(row.position, batch);
  }
  return [...batches.values()];
}

export async function listAccountIds(reader: Reader): Promise<string[]> {
  const rows = await reader.query.selectFrom('accounts').select('id').orderBy('id').execute();
  return rows.map((row) => row.id);
}

/** Keeps the answer of a removal for whoever asks again because the first answer was lost. */
export async function keepAnswer(
  tx: Tx,
  answer: { id: string; account_id: string; body: string; at: string },
): Promise<void> {
  await tx.query
    .insertInto('removal_answers')
    .values(answer)
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ body: answer.body, at: answer.at }))
    .execute();
}

/** The kept answer of that name, if it was given after `since`. */
export async function findAnswer(reader: Reader, id: string, since: string): Promise<string | null> {
  const row = await reader.query
    .selectFrom('removal_answers')
    .select('body')
    .where('id', '=', id)
    .where('at', '>=', since)
    .executeTakeFirst();
  return row?.body ?? null;
}

/** Drops the account's answers that nobody may ask for any more. */
export async function dropAnswersBefore(tx: Tx, accountId: string, time: string): Promise<void> {
  await tx.query
    .deleteFrom('removal_answers')
    .where('account_id', '=', accountId)
    .where('at', '<', time)
    .execute();
}

function toRow(item: FeedItem): Pick<FeedEntryRow, 'kind' | 'subject_type' | 'subject_id' | 'payload'> {
  if (item.kind === 'revocation') {
    return { kind: item.kind, subject_type: item.subject.type, subject_id: item.subject.id, payload: 'null' };
  }
  return { kind: item.kind, subject_type: null, subject_id: item.id, payload: JSON.stringify(item.state) };
}

function toItem(row: FeedEntryRow): FeedItem {
  const id = row.subject_id ?? '';
  if (row.kind === 'revocation') {
    return { kind: 'revocation', subject: { type: row.subject_type as SubjectType, id } };
  }
  return { kind: row.kind as StateKind, id, state: JSON.parse(row.payload) as JsonObject | null };
}
