import type { Principal } from '../../database/act.ts';
import type { Reader, Tx } from '../../database/database.ts';
import { refusal } from '../../kernel/errors.ts';
import { type FeedItem, revocation } from '../../protocol/feed.ts';
import type { Change } from '../../removal/act.ts';
import { actsAsSuperAdministrator } from '../holdings/holdings.ts';
import {
  emptyAccountTables,
  endPersonsOnlyOf,
  findOldestAccountId,
  listCertificateIds,
  listGateIds,
  listKeyIds,
  lockPersonsOf,
  markDeleted,
} from './removal-store.ts';
import { lockAccount } from './store.ts';

/** Throws unless a person shows that they may do everything in the account; a token of the account never may this. */
export async function refuseRemoval(reader: Reader, principal: Principal, accountId: string): Promise<void> {
  if (!(await actsAsSuperAdministrator(reader, principal, accountId))) throw refusal('forbidden');
}

/**
 * Ends an account and all that it has, at once: applications, gates, keys, people, members and tokens. Of people who
 * are members of nothing else the key and tokens end as well. What stays is its feed, from which whoever is behind
 * learns that it is gone, and its audit log; its team domain is never given to another account.
 *
 * The oldest account is the operator's, whose credentials and team domain the server is started with: a 400.
 */
export async function deleteAccount(
  tx: Tx,
  { accountId, now }: { accountId: string; now: string },
): Promise<Change<{ id: string }>> {
  // Whoever is adding anything to the account has ended now, or waits and is refused after.
  const account = await lockAccount(tx, accountId);
  if (!account) throw refusal('forbidden');
  if ((await findOldestAccountId(tx)) === accountId) {
    const detail = 'the first account is the one that the server is operated by';
    throw refusal('notSupported', { detail, pointer: '/path/account_id' });
  }
  await lockPersonsOf(tx, accountId);
  return {
    result: { id: accountId },
    items: await endsOf(tx, accountId),
    audit: {
      action: 'account.delete',
      resource: { type: 'account', id: accountId },
      metadata: { name: account.name },
    },
    finish: async (later) => {
      await endPersonsOnlyOf(later, accountId);
      await markDeleted(later, accountId, now);
      await emptyAccountTables(later, accountId);
    },
  };
}

/**
 * Every credential is refused by the account's revocation; without its organization a gate forgets all that it holds of
 * an account. Keys and certificates are told one by one, since others than gates keep them.
 */
async function endsOf(tx: Tx, accountId: string): Promise<FeedItem[]> {
  const gone = (kind: 'key' | 'certificate' | 'organization') => (id: string) => ({ kind, id, state: null });
  const gates = await listGateIds(tx, accountId);
  return [
    revocation({ type: 'account', id: accountId }),
    ...gates.map((id) => revocation({ type: 'gate', id })),
    ...(await listKeyIds(tx, accountId)).map(gone('key')),
    ...(await listCertificateIds(tx, accountId)).map(gone('certificate')),
    gone('organization')(accountId),
  ];
}
