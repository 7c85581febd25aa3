import { findUserIdByEmail } from '../access/users/users.ts';
import { failureOf } from '../database/failures.ts';
import { DAY, timestamp } from '../kernel/clock.ts';
import { normaliseEmail } from '../kernel/email.ts';
import { newTag } from '../kernel/ids.ts';
import type { Control } from '../removal/act.ts';
import type { RefusedReason } from './refused.ts';
import { insertFailedLogin } from './store.ts';

const KEPT_FOR = 30 * DAY;

/** A sign-in that was refused, and whom the provider said it was. */
export interface FailedLogin {
  /** Under which the person was told of it. */
  readonly requestId: string;
  readonly accountId: string;
  readonly email: string | null;
  readonly reason: RefusedReason;
  readonly providerId: string;
  readonly applicationId: string | null;
  readonly ip: string;
}

/** Notes a refused sign-in of a known user for `failed_logins`; of an unknown one there is nowhere to. */
export async function noteFailedLogin(
  { database, clock }: Control,
  { accountId, email, reason, ...more }: FailedLogin,
): Promise<void> {
  const emailKey = email === null ? null : normaliseEmail(email);
  const userId = emailKey ? await findUserIdByEmail(database.reader, accountId, emailKey) : null;
  if (!userId) return;
  const now = clock.now();
  const at = timestamp(now);
  const { providerId, applicationId, ip } = more;
  const metadata = {
    reason,
    at,
    ip,
    provider_id: providerId,
    ...(applicationId === null ? {} : { application_id: applicationId }),
  };
  const row = {
    id: newTag(),
    account_id: accountId,
    user_id: userId,
    at,
    metadata: JSON.stringify(metadata),
  };
  try {
    await database.write((tx) => insertFailedLogin(tx, { ...row, expires_at: timestamp(now + KEPT_FOR) }));
  } catch (error) {
    // Deleted in between: there is nobody left whose sign-in failed.
    if (failureOf(error) !== 'foreign_key') throw error;
  }
}
