import { sql } from 'kysely';
import type { Reader, Tx } from '../database/database.ts';
import type { NodeLeaseRow } from '../database/tables.ts';
import type { Rev } from '../protocol/rev.ts';

export type LeaseRow = NodeLeaseRow;

/**
 * Writes the node's lease, or renews it. Whoever reads it later sees another number of renewals, which must never come
 * again for the same id, even where the row was dropped meanwhile: readers time each number from their first reading
 * of it. Returns whether the row was not there.
 */
export async function writeLease(tx: Tx, { id, ...lease }: LeaseRow): Promise<boolean> {
  const renewed = await tx.query
    .updateTable('node_leases')
    .set(lease)
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  if (renewed.numUpdatedRows > 0n) return false;
  await tx.query
    .insertInto('node_leases')
    .values({ id, ...lease })
    .execute();
  return true;
}

export async function readLeases(reader: Reader): Promise<LeaseRow[]> {
  return await reader.query.selectFrom('node_leases').selectAll().orderBy('id').execute();
}

/** Takes back a lease that has run out, or that its own node gives up; not one that was renewed since it was read. */
export async function dropLease(tx: Tx, { id, renewals }: Pick<LeaseRow, 'id' | 'renewals'>): Promise<void> {
  await tx.query.deleteFrom('node_leases').where('id', '=', id).where('renewals', '=', renewals).execute();
}

/** Takes back a node's own lease, however often it was renewed. */
export async function dropOwnLease(tx: Tx, id: string): Promise<void> {
  await tx.query.deleteFrom('node_leases').where('id', '=', id).execute();
}

/** A node's word that it, and all its gates, have applied the feed of an account up to `at`. */
export interface Ack {
  readonly nodeId: string;
  readonly accountId: string;
  readonly at: Rev;
  /** Names of gates that did not say so themselves: their leases have run out. */
  readonly waitedFor: readonly string[];
}

/** Writes what a node acks; only that node does, and each time further. */
export async function writeAcks(tx: Tx, acks: readonly Ack[]): Promise<void> {
  // An ack that is lost makes a removal wait longer, and nothing worse: no disk has to be waited for.
  if (tx.dialect === 'postgres') await sql`set local synchronous_commit = off`.execute(tx.query);
  await tx.query
    .insertInto('node_acks')
    .values(
      acks.map(({ nodeId, accountId, at, waitedFor }) => ({
        node_id: nodeId,
        account_id: accountId,
        ...at,
        waited_for: JSON.stringify(waitedFor),
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['node_id', 'account_id']).doUpdateSet((row) => ({
        epoch: row.ref('excluded.epoch'),
        position: row.ref('excluded.position'),
        waited_for: row.ref('excluded.waited_for'),
      })),
    )
    .execute();
}

/** The acks of all nodes for these accounts. */
export async function readAcks(reader: Reader, accountIds: readonly string[]): Promise<Ack[]> {
  if (accountIds.length === 0) return [];
  const rows = await reader.query
    .selectFrom('node_acks')
    .selectAll()
    .where('account_id', 'in', accountIds)
    .execute();
  return rows.map((row) => ({
    nodeId: row.node_id,
    accountId: row.account_id,
    at: { epoch: row.epoch, position: row.position },
    waitedFor: JSON.parse(row.waited_for) as string[],
  }));
}

/** Notes, in the removal's own transaction, that somebody has to wait until it is in force everywhere. */
export async function noteRemoval(
  tx: Tx,
  removal: { accountId: string; at: Rev; nodeId: string | null; now: string },
): Promise<void> {
  await tx.query
    .insertInto('removals')
    .values({
      account_id: removal.accountId,
      ...removal.at,
      node_id: removal.nodeId,
      committed_at: removal.now,
      in_force_at: null,
      waited_for: null,
    })
    .execute();
}

/** Notes that everything up to `at` is in force everywhere, and for whom was waited. */
export async function finishRemovals(
  tx: Tx,
  outcome: { accountId: string; at: Rev; now: string; waitedFor: readonly string[] },
): Promise<void> {
  if (tx.dialect === 'postgres') await sql`set local synchronous_commit = off`.execute(tx.query);
  await tx.query
    .updateTable('removals')
    .set({ in_force_at: outcome.now, waited_for: JSON.stringify(outcome.waitedFor) })
    .where('account_id', '=', outcome.accountId)
    .where('epoch', '=', outcome.at.epoch)
    .where('position', '<=', outcome.at.position)
    .where('in_force_at', 'is', null)
    .execute();
}

/** A removal that nobody waits for, and where the feed of its account stands. */
export interface OrphanedRemoval {
  readonly accountId: string;
  readonly at: Rev;
  readonly head: Rev;
}

/** Removals for which nobody living waits any more: their nodes have no lease, and are not the one that asks. */
export async function listOrphanedRemovals(reader: Reader, ownId: string): Promise<OrphanedRemoval[]> {
  const rows = await reader.query
    .selectFrom('removals')
    .innerJoin('feed_heads', 'feed_heads.account_id', 'removals.account_id')
    .select(['removals.account_id', 'removals.epoch', 'removals.position'])
    .select(['feed_heads.epoch as head_epoch', 'feed_heads.chained'])
    .where('in_force_at', 'is', null)
    .where((row) => row.or([row('node_id', 'is', null), row('node_id', '<>', ownId)]))
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('node_leases')
            .select('node_leases.id')
            .whereRef('node_leases.id', '=', 'removals.node_id'),
        ),
      ),
    )
    .orderBy('committed_at')
    .limit(1000)
    .execute();
  return rows.map(({ account_id: accountId, epoch, position, head_epoch, chained }) => ({
    accountId,
    at: { epoch, position },
    head: { epoch: head_epoch, position: chained },
  }));
}
