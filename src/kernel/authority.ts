import { type PermissionGroupName, permissionGroupById, permissionGroups, type Role } from './permissions.ts';
import {
  ACCOUNT,
  type AccountOfZone,
  accountRegion,
  countResources,
  isWithin,
  overlap,
  parseResources,
  type Region,
  type Resources,
  regionsOf,
  USER,
  userRegion,
  ZONE,
  zoneRegion,
} from './resources.ts';
import {
  below,
  collect,
  isObject,
  misread,
  own,
  type Parsed,
  type Problem,
  parsed,
  quote,
} from './result.ts';

/** What a token, a member or a user group may do, or may not, on which resources (reference §7.2). */
export interface Statement {
  readonly effect: 'allow' | 'deny';
  readonly permission_groups: readonly { readonly id: string }[];
  readonly resources: Resources;
}

/** A statement as it is stored. */
export interface Policy extends Statement {
  readonly id: string;
}

/** A right that is asked for: any of the names, on a zone of an account, on an account, or on a user. */
export interface WantedRight {
  readonly names: readonly PermissionGroupName[];
  readonly account?: string | undefined;
  readonly zone?: string | undefined;
  readonly user?: string | undefined;
}

/**
 * Whether the statements give one of the names on the target. A name is given if an allow grants it there and
 * no deny takes it away there; a denied name does not stand in the way of another.
 *
 * - An account-scope group on an account holds for the account and for its zones, whose paths are views of it.
 * - A zone-scope group holds only where a zone is asked for, and only if the resources name zones. An account
 *   with `*` does not grant it: that takes `{"com.cloudflare.api.account.<id>": {"….zone.*": "*"}}`, or a zone.
 * - Denies are read more widely: a zone-scope group denied on an account is denied on all of its zones.
 *
 * `account.*` and zones named outside an account reach into every account: the caller asks only about those
 * that the owner of the credential belongs to.
 */
export function permits(statements: readonly Statement[], wanted: WantedRight): boolean {
  const target = targetOf(wanted);
  if (target === null) return false;
  return wanted.names.some((name) => {
    const { allowed, denied } = rightsNamed(statements, name);
    const holdsTarget = (region: Region) => isWithin(target, region);
    return allowed.some(holdsTarget) && !denied.some(holdsTarget);
  });
}

/** Where the policies stand in the body, and how to find the account of a zone that is named by its id alone. */
export interface GrantContext {
  readonly pointer?: string;
  readonly accountOfZone?: AccountOfZone;
}

/**
 * Null if whoever holds the first list may hand out the second, otherwise the first permission group of it
 * that goes too far. Every allow must be held throughout its resources: a wildcard by a wildcard, and with no
 * deny that touches them at all. Denies may be handed out by anybody, and do not lessen the allows beside
 * them. So the second list permits nothing that the first does not.
 */
export function covers(
  held: readonly Statement[],
  asked: readonly Statement[],
  { pointer = '', accountOfZone }: GrantContext = {},
): Problem | null {
  const ids = new Set(asked.flatMap((statement) => statement.permission_groups.map(({ id }) => id)));
  const rights = new Map([...ids].map((id) => [id, rightsOf(held, id, accountOfZone)]));
  for (const [index, statement] of asked.entries()) {
    if (statement.effect !== 'allow') continue;
    const excess = statement.permission_groups.findIndex(
      ({ id }) => !isHeld(rights.get(id), reachOf(statement, [id], accountOfZone)),
    );
    if (excess !== -1) return tooMuch(statement, excess, below(pointer, index));
  }
  return null;
}

/** What a role gives on an account, on all of its zones and, if one is named, on the user that has the role. */
export function statementsOfRole(role: Role, account: string, user?: string): Statement[] {
  const key = `${ACCOUNT}.${account}`;
  const places: [string, Resources][] = [
    [ACCOUNT, { [key]: '*' }],
    [ZONE, { [key]: { [`${ZONE}.*`]: '*' } }],
  ];
  if (user !== undefined) places.push([USER, { [`${USER}.${user}`]: '*' }]);
  return places.flatMap(([scope, resources]) => {
    const groups = role.permissionGroups.filter(({ scopes }) => scopes.some((one) => one === scope));
    const permission_groups = groups.map(({ id }) => ({ id }));
    return groups.length > 0 ? [{ effect: 'allow', permission_groups, resources }] : [];
  });
}

/** How many policies one token can have, and how many resources all of them together. */
const MOST_POLICIES = 100;
const MOST_RESOURCES = 1000;

/**
 * Reads the policies of a token. Each has an effect, permission groups by id, and resources; a policy none of
 * whose groups applies to any of its resources is refused, for it would do nothing. An `id` is left to the
 * caller, what else Cloudflare shows of a permission group is passed over.
 */
