import { sql } from 'kysely';
import type { Reader, Snapshot, Tx } from '../database/database.ts';
import { inParts } from '../database/parts.ts';
import type { FeedEntryRow } from '../database/tables.ts';
import type { JsonObject } from '../kernel/json.ts';
import { chainOf, EMPTY_CHAIN } from '../protocol/chain.ts';
import {
  type FeedBatch,
  type FeedItem,
  type StateKind,
  type Subject,
  type SubjectType,
  subjectKey,
} from '../protocol/feed.ts';
import type { FormerEpoch, Head, Rev } from '../protocol/rev.ts';

/** Where an account's feed stands, and the chain up to there. */
export interface ChainedHead extends Head {
  readonly chain: string;
  /** The position at which the chain last changed: beyond it, nothing was told. */
  readonly chained: number;
}

/**
 * Where the account's feed stands, as the snapshot sees it. A mint's first statement (design §4.3); null
 * for an account that does not exist.
 */
export async function readHead(snapshot: Snapshot, accountId: string): Promise<ChainedHead | null> {
  const row = await snapshot.query
    .selectFrom('feed_heads')
    .select(['epoch', 'position', 'floor', 'chain', 'chained', 'formers'])
    .where('account_id', '=', accountId)
    .executeTakeFirst();
  return row ? { ...row, formers: JSON.parse(row.formers) as FormerEpoch[] } : null;
}

/** Takes the account's next position. The last row that a transaction locks (design §4.2). */
export async function takePosition(tx: Tx, accountId: string): Promise<TakenPosition> {
  const { epoch, position, chain } = await tx.query
    .updateTable('feed_heads')
    .set((row) => ({ position: row('position', '+', 1) }))
    .where('account_id', '=', accountId)
    .returning(['epoch', 'position', 'chain'])
    .executeTakeFirstOrThrow();
  return { accountId, at: { epoch, position }, before: chain };
}

/** A position of this transaction, and the chain before it. */
export interface TakenPosition {
  readonly accountId: string;
  readonly at: Rev;
  readonly before: string;
}

/** Writes the items of one transaction under its position, the newest revocation of each subject, and the chain. */
export async function appendFeed(
  tx: Tx,
  { accountId, at, before }: TakenPosition,
  items: readonly FeedItem[],
): Promise<FeedBatch> {
  const chain = chainOf(before, { accountId, at, items });
  if (items.length === 0) return { accountId, at, items, chain };
  const rows = items.map((item, ordinal) => ({
    account_id: accountId,
    ...at,
    ordinal,
    chain,
    ...toRow(item),
  }));
  await inParts(rows, (some) =>
    tx.query
      .insertInto('feed_entries')
      .values([...some])
      .execute(),
  );
  await keepRevocations(tx, { accountId, at }, revokedSubjects(items));
  await tx.query
    .updateTable('feed_heads')
    .set({ chain, chained: at.position })
    .where('account_id', '=', accountId)
    .execute();
  return { accountId, at, items, chain };
}

async function keepRevocations(
  tx: Tx,
  { accountId, at }: { accountId: string; at: Rev },
  subjects: readonly Subject[],
): Promise<void> {
  const rows = subjects.map(({ type, id }) => ({
    account_id: accountId,
    subject_type: type,
    subject_id: id,
    ...at,
  }));
  await inParts(rows, (some) =>
    tx.query
      .insertInto('revocations')
      .values([...some])
      .onConflict((conflict) =>
        conflict.columns(['account_id', 'subject_type', 'subject_id']).doUpdateSet(at),
      )
      .execute(),
  );
}

/** The subjects that a batch revokes, each once. */
function revokedSubjects(items: readonly FeedItem[]): Subject[] {
  const subjects = items.flatMap((item) => (item.kind === 'revocation' ? [item.subject] : []));
  return [...new Map(subjects.map((subject) => [subjectKey(subject), subject])).values()];
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
export async function readFeedAfter(snapshot: Snapshot, accountId: string, after: Rev): Promise<FeedBatch[]> {
  const rows = await snapshot.query
    .selectFrom('feed_entries')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('epoch', '=', after.epoch)
    .where('position', '>', after.position)
    .orderBy('position')
    .orderBy('ordinal')
    .execute();
  const byPosition = Map.groupBy(rows, (row) => row.position);
  return [...byPosition.values()].flatMap((some) => {
    const [first] = some;
    if (!first) return [];
    const { epoch, position, chain } = first;
    return [{ accountId, at: { epoch, position }, items: some.map(toItem), chain }];
  });
}

/** The chain as it was at a position of the present epoch; null for one that is not in this history. */
export async function readChainAt(snapshot: Snapshot, accountId: string, at: Rev): Promise<string | null> {
  const head = await readHead(snapshot, accountId);
  if (!head || head.epoch !== at.epoch || at.position > head.position || at.position < head.floor)
    return null;
  if (at.position >= head.chained) return head.chain;
  const row = await snapshot.query
    .selectFrom('feed_entries')
    .select('chain')
    .where('account_id', '=', accountId)
    .where('position', '<=', at.position)
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.chain ?? EMPTY_CHAIN;
}

/** Where the feeds of all accounts stand, without their former epochs: what polling asks. */
export async function readPositions(reader: Reader): Promise<{ accountId: string; at: Rev }[]> {
  const rows = await reader.query
    .selectFrom('feed_heads')
    .select(['account_id', 'epoch', 'position'])
    .orderBy('account_id')
    .execute();
  return rows.map(({ account_id: accountId, epoch, position }) => ({ accountId, at: { epoch, position } }));
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

/** The kept answer of that name with the account that it is of, if it was given after `since`. */
export async function findAnswer(
  reader: Reader,
  id: string,
  since: string,
): Promise<{ body: string; account_id: string } | null> {
  const row = await reader.query
    .selectFrom('removal_answers')
    .select(['body', 'account_id'])
    .where('id', '=', id)
    .where('at', '>=', since)
    .executeTakeFirst();
  return row ?? null;
}

/** Drops the account's answers that nobody may ask for any more. */
export async function dropAnswersBefore(tx: Tx, accountId: string, time: string): Promise<void> {
  await tx.query
    .deleteFrom('removal_answers')
    .where('account_id', '=', accountId)
    .where('at', '<', time)
    .execute();
}

function toRow(item: FeedItem) {
  if (item.kind === 'revocation') {
    return { kind: item.kind, subject_type: item.subject.type, subject_id: item.subject.id, payload: 'null' };
  }
  return { kind: item.kind, subject_type: null, subject_id: item.id, payload: JSON.stringify(item.state) };
}

function toItem(row: Pick<FeedEntryRow, 'kind' | 'subject_type' | 'subject_id' | 'payload'>): FeedItem {
  const id = row.subject_id ?? '';
  if (row.kind === 'revocation') {
    return { kind: 'revocation', subject: { type: row.subject_type as SubjectType, id } };
  }
  return { kind: row.kind as StateKind, id, state: JSON.parse(row.payload) as JsonObject | null };
}
