import type { Principal, Wanted } from '../../database/act.ts';
import type { Database, Reader } from '../../database/database.ts';
import type { ApiTokenRow } from '../../database/tables.ts';
import { parseMemberPolicies, statementsOf } from '../../iam/policies/policies.ts';
import type { Actor } from '../../kernel/actor.ts';
import { contains, parseAddress, parseCidr } from '../../kernel/address.ts';
import { type Policy, permits, statementsOfRole } from '../../kernel/authority.ts';
import { type Clock, MINUTE, timestamp } from '../../kernel/clock.ts';
import { equalInConstantTime, sha256 } from '../../kernel/crypto.ts';
import { normaliseEmail } from '../../kernel/email.ts';
import { refusal } from '../../kernel/errors.ts';
import { rolesOf, superAdministrator } from '../../kernel/permissions.ts';
import { type Credentials, readCredentials } from './credentials.ts';
import {
  findAdministrator,
  findAdministratorByEmail,
  findMemberRights,
  findToken,
  findTokenById,
  findZoneById,
  type KeyHolder,
  touchToken,
} from './store.ts';

interface Presented {
  readonly rawHeaders: readonly string[];
  readonly ip: string;
  readonly id: string;
}

interface Context {
  readonly database: Database;
  readonly clock: Clock;
}

/**
 * Who is there. Every credential sent must be valid and of one principal; whatever is wrong with one, the
 * answer is the same 401 (decisions, Authentication). Read from the database at every request.
 */
export async function authenticate(context: Context, presented: Presented): Promise<Principal> {
  const credentials = readCredentials(presented.rawHeaders);
  const principals = await context.database.snapshot((reader) =>
    believe(reader, { ...context, ...presented, credentials }),
  );
  const [first, second] = principals;
  if (!first) throw refusal('authentication');
  return second ? both(first, second) : first;
}

type Belief = Context & Presented & { credentials: Credentials };

async function believe(reader: Reader, belief: Belief): Promise<Principal[]> {
  const { token, key } = belief.credentials;
  const principals: Principal[] = [];
  if (token) principals.push(await believeToken(reader, belief, token));
  if (key) principals.push(await believeKey(reader, belief, key));
  return principals;
}

/** Two credentials of one person: what both allow. Of two people: neither. */
function both(token: Principal, key: Principal): Principal {
  if (!token.administratorId || token.administratorId !== key.administratorId)
    throw refusal('authentication');
  return {
    ...token,
    permits: async (reader, wanted) =>
      (await token.permits(reader, wanted)) && (await key.permits(reader, wanted)),
  };
}

async function believeToken(reader: Reader, belief: Belief, secret: string): Promise<Principal> {
  const token = await findToken(reader, sha256(secret));
  if (!token || !isUsable(token, belief)) throw refusal('authentication');
  const owner = token.administrator_id ? await findAdministrator(reader, token.administrator_id) : null;
  if (token.administrator_id && !owner) throw refusal('authentication');
  noteUse(belief, token);
  return {
    actor: actorOf(belief, {
      type: owner ? 'user_token' : 'account_token',
      id: owner?.id ?? token.id,
      email: owner?.email ?? null,
      tokenId: token.id,
      tokenName: token.name,
    }),
    credentialId: `token ${token.id}`,
    administratorId: owner?.id ?? null,
    permits: (later, wanted) =>
      tokenPermits(later, { id: token.id, secretHash: token.secret_hash, belief }, wanted),
  };
}

async function believeKey(
  reader: Reader,
  belief: Belief,
  { email, key }: { email: string; key: string },
): Promise<Principal> {
  const emailKey = normaliseEmail(email);
  const holder = emailKey ? await findAdministratorByEmail(reader, emailKey) : null;
  const hash = sha256(key);
  // Compared whether or not there is a holder, so that time does not tell which e-mails exist.
  const matches = equalInConstantTime(holder?.key_hash ?? '', hash);
  if (!holder || !matches) throw refusal('authentication');
  return {
    actor: actorOf(belief, { type: 'member', id: holder.id, email: holder.email, tokenId: null }),
    credentialId: `key ${holder.id}`,
    administratorId: holder.id,
    permits: (later, wanted) => keyPermits(later, { holder, hash }, wanted),
  };
}

