import type { Act, Principal } from '../../database/act.ts';
import { failureOf } from '../../database/failures.ts';
import { timestamp } from '../../kernel/clock.ts';
import type { Vault } from '../../kernel/crypto.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import type { PresentedAccount } from '../accounts/accounts.ts';
import { type AccountAsked, openAccount, prepareAccount, refuseCreation } from './account-creation.ts';
import { readCreationKey, rememberCreation, repeatedCreation } from './repeated-creation.ts';

/** A request for an account, and who makes it. */
export interface Asking {
  readonly asked: AccountAsked;
  readonly principal: Principal;
  readonly act: Act;
  readonly idempotencyKey: string | null;
}

/**
 * Makes an account for a person who is Super Administrator of one already. With an Idempotency-Key, the same request of
 * the same person is answered the same for a day, and makes nothing.
 */
export async function createAccountOnce(
  { control, vault, reservedHosts }: { control: Control; vault: Vault; reservedHosts: readonly string[] },
  { asked, principal, act, idempotencyKey }: Asking,
): Promise<PresentedAccount> {
  const { reader } = control.database;
  await refuseCreation(reader, principal);
  const now = timestamp(control.clock.now());
  const key = readCreationKey(idempotencyKey, { administratorId: principal.administratorId ?? '', asked });
  const before = await repeatedCreation(reader, key, now);
  if (before) return before;
  const prepared = await prepareAccount();
  const authorize = (tx: Parameters<Act['authorize']>[0]) => refuseCreation(tx, principal);
  try {
    return await commitAct(control, { ...act, accountId: prepared.accountId, authorize }, async (tx) => {
      const change = await openAccount(tx, { ...prepared, asked, principal, vault, reservedHosts, now });
      if (key) await rememberCreation(tx, { key, account: change.result, now });
      return change;
    });
  } catch (error) {
    // The same request came twice at the same time, and the other was faster.
    const meanwhile = failureOf(error) === 'unique' ? await repeatedCreation(reader, key, now) : null;
    if (meanwhile) return meanwhile;
    throw error;
  }
}
