import type { PermissionGroupName } from '../../src/kernel/permissions.ts';
import { tokenPolicy } from '../support/tenants.ts';
import type { Estate } from './estate.ts';

export const PERMISSIONS: readonly PermissionGroupName[] = ['Access: Service Tokens Write'];

/** A new token of the API with these permissions on the whole account. */
export async function tokenWith(
  { must, accountId }: Estate,
  name: string,
  may: readonly PermissionGroupName[],
): Promise<{ tokenId: string; value: string }> {
  const made = await must('POST', '/tokens', { name, policies: [tokenPolicy(accountId, may)] });
  return { tokenId: String(made.id), value: String(made.value) };
}
