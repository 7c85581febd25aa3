import type { AuditFacts } from '../../audit/audit.ts';
import type { Reader } from '../../database/database.ts';
import type { ApiTokenRow } from '../../database/tables.ts';
import type { Policy } from '../../kernel/authority.ts';
import type { JsonObject } from '../../kernel/json.ts';
import { permissionGroupById } from '../../kernel/permissions.ts';
import { accountRegion, overlap, type Resources, regionsOf, zoneRegion } from '../../kernel/resources.ts';
import { ownersOfZones } from '../holdings/holdings.ts';
import type { TokenOwner } from './store.ts';

/** What became of a token, and what it reaches by it: before, after, or both. */
export interface Told {
  readonly owner: TokenOwner;
  readonly verb: string;
  readonly token: Pick<ApiTokenRow, 'id' | 'name'>;
  readonly policies: readonly Policy[];
  /** The rest, of policies as far as whoever reads it may know them. */
  readonly rest?: (known: (policies: readonly Policy[]) => JsonObject[]) => JsonObject;
}

/**
 * The audit entry of what became of a token; for a person's, what each account that they have joined is told. An
 * account that the token does not reach learns that there is one, since by it the person may act, and no more.
 */
export async function auditsOf(
  reader: Reader,
  told: Told,
): Promise<{ audit: AuditFacts; auditIn?: (accountId: string) => AuditFacts }> {
  const { owner, policies, token, rest = () => ({}) } = told;
  const audit = factsOf(told, { name: token.name, ...rest((all) => all.map(said)) });
  if (owner.kind === 'account') return { audit };
  const owners = await ownersOfZones(reader, policies);
  return {
    audit,
    auditIn: (accountId) => {
      const known = (some: readonly Policy[]) => some.flatMap((one) => within(one, { accountId, owners }));
      if (known(policies).length === 0) return factsOf(told, {});
      return factsOf(told, { name: token.name, ...rest((some) => known(some).map(said)) });
    },
  };
}

function factsOf({ owner, verb, token }: Told, metadata: JsonObject): AuditFacts {
  const type = `${owner.kind}_token`;
  return { action: `${type}.${verb}`, resource: { type, id: token.id }, metadata };
}

interface Place {
  readonly accountId: string;
  readonly owners: ReadonlyMap<string, string>;
}

/** The policy with what of its resources is the account's; nothing if none is. */
function within(policy: Policy, place: Place): Policy[] {
  const parts = Object.entries(policy.resources).flatMap(([name, content]): [string, Resources[string]][] => {
    if (content === '*') return isOf({ [name]: content }, place) ? [[name, content]] : [];
    const zones = Object.keys(content).filter((zone) => isOf({ [name]: { [zone]: '*' } }, place));
    return zones.length === 0 ? [] : [[name, Object.fromEntries(zones.map((zone) => [zone, '*']))]];
  });
  return parts.length === 0 ? [] : [{ ...policy, resources: Object.fromEntries(parts) }];
}

/** Whether these resources are in the account. A zone that nobody has is in none. */
function isOf(resources: Resources, { accountId, owners }: Place): boolean {
  const account = [accountRegion(accountId), zoneRegion(accountId, '*')];
  const regions = regionsOf(resources, (zone) => owners.get(zone) ?? '');
  return regions.some((region) => account.some((one) => overlap(one, region)));
}

/** Whether all that these policies name is the account's or of its zones. */
export function isWhollyOf(policies: readonly Policy[], { accountId, owners }: Place): boolean {
  const regions = policies.flatMap(({ resources }) => regionsOf(resources, (zone) => owners.get(zone) ?? ''));
  return regions.length > 0 && regions.every(({ owner }) => owner === accountId);
}

/** A policy as the audit log keeps it: names for ids. */
function said({ effect, permission_groups, resources }: Policy): JsonObject {
  return {
    effect,
    permission_groups: permission_groups.map(({ id }) => permissionGroupById.get(id)?.name ?? id),
    resources: resources as JsonObject,
  };
}
