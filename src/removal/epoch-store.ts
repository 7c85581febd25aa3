import { type Kysely, sql } from 'kysely';
import { forUpdate, type Reader, type Tx } from '../database/database.ts';
import type { ClusterRow } from '../database/tables.ts';
import type { FormerEpoch, Head } from '../protocol/rev.ts';

/** What the database server says of itself. */
export interface ServerFacts {
  /** A standby: it may be behind, and nothing may be decided by its word. */
  readonly isReplica: boolean;
  /** Which database this is. A copy is another one, and so is what was restored from a dump. */
  readonly identity: string;
  /** Changes whenever a standby becomes the primary, and whenever a recovery ends. */
  readonly timeline: string;
  /** Whether a commit waits until a standby has it. */
  readonly synchronous: boolean;
}

/** Of SQLite nothing is known but that there is one file. */
const ONE_FILE: ServerFacts = { isReplica: false, identity: '', timeline: '', synchronous: true };

/** Asks the server. Needs no right that the owner of a database does not have. */
export async function readFacts(reader: Reader): Promise<ServerFacts> {
  if (reader.dialect === 'sqlite') return ONE_FILE;
  const { rows } = await sql<ServerFacts>`
    select pg_is_in_recovery() as "isReplica",
      concat_ws('/', (select system_identifier from pg_control_system()),
        (select oid from pg_database where datname = current_database()),
        'cluster'::regclass::oid) as identity,
      case when pg_is_in_recovery() then ''
        else substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end as timeline,
      current_setting('synchronous_standby_names') <> ''
        and current_setting('synchronous_commit') in ('on', 'remote_apply') as synchronous
  `.execute(reader.query as Kysely<unknown>);
  const [facts] = rows;
  if (!facts) throw new Error('the database does not say what it is');
  return facts;
}

/** What the database was found to be before; null if nobody has asked yet. */
export async function readCluster(reader: Reader): Promise<ClusterRow | null> {
  return (await reader.query.selectFrom('cluster').selectAll().executeTakeFirst()) ?? null;
}

/** The same, made if absent, and locked until the end of the transaction. */
export async function lockCluster(tx: Tx, facts: ServerFacts): Promise<ClusterRow> {
  await tx.query
    .insertInto('cluster')
    .values({ id: 1, ...toColumns(facts), restored_at: null })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
  return await forUpdate(tx, tx.query.selectFrom('cluster').selectAll()).executeTakeFirstOrThrow();
}

/** Keeps what the database was found to be now. */
export async function updateFacts(tx: Tx, facts: ServerFacts): Promise<void> {
  await tx.query.updateTable('cluster').set(toColumns(facts)).execute();
}

/** Closes the database to sign-in, or opens it again. */
export async function setRestoredAt(tx: Tx, at: string | null): Promise<void> {
  await tx.query.updateTable('cluster').set({ restored_at: at }).execute();
}

function toColumns({ identity, timeline, synchronous }: ServerFacts) {
  return { system_identifier: identity, timeline, synchronous: synchronous ? 1 : 0 };
}

/** Where an account's feed stands; its counter row is locked until the end of the transaction. */
export async function lockHead(tx: Tx, accountId: string): Promise<Head & { formers: FormerEpoch[] }> {
  const select = tx.query
    .selectFrom('feed_heads')
    .select(['epoch', 'position', 'floor', 'formers'])
    .where('account_id', '=', accountId);
  const row = await forUpdate(tx, select).executeTakeFirstOrThrow();
  return { ...row, formers: JSON.parse(row.formers) as FormerEpoch[] };
}

/** Goes on at this place, with these epochs behind it. */
export async function writeHead(
  tx: Tx,
  accountId: string,
  { epoch, position, formers }: Head,
): Promise<void> {
  await tx.query
    .updateTable('feed_heads')
    .set({ epoch, position, formers: JSON.stringify(formers ?? []) })
    .where('account_id', '=', accountId)
    .execute();
}

/** Entries that say nothing of what was changed. */
const ABOUT_THE_DATABASE = ['epoch.begin', 'database.approve'];

/** Where each account stands, and the time of its newest audit entry. */
export async function readStandings(reader: Reader) {
  return await reader.query
    .selectFrom('accounts')
    .innerJoin('feed_heads', 'feed_heads.account_id', 'accounts.id')
    .leftJoin('audit_entries', (join) =>
      join
        .onRef('audit_entries.account_id', '=', 'accounts.id')
        .on('audit_entries.action', 'not in', ABOUT_THE_DATABASE),
    )
    .select(['accounts.id', 'accounts.name', 'feed_heads.epoch', 'feed_heads.position'])
    .select(({ fn }) => fn.max('audit_entries.at').as('changedAt'))
    .groupBy(['accounts.id', 'accounts.name', 'feed_heads.epoch', 'feed_heads.position'])
    .orderBy('accounts.id')
    .execute();
}
