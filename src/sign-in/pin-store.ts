import { sql } from 'kysely';
import { forUpdate, type Reader, type Tx } from '../database/database.ts';
import type { SignInPinRow } from '../database/tables.ts';

/** Whether the sign-in is still open; nobody else ends it or sends a code for it until the transaction ends. */
export async function lockState(tx: Tx, id: string): Promise<boolean> {
  const select = tx.query.selectFrom('sign_in_states').select('id').where('id', '=', id);
  return (await forUpdate(tx, select).executeTakeFirst()) !== undefined;
}

/** A sign-in is open for as long as its newest code. */
export async function prolongState(tx: Tx, id: string, expiresAt: string): Promise<void> {
  await tx.query.updateTable('sign_in_states').set({ expires_at: expiresAt }).where('id', '=', id).execute();
}

/**
 * Counts one more of something and answers how many there were since the count began; it begins anew when it has
 * expired. Atomic, whichever node counts.
 */
export async function countOne(
  tx: Tx,
  one: { accountId: string; counted: string; now: string; expiresAt: string },
): Promise<number> {
  const { accountId: account_id, counted, now, expiresAt: expires_at } = one;
  const isOver = sql<boolean>`pin_counts.expires_at <= ${now}`;
  const { uses } = await tx.query
    .insertInto('pin_counts')
    .values({ account_id, counted, uses: 1, expires_at })
    .onConflict((conflict) =>
      conflict.columns(['account_id', 'counted']).doUpdateSet({
        uses: sql<number>`case when ${isOver} then 1 else pin_counts.uses + 1 end`,
        expires_at: sql<string>`case when ${isOver} then excluded.expires_at else pin_counts.expires_at end`,
      }),
    )
    .returning('uses')
    .executeTakeFirstOrThrow();
  return uses;
}

/** Puts a code in the place of the last one of its sign-in; false if that has had so many. */
export async function putPin(
  tx: Tx,
  row: Omit<SignInPinRow, 'tries' | 'codes'>,
  most: number,
): Promise<boolean> {
  const { state_id: _, account_id: __, ...fresh } = row;
  const { numInsertedOrUpdatedRows: put } = await tx.query
    .insertInto('sign_in_pins')
    .values({ ...row, tries: 0, codes: 1 })
    .onConflict((conflict) =>
      conflict
        .column('state_id')
        .doUpdateSet({ ...fresh, tries: 0, codes: sql<number>`sign_in_pins.codes + 1` })
        .where('sign_in_pins.codes', '<', most),
    )
    .executeTakeFirstOrThrow();
  return put === 1n;
}

export async function findPin(reader: Reader, stateId: string): Promise<SignInPinRow | null> {
  const query = reader.query.selectFrom('sign_in_pins').selectAll().where('state_id', '=', stateId);
  return (await query.executeTakeFirst()) ?? null;
}

/**
 * Uses one try up before anything is compared, whatever comes of it; the row with that try counted. null where there
 * is no code, it has expired, or it has had so many tries. Of any number at once, on whichever node, each has its own.
 */
export async function useTry(
  tx: Tx,
  { stateId, now, most }: { stateId: string; now: string; most: number },
): Promise<SignInPinRow | null> {
  const row = await tx.query
    .updateTable('sign_in_pins')
    .set({ tries: sql<number>`tries + 1` })
    .where('state_id', '=', stateId)
    .where('expires_at', '>', now)
    .where('tries', '<', most)
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}
