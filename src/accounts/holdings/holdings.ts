import type { Principal } from '../../database/act.ts';
import type { Reader } from '../../database/database.ts';
import { type Grant, parseMemberPolicies, statementsOf } from '../../iam/policies/policies.ts';
import { covers, type Policy, type Statement, statementsOfRole } from '../../kernel/authority.ts';
import { refusal } from '../../kernel/errors.ts';
import { permissionGroups, rolesOf, superAdministrator } from '../../kernel/permissions.ts';
import { ACCOUNT, type Resources, USER, ZONE } from '../../kernel/resources.ts';
import {
  findTokenOfPrincipal,
  listAccountIdsOf,
  listGroupPolicies,
  listMemberships,
  listZoneOwners,
  type MembershipRow,
} from './store.ts';

/** The accounts a principal belongs to, in id order: a token's own, or those that its owner has joined. */
export async function accountsOf(reader: Reader, principal: Principal): Promise<string[]> {
  if (principal.administratorId) return await listAccountIdsOf(reader, principal.administratorId);
  const token = await tokenOf(reader, principal);
  return token?.account_id ? [token.account_id] : [];
}

/**
 * Refuses, with the pointer of the first excess, to hand out what the principal does not hold: what a token
 * was not given, or what its owner, or the owner of the key, does not have now (decisions, People). To be
 * asked before the work, and again after the counter is locked but before anything is written that could
 * give the principal itself more.
 */
export async function refuseExcess(
  reader: Reader,
  principal: Principal,
  grants: readonly Grant[],
): Promise<void> {
  const excess = await findExcess(reader, principal, grants);
  if (excess) throw refusal('exceedsAuthority', { detail: excess.message, pointer: excess.pointer });
}

/**
 * Whether a person shows that they may do all that a Super Administrator may in the account: by their key, or by a
 * token that was given everything there. A token of the account is nobody.
 */
export async function actsAsSuperAdministrator(
  reader: Reader,
  principal: Principal,
  account: string,
): Promise<boolean> {
  if (!principal.administratorId) return false;
  if (!(await principal.permits(reader, { names: ['Account Settings Write'], account }))) return false;
  const grants = statementsOfRole(superAdministrator, account).map((statement) => ({
    pointer: '',
    statement,
  }));
  return (await findExcess(reader, principal, grants)) === null;
}

interface Excess {
  readonly message: string;
  readonly pointer: string;
}

async function findExcess(
  reader: Reader,
  principal: Principal,
  grants: readonly Grant[],
): Promise<Excess | null> {
  if (grants.length === 0) return null;
  const { actor, administratorId } = principal;
  // Whoever is neither a token nor a person holds nothing.
  if (actor.tokenId || !administratorId) {
    const token = await tokenOf(reader, principal);
    const excess = await findBeyond(reader, token?.policies ?? [], grants);
    if (excess || !administratorId) return excess;
  }
  const held = await statementsOfAdministrator(reader, administratorId);
  const accountIds = await accountsOf(reader, principal);
  const spelledOut = grants.flatMap((grant) => within(grant, accountIds));
  return await findBeyond(reader, held, spelledOut);
}

async function tokenOf(reader: Reader, { actor }: Principal) {
  const token = actor.tokenId ? await findTokenOfPrincipal(reader, actor.tokenId) : null;
  return token && { ...token, policies: JSON.parse(token.policies) as Policy[] };
}

async function findBeyond(
  reader: Reader,
  held: readonly Statement[],
  grants: readonly Grant[],
): Promise<Excess | null> {
  const asked = grants.map(({ statement }) => statement);
  const owners = await ownersOfZones(reader, [...held, ...asked]);
  for (const { statement, pointer } of grants) {
    const excess = covers(held, [statement], { accountOfZone: (zone) => owners.get(zone) ?? null });
    if (excess) return { message: excess.message, pointer };
  }
  return null;
}

/** The account of each zone that these statements name, of those that exist. */
export async function ownersOfZones(
  reader: Reader,
  statements: readonly Statement[],
): Promise<Map<string, string>> {
  const ids = statements.flatMap(({ resources }) => zonesNamed(resources));
  return await listZoneOwners(reader, [...new Set(ids)]);
}

function zonesNamed(resources: Resources): string[] {
  const names = Object.entries(resources).flatMap(([name, content]) => [
    name,
    ...(content === '*' ? [] : Object.keys(content)),
  ]);
  return names.filter((name) => name.startsWith(`${ZONE}.`)).map((name) => name.slice(ZONE.length + 1));
}

/** All that an administrator may do now: in each account by role, policies and groups, and on themselves. */
async function statementsOfAdministrator(reader: Reader, id: string): Promise<Statement[]> {
  const held = await heldByMemberships(reader, id, await listMemberships(reader, id));
  return [onThemselves(id), ...[...held.values()].flat()];
}

type Membership = Pick<MembershipRow, 'account_id' | 'roles' | 'policies'>;

/** What an administrator has by each of these accepted memberships of theirs, by account: role, policies, groups. */
export async function heldByMemberships(
  reader: Reader,
  administratorId: string,
  memberships: readonly Membership[],
): Promise<Map<string, Statement[]>> {
  const groups = await listGroupPolicies(reader, administratorId);
  const held = new Map<string, Statement[]>();
  for (const { account_id, roles, policies } of memberships) {
    const byRole = rolesOf(JSON.parse(roles) as string[]).flatMap((role) =>
      statementsOfRole(role, account_id),
    );
    const inherited = groups
      .filter((group) => group.account_id === account_id)
      .map((group) => group.policies);
    const all = [policies, ...inherited].flatMap(parseMemberPolicies);
    held.set(account_id, [...byRole, ...(await statementsOf(reader, account_id, all))]);
  }
  return held;
}

function onThemselves(id: string): Statement {
  const groups = permissionGroups.filter(({ scopes }) => scopes.includes(USER));
  return {
    effect: 'allow',
    permission_groups: groups.map((group) => ({ id: group.id })),
    resources: { [`${USER}.${id}`]: '*' },
  };
}

/**
 * The same grant, a part for each resource, with `every account` spelled out. What a person's token may do is
 * bounded at each call by what the person may, so for the person a wildcard means the accounts they have joined.
 */
function within({ pointer, statement }: Grant, accountIds: readonly string[]): Grant[] {
  const parts = Object.entries(statement.resources).flatMap(([name, content]): Resources[] => {
    if (name === `${ACCOUNT}.*`) return accountIds.map((id) => ({ [`${ACCOUNT}.${id}`]: content }));
    if (name !== `${ZONE}.*`) return [{ [name]: content }];
    return accountIds.map((id) => ({ [`${ACCOUNT}.${id}`]: { [`${ZONE}.*`]: '*' } }));
  });
  return parts.map((resources) => ({ pointer, statement: { ...statement, resources } }));
}
