import type { Reader, Tx } from '../../database/database.ts';
import { DAY, timestamp } from '../../kernel/clock.ts';
import { sha256 } from '../../kernel/crypto.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import type { PresentedAccount } from '../accounts/accounts.ts';
import type { AccountAsked } from './account-creation.ts';
import { dropCreationsBefore, findCreation, insertCreation } from './store.ts';

/** Under what a creation is remembered: who asked with which key, and what. */
export interface CreationKey {
  readonly id: string;
  readonly request: string;
}

/** How long the same key is answered the same. */
const REPEAT_FOR = DAY;

const POINTER = '/header/Idempotency-Key';

/** Reads the header; null without it. The same key of another person is another key. */
export function readCreationKey(
  given: string | null,
  { administratorId, asked }: { administratorId: string; asked: AccountAsked },
): CreationKey | null {
  if (given === null) return null;
  if (!/^[\x21-\x7e]{1,255}$/.test(given)) {
    throw invalidInput([{ pointer: POINTER, message: 'must be 1 to 255 visible ASCII characters' }]);
  }
  const { name, type = 'standard' } = asked;
  return { id: sha256(`${administratorId} ${given}`), request: sha256(JSON.stringify([name, type])) };
}

/** What was answered to the key within a day; null if it is new. Another request with the same key is a 409. */
export async function repeatedCreation(
  reader: Reader,
  key: CreationKey | null,
  now: string,
): Promise<PresentedAccount | null> {
  const known = key && (await findCreation(reader, key.id, since(now)));
  if (!known) return null;
  if (known.request !== key.request) throw refusal('conflict', { detail: USED, pointer: POINTER });
  if (known.deleted_at !== null) throw refusal('conflict', { detail: GONE, pointer: POINTER });
  return JSON.parse(known.answer) as PresentedAccount;
}

const USED = 'the key was used for another request';
const GONE = 'the account that was made with the key has been deleted';

/** Remembers the answer. The database refuses a key that another request took meanwhile. */
export async function rememberCreation(
  tx: Tx,
  { key, account, now }: { key: CreationKey; account: PresentedAccount; now: string },
): Promise<void> {
  await dropCreationsBefore(tx, since(now));
  await insertCreation(tx, { ...key, account_id: account.id, answer: JSON.stringify(account), at: now });
}

function since(now: string): string {
  return timestamp(Date.parse(now) - REPEAT_FOR);
}