export function parsePolicies(value: unknown, pointer: string): Parsed<Statement[]> {
  if (!Array.isArray(value) || value.length === 0)
    return misread(pointer, 'must be an array of policies, not empty');
  if (value.length > MOST_POLICIES) return misread(pointer, `must have at most ${MOST_POLICIES} policies`);
  const statements = collect(value.map((policy, index) => parseStatement(policy, below(pointer, index))));
  if (!statements.ok) return statements;
  const resources = statements.value.reduce((sum, statement) => sum + countResources(statement.resources), 0);
  return resources > MOST_RESOURCES
    ? misread(pointer, `must name at most ${MOST_RESOURCES} resources`)
    : statements;
}

interface Rights {
  readonly allowed: readonly Region[];
  readonly denied: readonly Region[];
}

function rightsNamed(
  statements: readonly Statement[],
  name: PermissionGroupName,
  accountOfZone?: AccountOfZone,
): Rights {
  const allowed: Region[] = [];
  const denied: Region[] = [];
  for (const statement of statements) {
    const ids = statement.permission_groups.map(({ id }) => id);
    const named = ids.filter((id) => permissionGroupById.get(id)?.name === name);
    // Anything but an allow counts as a deny.
    (statement.effect === 'allow' ? allowed : denied).push(...reachOf(statement, named, accountOfZone));
  }
  return { allowed, denied };
}

/** What is held of a group, under its name; null for a group that does not exist. */
function rightsOf(held: readonly Statement[], id: string, accountOfZone?: AccountOfZone): Rights | null {
  const group = permissionGroupById.get(id);
  return group ? rightsNamed(held, group.name, accountOfZone) : null;
}

function isHeld(rights: Rights | null | undefined, regions: readonly Region[]): boolean {
  if (!rights) return false;
  const { allowed, denied } = rights;
  return regions.every(
    (region) =>
      allowed.some((outer) => isWithin(region, outer)) && !denied.some((other) => overlap(region, other)),
  );
}

/** Where a statement bears on the groups of those ids. */
function reachOf(statement: Statement, ids: readonly string[], accountOfZone?: AccountOfZone): Region[] {
  const scopes = ids.flatMap((id) => permissionGroupById.get(id)?.scopes ?? []);
  if (scopes.length === 0) return [];
  const isDeny = statement.effect !== 'allow';
  return regionsOf(statement.resources, accountOfZone).flatMap((region) =>
    scopes.flatMap((scope) => {
      const zones = zoneRegion(region.owner, '*');
      if (region.kind === scope) return scope === ACCOUNT ? [region, zones] : [region];
      return isDeny && region.kind === ACCOUNT && scope === ZONE ? [zones] : [];
    }),
  );
}

function targetOf({ account = '', zone, user }: WantedRight): Region | null {
  if (zone) return zoneRegion(account, zone);
  if (account) return accountRegion(account);
  return user ? userRegion(user) : null;
}

function tooMuch(statement: Statement, position: number, pointer: string): Problem {
  const id = statement.permission_groups[position]?.id ?? '';
  const name = permissionGroupById.get(id)?.name ?? id;
  return {
    pointer: below(below(pointer, 'permission_groups'), position),
    message: `${quote(name)} is not held on all of these resources`,
  };
}

function parseStatement(policy: unknown, pointer: string): Parsed<Statement> {
  if (!isObject(policy)) return misread(pointer, 'must be an object');
  const effect = parseEffect(own(policy, 'effect'), below(pointer, 'effect'));
  const groups = parseGroups(own(policy, 'permission_groups'), below(pointer, 'permission_groups'));
  const resources = parseResources(own(policy, 'resources'), below(pointer, 'resources'));
  if (effect.ok && groups.ok && resources.ok) {
    const statement = { effect: effect.value, permission_groups: groups.value, resources: resources.value };
    const ids = groups.value.map(({ id }) => id);
    if (reachOf(statement, ids).length > 0) return parsed(statement);
    return misread(
      below(pointer, 'resources'),
      'none of the permission groups applies to any of these resources',
    );
  }
  return {
    ok: false,
    problems: [effect, groups, resources].flatMap((part) => (part.ok ? [] : part.problems)),
  };
}

function parseEffect(value: unknown, pointer: string): Parsed<Statement['effect']> {
  return value === 'allow' || value === 'deny'
    ? parsed(value)
    : misread(pointer, 'must be "allow" or "deny"');
}

function parseGroups(value: unknown, pointer: string): Parsed<{ id: string }[]> {
  if (!Array.isArray(value) || value.length === 0) return misread(pointer, 'must be an array, not empty');
  if (value.length > permissionGroups.length)
    return misread(pointer, `must have at most ${permissionGroups.length} permission groups`);
  return collect(value.map((group, index) => parseGroup(group, below(pointer, index))));
}

function parseGroup(group: unknown, pointer: string): Parsed<{ id: string }> {
  const id = isObject(group) ? own(group, 'id') : undefined;
  if (typeof id !== 'string') return misread(below(pointer, 'id'), 'must be the id of a permission group');
  if (!permissionGroupById.has(id))
    return misread(below(pointer, 'id'), `${quote(id)} is no permission group`);
  return parsed({ id });
}
