import type { Reader } from '../../database/database.ts';
import { superAdministrator } from '../../kernel/permissions.ts';
import { listHoldersOfRole } from './store.ts';

/**
 * Whether this person alone can still act as Super Administrator of the account: accepted, with a key, and no
 * other such. User tokens do not count, for they can allow less.
 */
export async function isLastSuperAdministrator(
  reader: Reader,
  accountId: string,
  administratorId: string,
): Promise<boolean> {
  const holders = await listHoldersOfRole(reader, accountId, superAdministrator.id);
  return holders.length === 1 && holders[0] === administratorId;
}
