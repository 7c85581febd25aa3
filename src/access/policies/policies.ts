import type { Static } from 'typebox';
import type { AuditFacts } from '../../audit/audit.ts';
import type { Reader, Snapshot, Tx } from '../../database/database.ts';
import type { KeyedList, Page } from '../../database/paging.ts';
import type { ReusablePolicyRow } from '../../database/tables.ts';
import { refusal } from '../../kernel/errors.ts';
import { newUuid } from '../../kernel/ids.ts';
import type { JsonObject } from '../../kernel/json.ts';
import { quote } from '../../kernel/result.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import type { Change } from '../../removal/act.ts';
import { dropReferences, type Holder, putReferences, readReferences } from '../rules/rules.ts';
import type { ReusablePolicy } from './contract.ts';
import {
  checkPolicy,
  type PolicyInput,
  policyFields,
  presentContent,
  toPolicyState,
} from './policy-input.ts';
import {
  countPolicies,
  countUses,
  deletePolicyRow,
  findPolicy,
  holdPolicies,
  insertPolicy,
  listAllPolicies,
  listPolicies,
  listPoliciesInUse,
  listUsers,
  lockPolicy,
  updatePolicyRow,
} from './store.ts';

export type PresentedReusablePolicy = Static<typeof ReusablePolicy>;

/** Cloudflare's limit (reference §3.4). */
const MOST_REUSABLE_POLICIES = 500;

const MOST_NAMED = 5;

interface One {
  readonly accountId: string;
  readonly id: string;
}

interface Write {
  readonly accountId: string;
  readonly input: PolicyInput;
  readonly now: string;
}

/** The reusable policies of an account, oldest first, as a list to be paged. */
export function reusablePolicyList(reader: Reader, accountId: string): KeyedList<ReusablePolicyRow> {
  return {
    fetch: (start) => listPolicies(reader, accountId, start),
    keyOf: (row) => [row.created_at, row.id],
    total: () => countPolicies(reader, accountId),
  };
}

/** A page of them as the API answers it. */
export async function presentPage(
  reader: Reader,
  accountId: string,
  page: Page<ReusablePolicyRow>,
): Promise<Page<PresentedReusablePolicy>> {
  const ids = page.items.map(({ id }) => id);
  const uses = await countUses(reader, accountId, ids);
  return { ...page, items: page.items.map((row) => present(row, uses.get(row.id) ?? 0)) };
}

export async function getReusablePolicy(
  reader: Reader,
  { accountId, id }: One,
): Promise<PresentedReusablePolicy> {
  const row = await findPolicy(reader, accountId, id);
  if (!row) throw unknownPolicy();
  return present(row, await usesOf(reader, row));
}

/** A new policy. Nothing changes by it for anybody before an application uses it. */
export async function createReusablePolicy(
  tx: Tx,
  { accountId, input, now }: Write,
): Promise<Change<PresentedReusablePolicy>> {
  checkPolicy(input, '');
  if ((await countPolicies(tx, accountId)) >= MOST_REUSABLE_POLICIES) throw tooMany();
  const references = await readReferences(tx, accountId, [{ ...input, pointer: '' }]);
  const fields = { ...policyFields(input), created_at: now, updated_at: now };
  const row: ReusablePolicyRow = { id: newUuid(), account_id: accountId, ...fields };
  await insertPolicy(tx, row);
  await putReferences(tx, { accountId, holder: holderOf(row.id), references });
  return {
    result: present(row, 0),
    items: [policyItem(row)],
    audit: factsOf(row, 'create', {}),
    onlyAdds: true,
  };
}

/**
 * Replaces the policy. Gates are told of it once, however many applications use it, and judge what is open on these
 * anew: who is admitted no more is out when the call returns (design §4.11).
 */
