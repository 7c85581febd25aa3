import type { Principal } from '../../database/act.ts';
import type { Reader, Tx } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import { createAccountResourceGroup } from '../../iam/resource-groups/resource-groups.ts';
import { refusal } from '../../kernel/errors.ts';
import { newTag } from '../../kernel/ids.ts';
import { permissionGroups } from '../../kernel/permissions.ts';
import { accountsOf } from '../holdings/holdings.ts';
import { createZone, visibleZones } from '../zones/zones.ts';
import {
  type AccountFilter,
  countAccounts,
  findAccount,
  insertAccount,
  listAccounts,
  type StoredAccount,
} from './store.ts';

/** An account as the API answers it. */
export function presentAccount(account: StoredAccount) {
  return {
    id: account.id,
    name: account.name,
    type: account.type === 'enterprise' ? ('enterprise' as const) : ('standard' as const),
    settings: { enforce_twofactor: false as const, ...settingsOf(account) },
    created_on: account.created_on,
  };
}

/** What of an account is kept as JSON. */
export interface AccountSettings {
  abuse_contact_email?: string;
}

export function settingsOf({ settings }: Pick<StoredAccount, 'settings'>): AccountSettings {
  return JSON.parse(settings) as AccountSettings;
}

export type PresentedAccount = ReturnType<typeof presentAccount>;

export async function getAccount(reader: Reader, id: string): Promise<PresentedAccount> {
  const account = await findAccount(reader, id);
  if (!account) throw refusal('notFound', { detail: 'account not found' });
  return presentAccount(account);
}

/** The accounts that the principal may see, as a list to be paged. */
export async function accountList(
  reader: Reader,
  principal: Principal,
  { name, direction = 'asc' }: { name?: string; direction?: 'asc' | 'desc' },
): Promise<KeyedList<StoredAccount>> {
  const ids = await visibleAccounts(reader, principal);
  const filter: AccountFilter = { ids, ...(name === undefined ? {} : { name }) };
  return {
    fetch: (start) => listAccounts(reader, { filter, direction, start }),
    keyOf: (account) => [account.name, account.id],
    total: () => countAccounts(reader, filter),
  };
}

const anyPermission = permissionGroups.map(({ name }) => name);

/**
 * A token of an account sees that one, a member those they have joined; a member's token only those of them
 * that it was given something in.
 */
export async function visibleAccounts(reader: Reader, principal: Principal): Promise<string[]> {
  const joined = await accountsOf(reader, principal);
  if (principal.actor.type !== 'user_token') return joined;
  const zones = await visibleZones(reader, principal, anyPermission);
  const visible = new Set(zones.map((zone) => zone.account_id));
  for (const account of joined) {
    if (await principal.permits(reader, { names: anyPermission, account })) visible.add(account);
  }
  return joined.filter((id) => visible.has(id));
}

export interface NewAccount {
  /** Where it is to be known before. */
  readonly accountId?: string;
  readonly name: string;
  readonly type?: 'standard' | 'enterprise';
  /** The first zone, a domain that no other account has. */
  readonly zoneName: string;
  /** Host, with port where it is not the scheme's own, of the team domain. */
  readonly authDomain: string;
  readonly now: string;
}

export interface CreatedAccount {
  readonly accountId: string;
  readonly zoneId: string;
  /** The resource groups that stand for the whole account and for the zone. */
  readonly accountResourceGroupId: string;
  readonly zoneResourceGroupId: string;
}

/** A new account, complete: its feed, its Zero Trust organization, one zone, and a resource group for each. */
export async function createAccount(tx: Tx, account: NewAccount): Promise<CreatedAccount> {
  const { accountId = newTag(), name, type = 'standard', zoneName, authDomain, now } = account;
  await insertAccount(tx, {
    account: { id: accountId, name, type, created_on: now, settings: '{}', seat_limit: null },
    organization: {
      account_id: accountId,
      name,
      auth_domain: authDomain,
      session_duration: '24h',
      settings: '{}',
      created_at: now,
      updated_at: now,
    },
  });
  const accountResourceGroupId = await createAccountResourceGroup(tx, { accountId, now });
  const zone = await createZone(tx, { accountId, name: zoneName, now });
  return {
    accountId,
    zoneId: zone.zoneId,
    accountResourceGroupId,
    zoneResourceGroupId: zone.resourceGroupId,
  };
}
