import { generateKey, type NewKey } from '../../access/keys/keys.ts';
import type { Principal } from '../../database/act.ts';
import { type Reader, type Tx, takeTurn } from '../../database/database.ts';
import type { Vault } from '../../kernel/crypto.ts';
import { refusal } from '../../kernel/errors.ts';
import { newTag } from '../../kernel/ids.ts';
import { refuseAsked } from '../../kernel/off.ts';
import { superAdministrator } from '../../kernel/permissions.ts';
import type { Change } from '../../removal/act.ts';
import { createAccount, getAccount, type PresentedAccount } from '../accounts/accounts.ts';
import { accountsOf, actsAsSuperAdministrator } from '../holdings/holdings.ts';
import { createKeys } from './bootstrap.ts';
import {
  countAccountsMadeBy,
  countMembershipsOf,
  findFirstAccount,
  insertMember,
  isNameTaken,
  setMaker,
} from './store.ts';

export interface AccountAsked {
  readonly name: string;
  readonly type?: 'standard' | 'enterprise';
  readonly standalone?: boolean;
  readonly unit?: Readonly<Record<string, unknown>>;
}

/** An account that is to be made, by whom, and under what hosts the server itself is called. */
export interface Opening extends Prepared {
  readonly asked: AccountAsked;
  readonly principal: Principal;
  readonly vault: Vault;
  readonly reservedHosts: readonly string[];
  readonly now: string;
}

/** What of a new account is there before its transaction begins. */
export interface Prepared {
  readonly accountId: string;
  readonly keys: readonly NewKey[];
}

/** An id and signing keys, which take a while to make. */
export async function prepareAccount(): Promise<Prepared> {
  return { accountId: newTag(), keys: [await generateKey('session'), await generateKey('gate')] };
}

/** Throws unless a person shows that they are Super Administrator of some account. */
export async function refuseCreation(reader: Reader, principal: Principal): Promise<void> {
  for (const accountId of await accountsOf(reader, principal)) {
    if (await actsAsSuperAdministrator(reader, principal, accountId)) return;
  }
  throw refusal('forbidden');
}

/** How many accounts a person may be a member of and still make another. */
const MOST = 100;

/** How many accounts a person may have made in all: of one that is deleted, every node and gate goes on keeping where it ended. */
const MOST_MADE = 1000;

/**
 * A new account, complete: organization, zone, keys, and whoever asked as its Super Administrator. Its team domain is a
 * name below that of the first account, made of the account's name; its zone is that name.
 */
export async function openAccount(tx: Tx, input: Opening): Promise<Change<PresentedAccount>> {
  const { accountId, keys, asked, principal, vault, now } = input;
  refuseAsked({ ...asked }, ['unit']);
  const administratorId = principal.administratorId ?? '';
  await takeTurn(tx, 'names');
  await refuseTooMany(tx, administratorId);
  const { authDomain, zoneName } = await chooseTeamDomain(tx, asked.name, input.reservedHosts);
  const type = asked.type ?? 'standard';
  await createAccount(tx, { accountId, name: asked.name, type, zoneName, authDomain, now });
  await setMaker(tx, accountId, administratorId);
  const items = await createKeys(tx, { keys, vault, now, accountId });
  return {
    result: await getAccount(tx, accountId),
    items,
    onlyAdds: true,
    audit: {
      action: 'account.create',
      resource: { type: 'account', id: accountId },
      metadata: { name: asked.name, team_domain: authDomain },
    },
    // After the right was asked: by it the person has more.
    finish: (later) =>
      insertMember(later, {
        id: newTag(),
        account_id: accountId,
        administrator_id: administratorId,
        status: 'accepted',
        roles: JSON.stringify([superAdministrator.id]),
        policies: '[]',
        created_on: now,
      }),
  };
}

async function refuseTooMany(tx: Tx, administratorId: string): Promise<void> {
  if ((await countMembershipsOf(tx, administratorId)) >= MOST) {
    throw refusal('conflict', { detail: `whoever is a member of ${MOST} accounts cannot make another` });
  }
  if ((await countAccountsMadeBy(tx, administratorId)) >= MOST_MADE) {
    const detail = `whoever has made ${MOST_MADE} accounts, deleted ones among them, cannot make another`;
    throw refusal('conflict', { detail });
  }
}

/** The longest label that is made of a name; what makes it unique comes on top. */
const LONGEST_LABEL = 40;

async function chooseTeamDomain(
  tx: Tx,
  name: string,
  reservedHosts: readonly string[],
): Promise<{ authDomain: string; zoneName: string }> {
  const first = await findFirstAccount(tx);
  if (!first) throw new Error('there is no first account');
  const [parent = '', port] = first.auth_domain.split(':');
  if (/^[\d.]+$/.test(parent)) {
    throw refusal('notSupported', {
      detail: 'the first team domain is an address, below which are no names',
    });
  }
  const label = labelOf(name);
  const wanted = `${label}.${parent}`;
  const isOurs = reservedHosts.some((host) =>
    `.${host.replace(/:\d+$/, '').toLowerCase()}`.endsWith(`.${wanted}`),
  );
  const isFree = !isOurs && !(await isNameTaken(tx, wanted));
  const zoneName = isFree ? wanted : `${label}-${newTag().slice(0, 8)}.${parent}`;
  return { zoneName, authDomain: port === undefined ? zoneName : `${zoneName}:${port}` };
}

/** ASCII letters, digits and single hyphens: no A-label, and nothing that a browser shows as something else. */
export function labelOf(name: string): string {
  const plain = name
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^a-z0-9]+/g, '-');
  const label = plain.slice(0, LONGEST_LABEL).replaceAll(/^-|-$/g, '');
  return label === '' ? 'account' : label;
}
