import { type NewKey, storeKey } from '../../access/keys/keys.ts';
import type { Reader, Tx } from '../../database/database.ts';
import type { ApiTokenRow } from '../../database/tables.ts';
import { type Policy, statementsOfRole } from '../../kernel/authority.ts';
import { sha256, type Vault } from '../../kernel/crypto.ts';
import { normaliseEmail } from '../../kernel/email.ts';
import { refusal } from '../../kernel/errors.ts';
import { newSecret, newTag } from '../../kernel/ids.ts';
import { superAdministrator } from '../../kernel/permissions.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import type { Change } from '../../removal/act.ts';
import { createAccount } from '../accounts/accounts.ts';
import {
  acceptMember,
  deleteTokensNamed,
  findFirstAccount,
  hasAccounts,
  insertAdministrator,
  insertMember,
  insertToken,
  listAcceptedMembers,
  listAccountsOf,
  lockMemberByEmail,
  setKey,
} from './store.ts';

/** What an operator needs to call the API; written to a file that only they can read. */
export interface IssuedCredentials {
  readonly account_id: string;
  readonly zone_id: string | null;
  readonly email: string;
  readonly api_key: string;
  readonly api_token?: string;
}

export interface FirstStart {
  readonly authDomain: string;
  readonly zoneName: string;
  readonly adminEmail: string;
  readonly keys: readonly NewKey[];
  readonly vault: Vault;
  readonly now: string;
}

const TOKEN_NAME = 'First account token';

/**
 * Makes the first account with its organization, zone, signing keys, Super Administrator and an account token
 * with every permission; null if there is an account already. The caller writes the credentials down before
 * the transaction commits.
 */
export async function bootstrap(tx: Tx, start: FirstStart): Promise<IssuedCredentials | null> {
  if (await hasAccounts(tx)) return null;
  const { accountId, zoneId } = await createAccount(tx, {
    name: 'Portcullis',
    zoneName: start.zoneName,
    authDomain: start.authDomain,
    now: start.now,
  });
  await createKeys(tx, { ...start, accountId });
  const apiKey = newSecret('cfk');
  const administratorId = newTag();
  await insertAdministrator(tx, {
    id: administratorId,
    email: start.adminEmail,
    email_key: normaliseEmail(start.adminEmail) ?? start.adminEmail,
    first_name: null,
    last_name: null,
    key_hash: sha256(apiKey),
    created_on: start.now,
  });
  await insertMember(tx, {
    id: newTag(),
    account_id: accountId,
    administrator_id: administratorId,
    status: 'accepted',
    roles: JSON.stringify([superAdministrator.id]),
    policies: '[]',
    created_on: start.now,
  });
  const apiToken = await createFullToken(tx, { accountId, now: start.now });
  return {
    account_id: accountId,
    zone_id: zoneId,
    email: start.adminEmail,
    api_key: apiKey,
    api_token: apiToken,
  };
}

/** The signing keys of a new account. */
export async function createKeys(
  tx: Tx,
  { keys, vault, now, accountId }: Pick<FirstStart, 'keys' | 'vault' | 'now'> & { accountId: string },
): Promise<FeedItem[]> {
  const items: FeedItem[] = [];
  for (const key of keys) items.push(await storeKey(tx, { key, accountId, vault, now }));
  return items;
}

async function createFullToken(
  tx: Tx,
  { accountId, now }: { accountId: string; now: string },
): Promise<string> {
  const secret = newSecret('cfat');
  const policies: Policy[] = statementsOfRole(superAdministrator, accountId).map((statement) => ({
    ...statement,
    id: newTag(),
  }));
  const token: ApiTokenRow = {
    id: newTag(),
    account_id: accountId,
    administrator_id: null,
    name: TOKEN_NAME,
    status: 'active',
    secret_hash: sha256(secret),
    policies: JSON.stringify(policies),
    condition: null,
    not_before: null,
    expires_on: null,
    issued_on: now,
    modified_on: now,
    last_used_on: null,
    creator_id: null,
    creator_email: null,
  };
  await insertToken(tx, token);
  return secret;
}

/** The account that the first start made; null before it. */
export async function firstAccount(reader: Reader) {
  return await findFirstAccount(reader);
}

/** New credentials for the first Super Administrator and a new full account token; the old ones end. */
export async function resetCredentials(tx: Tx, { now }: { now: string }): Promise<Change<IssuedCredentials>> {
  const account = await findFirstAccount(tx);
  if (!account) throw new Error('the database holds no account yet: start the server once');
  const members = await listAcceptedMembers(tx, account.id);
  const admin = members.find((member) =>
    (JSON.parse(member.roles) as string[]).includes(superAdministrator.id),
  );
  if (!admin) throw new Error('the account has no Super Administrator');
  const apiKey = newSecret('cfk');
  await setKey(tx, admin.administrator_id, sha256(apiKey));
  await deleteTokensNamed(tx, account.id, TOKEN_NAME);
  const apiToken = await createFullToken(tx, { accountId: account.id, now });
  return {
    result: {
      account_id: account.id,
      zone_id: account.zone_id,
      email: admin.email,
      api_key: apiKey,
      api_token: apiToken,
    },
    audit: {
      action: 'credentials.reset',
      resource: { type: 'member', id: admin.id },
      metadata: { email: admin.email },
    },
    auditIn: toldIn('credentials.reset', account.id, admin),
    alsoAccountIds: await listAccountsOf(tx, admin.administrator_id),
  };
}

/** A new key for a member, who accepts the membership by it; an earlier key of theirs ends. */
export async function issueCredentials(
  tx: Tx,
  { email }: { email: string },
): Promise<Change<IssuedCredentials>> {
  const account = await findFirstAccount(tx);
  const emailKey = normaliseEmail(email);
  const member = account && emailKey ? await lockMemberByEmail(tx, account.id, emailKey) : null;
  if (!account || !member) throw refusal('notFound', { detail: `${email} is not a member of the account` });
  const apiKey = newSecret('cfk');
  await setKey(tx, member.administrator_id, sha256(apiKey));
  await acceptMember(tx, member.id);
  return {
    result: { account_id: account.id, zone_id: account.zone_id, email: member.email, api_key: apiKey },
    audit: {
      action: 'credentials.issue',
      resource: { type: 'member', id: member.id },
      metadata: { email: member.email },
    },
    auditIn: toldIn('credentials.issue', account.id, member),
    alsoAccountIds: await listAccountsOf(tx, member.administrator_id),
  };
}

/** What each account is told of new credentials: the membership is the first account's alone to know. */
function toldIn(
  action: string,
  firstAccountId: string,
  { id, administrator_id, email }: { id: string; administrator_id: string; email: string },
) {
  const membership = { type: 'member', id };
  const person = { type: 'user', id: administrator_id };
  return (accountId: string) => ({
    action,
    resource: accountId === firstAccountId ? membership : person,
    metadata: { email },
  });
}
