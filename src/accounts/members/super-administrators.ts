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

/** Of these accounts, those of which this person is the last Super Administrator. */
export async function lastSuperAdministratorOf(
  reader: Reader,
  accountIds: readonly string[],
  administratorId: string,
): Promise<string[]> {
  const last = [];
  for (const accountId of accountIds) {
    if (await isLastSuperAdministrator(reader, accountId, administratorId)) last.push(accountId);
  }
  return last;
}
