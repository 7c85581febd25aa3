import type { Tx } from '../database/database.ts';
import type { AuditEntryRow } from '../database/tables.ts';

export async function insertEntry(tx: Tx, entry: AuditEntryRow): Promise<void> {
  await tx.query.insertInto('audit_entries').values(entry).execute();
}