export async function updateReusablePolicy(
  tx: Tx,
  { accountId, id, input, now }: Write & One,
): Promise<Change<PresentedReusablePolicy>> {
  checkPolicy(input, '');
  const before = await hold(tx, { accountId, id });
  const references = await readReferences(tx, accountId, [{ ...input, pointer: '' }]);
  const row = { ...before, ...policyFields(input), updated_at: now };
  await updatePolicyRow(tx, row);
  await putReferences(tx, { accountId, holder: holderOf(id), references });
  const uses = await usesOf(tx, row);
  return {
    result: present(row, uses),
    items: [policyItem(row)],
    audit: factsOf(row, 'update', { app_count: uses }),
  };
}

/** Deletes a policy that no application uses; a 409 names those that do. */
export async function deleteReusablePolicy(tx: Tx, one: One): Promise<Change<{ id: string }>> {
  const row = await hold(tx, one);
  await refuseInUse(tx, row);
  await deletePolicyRow(tx, row);
  await dropReferences(tx, { accountId: row.account_id, holder: holderOf(row.id) });
  return {
    result: { id: row.id },
    items: [{ kind: 'policy', id: row.id, state: null }],
    audit: factsOf(row, 'delete', {}),
  };
}

/** Those of these ids that the account has, by id; none of them can change or go until the end of the transaction. */
export async function holdReusablePolicies(
  tx: Tx,
  accountId: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, ReusablePolicyRow>> {
  return byId(await holdPolicies(tx, accountId, ids));
}

/** Those that applications of the account use, or one of them, by id. */
export async function reusablePoliciesInUse(
  reader: Reader,
  accountId: string,
  applicationId?: string,
): Promise<ReadonlyMap<string, ReusablePolicyRow>> {
  return byId(await listPoliciesInUse(reader, accountId, applicationId));
}

/** The reusable policies of an account, for gates. */
export async function policyStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  return (await listAllPolicies(snapshot, accountId)).map(policyItem);
}

function policyItem(row: ReusablePolicyRow): FeedItem {
  return { kind: 'policy', id: row.id, state: toPolicyState(row) as unknown as JsonObject };
}

function present(row: ReusablePolicyRow, uses: number): PresentedReusablePolicy {
  return { ...presentContent(row), reusable: true, app_count: uses };
}

async function usesOf(reader: Reader, { account_id, id }: ReusablePolicyRow): Promise<number> {
  return (await countUses(reader, account_id, [id])).get(id) ?? 0;
}

async function hold(tx: Tx, { accountId, id }: One): Promise<ReusablePolicyRow> {
  const row = await lockPolicy(tx, accountId, id);
  if (!row) throw unknownPolicy();
  return row;
}

async function refuseInUse(tx: Tx, { account_id: accountId, id }: ReusablePolicyRow): Promise<void> {
  const users = await listUsers(tx, { accountId, id, limit: MOST_NAMED + 1 });
  if (users.length === 0) return;
  const words = users.slice(0, MOST_NAMED).map((user) => `${quote(user.name)} (${user.id})`);
  const more = users.length > MOST_NAMED ? ' and others' : '';
  const what = users.length === 1 ? 'application' : 'applications';
  throw refusal('conflictAccess', {
    detail: `the policy is in use by the ${what} ${words.join(', ')}${more}`,
  });
}

function holderOf(id: string): Holder {
  return { type: 'reusable_policy', id };
}

function byId(rows: readonly ReusablePolicyRow[]): ReadonlyMap<string, ReusablePolicyRow> {
  return new Map(rows.map((row) => [row.id, row]));
}

function factsOf(row: ReusablePolicyRow, verb: string, metadata: JsonObject): AuditFacts {
  return {
    action: `reusable_policy.${verb}`,
    resource: { type: 'reusable_policy', id: row.id },
    metadata: { name: row.name, decision: row.decision, ...metadata },
  };
}

function unknownPolicy() {
  return refusal('notFoundAccess', { detail: 'policy not found' });
}

function tooMany() {
  const detail = `an account has at most ${MOST_REUSABLE_POLICIES} reusable policies`;
  return refusal('invalidAccess', { detail });
}