function actorOf(
  { ip, id }: Presented,
  who: Pick<Actor, 'type' | 'id' | 'email' | 'tokenId' | 'tokenName'>,
): Actor {
  return { ...who, ip, requestId: id, interface: 'API' };
}

/** Active, within its times, and from an address that its condition admits. */
function isUsable(token: ApiTokenRow, { clock, ip }: { clock: Clock; ip: string }): boolean {
  const now = timestamp(clock.now());
  if (token.status !== 'active') return false;
  if (token.not_before !== null && token.not_before > now) return false;
  if (token.expires_on !== null && token.expires_on <= now) return false;
  return token.condition === null || admitsAddress(token.condition, ip);
}

/** The stored condition is ours, already checked: `{"in": [CIDR…], "not_in": [CIDR…]}`. */
function admitsAddress(condition: string, ip: string): boolean {
  const address = parseAddress(ip);
  if (!address) return false;
  const { in: within, not_in: without } = JSON.parse(condition) as { in?: string[]; not_in?: string[] };
  const covers = (blocks: string[]) =>
    contains(
      blocks.map(parseCidr).filter((block) => block !== null),
      address,
    );
  return (!within?.length || covers(within)) && !(without?.length && covers(without));
}

/** The token as it is now, not as it was when the request arrived: it may have ended meanwhile. */
async function tokenPermits(
  reader: Reader,
  { id, secretHash, belief }: { id: string; secretHash: string; belief: Belief },
  wanted: Wanted,
): Promise<boolean> {
  const token = await findTokenById(reader, id);
  if (!token || token.secret_hash !== secretHash || !isUsable(token, belief)) return false;
  if (token.account_id !== null && token.account_id !== wanted.account) return false;
  if (!permits(JSON.parse(token.policies) as Policy[], wanted)) return false;
  if (token.administrator_id === null) return true;
  return await administratorPermits(reader, token.administrator_id, wanted);
}

async function keyPermits(
  reader: Reader,
  { holder, hash }: { holder: KeyHolder; hash: string },
  wanted: Wanted,
): Promise<boolean> {
  const now = await findAdministrator(reader, holder.id);
  if (!now || !equalInConstantTime(now.key_hash ?? '', hash)) return false;
  return await administratorPermits(reader, holder.id, wanted);
}

/**
 * What an administrator may do now: everything of their own; in an account the union of their roles, their
 * policies and those of their user groups there (reference §4.5).
 */
async function administratorPermits(reader: Reader, id: string, wanted: Wanted): Promise<boolean> {
  if (wanted.account === undefined) return wanted.user === id;
  const rights = await findMemberRights(reader, { accountId: wanted.account, administratorId: id });
  if (!rights) return false;
  const roleIds = JSON.parse(rights.roles) as string[];
  if (roleIds.includes(superAdministrator.id)) return true;
  const { account } = wanted;
  const byRole = rolesOf(roleIds).flatMap((role) => statementsOfRole(role, account));
  const policies = rights.policies.flatMap(parseMemberPolicies);
  return permits([...byRole, ...(await statementsOf(reader, account, policies))], wanted);
}

/** The zone of that id and the account that owns it, whoever asks: whether they may see it is asked next. */
export const findZone = findZoneById;

/** Last use is a courtesy to operators: noted at most once in five minutes, never waited for. */
function noteUse({ database, clock }: Context, token: ApiTokenRow): void {
  const since = timestamp(clock.now() - 5 * MINUTE);
  if (token.last_used_on !== null && token.last_used_on >= since) return;
  const now = timestamp(clock.now());
  database.write((tx) => touchToken(tx, { id: token.id, now, since })).catch(() => {});
}
