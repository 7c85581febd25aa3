import { forUpdate, type Reader, type Tx } from '../../database/database.ts';
import type { CertificateRow } from '../../database/tables.ts';

/** Cloudflare's limit of certificates (reference §3.4); a list of them is read whole. */
export const MOST_CERTIFICATES = 50;

function selectCertificates(reader: Reader, accountId: string) {
  return reader.query.selectFrom('certificates').selectAll().where('account_id', '=', accountId);
}

/** All of the account, oldest first. */
export async function listCertificates(reader: Reader, accountId: string): Promise<CertificateRow[]> {
  return await selectCertificates(reader, accountId)
    .orderBy('created_at')
    .orderBy('id')
    .limit(2 * MOST_CERTIFICATES)
    .execute();
}

export async function findCertificate(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<CertificateRow | null> {
  return (await selectCertificates(reader, accountId).where('id', '=', id).executeTakeFirst()) ?? null;
}

/** The certificate of that id, locked until the end of the transaction. */
export async function lockCertificate(tx: Tx, accountId: string, id: string): Promise<CertificateRow | null> {
  const select = selectCertificates(tx, accountId).where('id', '=', id);
  return (await forUpdate(tx, select).executeTakeFirst()) ?? null;
}

/** The database refuses a fingerprint that the account has already. */
export async function insertCertificate(tx: Tx, certificate: CertificateRow): Promise<void> {
  await tx.query.insertInto('certificates').values(certificate).execute();
}

export async function updateCertificateRow(
  tx: Tx,
  { account_id, id }: Pick<CertificateRow, 'account_id' | 'id'>,
  change: Partial<CertificateRow>,
): Promise<void> {
  await tx.query
    .updateTable('certificates')
    .set(change)
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}

export async function deleteCertificateRow(
  tx: Tx,
  { account_id, id }: Pick<CertificateRow, 'account_id' | 'id'>,
): Promise<void> {
  await tx.query
    .deleteFrom('certificates')
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}
