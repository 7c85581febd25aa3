import type { Principal } from '../../database/act.ts';
import type { Reader } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import type { ApiTokenRow } from '../../database/tables.ts';
import { presentPermissionGroup } from '../../iam/permission-groups/permission-groups.ts';
import type { Policy } from '../../kernel/authority.ts';
import { refusal } from '../../kernel/errors.ts';
import { permissionGroupById, permissionGroups } from '../../kernel/permissions.ts';
import { USER } from '../../kernel/resources.ts';
import { ownersOfZones } from '../holdings/holdings.ts';
import {
  countTokens,
  deleteTokenRows,
  findToken,
  listTokenIdsCreatedBy,
  listTokenIdsOf,
  listTokenPolicies,
  listTokens,
  type TokenFilter,
  type TokenOwner,
} from './store.ts';
import { isWhollyOf } from './token-audit.ts';

/** A token as the API answers it; what it does not have is left out, as the SDK types it. */
export function presentToken(token: ApiTokenRow, now: string) {
  const { condition, not_before, expires_on, last_used_on, creator_email } = token;
  return {
    id: token.id,
    name: token.name,
    status: statusOf(token, now),
    policies: (JSON.parse(token.policies) as Policy[]).map(presentPolicy),
    issued_on: token.issued_on,
    modified_on: token.modified_on,
    ...(condition === null ? {} : { condition: { request_ip: JSON.parse(condition) as Cidrs } }),
    ...(not_before === null ? {} : { not_before }),
    ...(expires_on === null ? {} : { expires_on }),
    ...(last_used_on === null ? {} : { last_used_on }),
    ...(creator_email === null ? {} : { creator_email_at_creation: creator_email }),
  };
}

export type PresentedToken = ReturnType<typeof presentToken>;

/** The addresses that a token is used from, as stored and as shown. */
export interface Cidrs {
  in?: string[];
  not_in?: string[];
}

function presentPolicy({ id, effect, permission_groups, resources }: Policy) {
  const groups = permission_groups.flatMap((group) => permissionGroupById.get(group.id) ?? []);
  return { id, effect, permission_groups: groups.map(presentPermissionGroup), resources };
}

function statusOf({ status, expires_on }: ApiTokenRow, now: string): 'active' | 'disabled' | 'expired' {
  if (status !== 'active') return 'disabled';
  return expires_on !== null && expires_on <= now ? 'expired' : 'active';
}

/** The token of that id of that owner; a 404 for any other. */
export async function getToken(reader: Reader, owner: TokenOwner, id: string): Promise<ApiTokenRow> {
  const token = await findToken(reader, owner, id);
  if (!token) throw unknownToken();
  return token;
}

export function unknownToken() {
  return refusal('notFound', { detail: 'token not found' });
}

/** The owner's tokens as a list to be paged, oldest first; without those that have expired unless asked for. */
export function tokenList(
  reader: Reader,
  owner: TokenOwner,
  query: { direction?: 'asc' | 'desc'; include_expired?: boolean; now: string },
): KeyedList<ApiTokenRow> {
  const filter: TokenFilter = { owner, ...(query.include_expired ? {} : { livingAt: query.now }) };
  const direction = query.direction ?? 'asc';
  return {
    fetch: (start) => listTokens(reader, { filter, direction, start }),
    keyOf: (token) => [token.issued_on, token.id],
    total: () => countTokens(reader, filter),
  };
}

/** Who asks for what of whose tokens. */
export interface TokenRequest {
  readonly owner: TokenOwner;
  readonly principal: Principal;
  readonly now: string;
}

/** The token that the caller came with, which is alive or it would not have come so far. */
export async function verifyToken(reader: Reader, { owner, principal, now }: TokenRequest) {
  const token = principal.actor.tokenId ? await findToken(reader, owner, principal.actor.tokenId) : null;
  if (!token) throw refusal('invalidToken');
  const { id, status, not_before, expires_on } = presentToken(token, now);
  return {
    id,
    status,
    ...(not_before === undefined ? {} : { not_before }),
    ...(expires_on === undefined ? {} : { expires_on }),
  };
}

/** The permission groups that a token of such an owner can have. */
export function tokenPermissionGroups(
  kind: TokenOwner['kind'],
  { name, scope }: { name?: string; scope?: string },
) {
  return permissionGroups
    .filter((group) => kind === 'user' || !group.scopes.includes(USER))
    .filter((group) => name === undefined || group.name === name)
    .filter((group) => scope === undefined || group.scopes.some((one) => one === scope))
    .map(({ id, name, category, scopes }) => ({
      id,
      name,
      category,
      is_selectable: true,
      scopes: [...scopes],
    }));
}

/** The ids of a person's tokens. */
export async function tokensOf(reader: Reader, administratorId: string): Promise<string[]> {
  return await listTokenIdsOf(reader, { kind: 'user', id: administratorId });
}

/** The ids of a person's tokens that reach nothing outside that account. */
export async function tokensWithin(
  reader: Reader,
  administratorId: string,
  accountId: string,
): Promise<string[]> {
  const rows = await listTokenPolicies(reader, administratorId);
  const tokens = rows.map(({ id, policies }) => ({ id, policies: JSON.parse(policies) as Policy[] }));
  const owners = await ownersOfZones(
    reader,
    tokens.flatMap(({ policies }) => policies),
  );
  return tokens.filter(({ policies }) => isWhollyOf(policies, { accountId, owners })).map(({ id }) => id);
}

export const deleteTokens = deleteTokenRows;

/** The ids of the account's tokens that a person created; they are the account's, and outlive the membership. */
export async function tokensCreatedBy(
  reader: Reader,
  accountId: string,
  administratorId: string,
): Promise<string[]> {
  return await listTokenIdsCreatedBy(reader, accountId, administratorId);
}
