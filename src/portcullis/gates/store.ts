import { type SelectQueryBuilder, sql } from 'kysely';
import { forUpdate, likeLiteral, type Reader, type Tx } from '../../database/database.ts';
import { countRows, type Start, startAt } from '../../database/paging.ts';
import type { GateProcessRow, GateRow, Tables } from '../../database/tables.ts';

/** What a list is narrowed to; both folded by the caller. */
export interface GateFilter {
  readonly nameKey?: string;
  readonly search?: string;
}

type Select = SelectQueryBuilder<Tables, 'gates', GateRow>;

function selectGates(reader: Reader, accountId: string): Select {
  return reader.query.selectFrom('gates').selectAll().where('account_id', '=', accountId);
}

export async function findGate(reader: Reader, accountId: string, id: string): Promise<GateRow | null> {
  return (await selectGates(reader, accountId).where('id', '=', id).executeTakeFirst()) ?? null;
}

/** Whether there is a gate of that id, in whichever account. */
export async function hasGate(reader: Reader, id: string): Promise<boolean> {
  const query = reader.query.selectFrom('gates').select('id').where('id', '=', id);
  return (await query.executeTakeFirst()) !== undefined;
}

/** The gate whose secret has that hash, of whichever account. */
export async function findGateByHash(reader: Reader, secretHash: string): Promise<GateRow | null> {
  const query = reader.query.selectFrom('gates').selectAll().where('secret_hash', '=', secretHash);
  return (await query.executeTakeFirst()) ?? null;
}

/**
 * Every gate of the account, locked until the end of the transaction. Whoever changes keys begins with it: two gates
 * may have the same key, and who takes one away must know whether another still has it.
 */
export async function lockGates(tx: Tx, accountId: string): Promise<GateRow[]> {
  return await forUpdate(tx, selectGates(tx, accountId).orderBy('id')).execute();
}

export async function listGates(
  reader: Reader,
  accountId: string,
  { filter, start }: { filter: GateFilter; start: Start },
): Promise<GateRow[]> {
  const select = narrow(selectGates(reader, accountId), filter);
  return await startAt(select, ['created_at', 'id'], start).execute();
}

export async function countGates(
  reader: Reader,
  accountId: string,
  filter: GateFilter = {},
): Promise<number> {
  return await countRows(narrow(selectGates(reader, accountId), filter));
}

function narrow(select: Select, { nameKey, search }: GateFilter): Select {
  const named = nameKey === undefined ? select : select.where('name_key', '=', nameKey);
  if (search === undefined) return named;
  // SQLite has no escape character unless it is told one.
  return named.where(sql<boolean>`name_key like ${likeLiteral(search)} escape '\\'`);
}

export async function insertGate(tx: Tx, gate: GateRow): Promise<void> {
  await tx.query.insertInto('gates').values(gate).execute();
}

/** Its keys and processes go with it. */
export async function deleteGateRow(
  tx: Tx,
  { account_id, id }: Pick<GateRow, 'account_id' | 'id'>,
): Promise<void> {
  await tx.query.deleteFrom('gates').where('account_id', '=', account_id).where('id', '=', id).execute();
}

/** A process that is attached, with the name of its node and what that node has acked of the account. */
export interface AttachedProcess extends Omit<GateProcessRow, 'kid' | 'node_id' | 'account_id'> {
  readonly node: string;
  readonly position: number | null;
}

/** How many processes an answer names. */
const MOST_PROCESSES = 1000;

/** The processes of these gates, the longest attached first. */
export async function listProcesses(
  reader: Reader,
  accountId: string,
  gateIds: readonly string[],
): Promise<AttachedProcess[]> {
  if (gateIds.length === 0) return [];
  return await reader.query
    .selectFrom('gate_processes as process')
    .innerJoin('node_leases as node', 'node.id', 'process.node_id')
    .leftJoin('node_acks as ack', (join) =>
      join.onRef('ack.node_id', '=', 'process.node_id').onRef('ack.account_id', '=', 'process.account_id'),
    )
    .select(['process.id', 'process.gate_id', 'process.host', 'process.version', 'process.attached_at'])
    .select(['node.name as node', 'ack.position'])
    .where('process.account_id', '=', accountId)
    .where('process.gate_id', 'in', [...gateIds])
    .orderBy('process.attached_at')
    .orderBy('process.id')
    .limit(MOST_PROCESSES)
    .execute();
}

/** Writes where a process is attached; false if its id is one of another gate's. */
export async function saveProcess(tx: Tx, row: GateProcessRow): Promise<boolean> {
  const { id: _, gate_id, account_id: __, ...where } = row;
  const { numInsertedOrUpdatedRows: saved } = await tx.query
    .insertInto('gate_processes')
    .values(row)
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet(where).where('gate_processes.gate_id', '=', gate_id),
    )
    .executeTakeFirstOrThrow();
  return saved === 1n;
}

/** A process at a node; with `attached_at`, only as it attached then. */
export interface Attachment extends Pick<GateProcessRow, 'id' | 'node_id'> {
  readonly attached_at?: string;
}

export async function deleteProcess(tx: Tx, { id, node_id, attached_at }: Attachment): Promise<void> {
  const query = tx.query.deleteFrom('gate_processes').where('id', '=', id).where('node_id', '=', node_id);
  await (attached_at === undefined ? query : query.where('attached_at', '=', attached_at)).execute();
}
