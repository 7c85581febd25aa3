import type { Static } from 'typebox';
import type { Reader } from '../../database/database.ts';
import type { PolicyRow, ReusablePolicyRow } from '../../database/tables.ts';
import { newUuid } from '../../kernel/ids.ts';
import type { Policy } from '../../policy/rules.ts';
import type { PolicyLink } from '../../protocol/state.ts';
import { reusablePoliciesInUse } from '../policies/policies.ts';
import { policyFields, presentContent, toPolicyState } from '../policies/policy-input.ts';
import type { PolicyInput as Contract, Policy as Presented } from './contract.ts';
import { listLinks, listPolicies } from './policy-store.ts';

export type PolicyInput = Static<typeof Contract>;
export type PresentedPolicy = Static<typeof Presented>;

/** A policy of an application in its place: its own, or a reusable one. */
export type HeldPolicy =
  | { readonly reusable: false; readonly precedence: number; readonly row: PolicyRow }
  | { readonly reusable: true; readonly precedence: number; readonly row: ReusablePolicyRow };

/** The policies of one application, or of all of the account, by application, in the order in which they are judged. */
export async function heldPolicies(
  reader: Reader,
  accountId: string,
  applicationId?: string,
): Promise<ReadonlyMap<string, readonly HeldPolicy[]>> {
  const own = (await listPolicies(reader, accountId, applicationId)).map((row) => ({
    of: row.application_id,
    held: { reusable: false, precedence: row.precedence, row } as const,
  }));
  const links = await listLinks(reader, accountId, applicationId);
  const rows = links.length === 0 ? new Map() : await reusablePoliciesInUse(reader, accountId, applicationId);
  const linked = links.flatMap(({ application_id: of, policy_id, precedence }) => {
    const row = rows.get(policy_id);
    return row ? [{ of, held: { reusable: true, precedence, row } as const }] : [];
  });
  const all = [...own, ...linked].sort((one, other) => compare(one.held, other.held));
  const ofApplication = Map.groupBy(all, ({ of }) => of);
  return new Map([...ofApplication].map(([of, list]) => [of, list.map(({ held }) => held)]));
}

function compare(one: HeldPolicy, other: HeldPolicy): number {
  if (one.precedence !== other.precedence) return one.precedence - other.precedence;
  return one.row.id < other.row.id ? -1 : 1;
}

/** As the API answers it within its application. */
export function presentPolicy({ row, precedence, reusable }: HeldPolicy): PresentedPolicy {
  return { ...presentContent(row), precedence, reusable };
}

/** As gates have it within its application: a reusable policy is told of by itself. */
export function toGatePolicy({ row, precedence, reusable }: HeldPolicy): Policy | PolicyLink {
  return reusable ? { reusable: row.id, precedence } : { ...toPolicyState(row), precedence };
}

/** The row of a checked policy of an application's own. */
export function toPolicyRow(
  input: PolicyInput,
  of: { accountId: string; applicationId: string; precedence: number; now: string },
): PolicyRow {
  return {
    id: newUuid(),
    account_id: of.accountId,
    application_id: of.applicationId,
    precedence: of.precedence,
    created_at: of.now,
    ...policyFields(input),
    updated_at: of.now,
  };
}
