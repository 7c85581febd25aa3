import { sql } from 'kysely';
import type { Reader, Tx } from '../../database/database.ts';
import type { GateKeyRow } from '../../database/tables.ts';

/** A key of one gate. */
export type KeyName = Pick<GateKeyRow, 'gate_id' | 'kid'>;

/** How many keys an account can have: what its gates may have together, and some. */
const MOST_KEYS_READ = 10_000;

/** Whether a process is attached that has the key. */
const isAttached = sql<boolean>`exists (
  select 1 from gate_processes where gate_processes.gate_id = gate_keys.gate_id and gate_processes.kid = gate_keys.kid
)`;
const isDetached = sql<boolean>`not ${isAttached}`;

/** Every key of the account's gates; one that two gates have comes twice. */
export async function listGateKeys(reader: Reader, accountId: string): Promise<GateKeyRow[]> {
  return await reader.query
    .selectFrom('gate_keys')
    .selectAll()
    .where('account_id', '=', accountId)
    .orderBy('kid')
    .orderBy('gate_id')
    .limit(MOST_KEYS_READ)
    .execute();
}

export async function listKeysOf(reader: Reader, gateId: string): Promise<GateKeyRow[]> {
  return await reader.query.selectFrom('gate_keys').selectAll().where('gate_id', '=', gateId).execute();
}

/** Those keys of the gate that no attached process has, the longest unseen first. */
export async function listDetachedKeys(reader: Reader, gateId: string): Promise<GateKeyRow[]> {
  return await reader.query
    .selectFrom('gate_keys')
    .selectAll()
    .where('gate_id', '=', gateId)
    .where(isDetached)
    .orderBy('seen_at')
    .orderBy('kid')
    .execute();
}

/** Which of these some gate of the account still has. */
export async function listHeld(
  reader: Reader,
  accountId: string,
  kids: readonly string[],
): Promise<ReadonlySet<string>> {
  if (kids.length === 0) return new Set();
  const rows = await reader.query
    .selectFrom('gate_keys')
    .select('kid')
    .where('account_id', '=', accountId)
    .where('kid', 'in', [...kids])
    .execute();
  return new Set(rows.map(({ kid }) => kid));
}

export async function insertGateKey(tx: Tx, key: GateKeyRow): Promise<void> {
  await tx.query.insertInto('gate_keys').values(key).execute();
}

/** Notes that the key was seen; false if the gate has no such key. */
export async function touchGateKey(tx: Tx, { gate_id, kid }: KeyName, seenAt: string): Promise<boolean> {
  const { numUpdatedRows } = await tx.query
    .updateTable('gate_keys')
    .set({ seen_at: seenAt })
    .where('gate_id', '=', gate_id)
    .where('kid', '=', kid)
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}

export async function deleteGateKeys(tx: Tx, gateId: string, kids: readonly string[]): Promise<void> {
  await tx.query
    .deleteFrom('gate_keys')
    .where('gate_id', '=', gateId)
    .where('kid', 'in', [...kids])
    .execute();
}

/** Whether the key of an attached process was last noted as seen before that time. */
export async function hasAttachedUnnoted(reader: Reader, before: string): Promise<boolean> {
  const row = await reader.query
    .selectFrom('gate_keys')
    .select('kid')
    .where('seen_at', '<', before)
    .where(isAttached)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Notes the keys of all attached processes as seen. */
export async function touchAttached(tx: Tx, seenAt: string): Promise<void> {
  await tx.query
    .updateTable('gate_keys')
    .set({ seen_at: seenAt })
    .where('seen_at', '<', seenAt)
    .where(isAttached)
    .execute();
}

/** The gates that have a key which is not attached and was last seen before that time. */
export async function listGatesWithUnseen(
  reader: Reader,
  before: string,
): Promise<{ id: string; account_id: string; name: string }[]> {
  return await reader.query
    .selectFrom('gate_keys')
    .innerJoin('gates', 'gates.id', 'gate_keys.gate_id')
    .select(['gates.id', 'gates.account_id', 'gates.name'])
    .where('seen_at', '<', before)
    .where(isDetached)
    .groupBy(['gates.id', 'gates.account_id', 'gates.name'])
    .orderBy('gates.id')
    .limit(1000)
    .execute();
}

/** Deletes the gate's keys that are not attached and were last seen before that time. */
export async function deleteUnseen(
  tx: Tx,
  { gateId, before }: { gateId: string; before: string },
): Promise<string[]> {
  const rows = await tx.query
    .deleteFrom('gate_keys')
    .where('gate_id', '=', gateId)
    .where('seen_at', '<', before)
    .where(isDetached)
    .returning('kid')
    .execute();
  return rows.map(({ kid }) => kid);
}
