import type { Reader, Tx } from '../../database/database.ts';
import type { PolicyRow } from '../../database/tables.ts';
import { refusal } from '../../kernel/errors.ts';
import type { Change } from '../../removal/act.ts';
import {
  applicationItem,
  getApplication,
  holdApplication,
  type Place,
  type WholeApplication,
} from './applications.ts';
import { MOST_POLICIES } from './contract.ts';
import {
  checkPolicy,
  type PolicyInput,
  type PresentedPolicy,
  policyFields,
  presentPolicy,
  toPolicyRow,
} from './policy-input.ts';
import { deletePolicyRow, insertPolicies, listPolicies, shiftPolicies, updatePolicyRow } from './store.ts';
import { refuseUnknownTokens } from './token-rules.ts';

interface OfApplication {
  readonly place: Place;
  readonly applicationId: string;
}

/** The policies of an application, in the order in which they are judged. */
export async function policiesOf(
  reader: Reader,
  { place, applicationId }: OfApplication,
): Promise<PresentedPolicy[]> {
  const { policies } = await getApplication(reader, place, applicationId);
  return policies.map(presentPolicy);
}

export async function getPolicy(
  reader: Reader,
  of: OfApplication & { id: string },
): Promise<PresentedPolicy> {
  const { policies } = await getApplication(reader, of.place, of.applicationId);
  return presentPolicy(theOne(policies, of.id));
}

/** Adds a policy at its precedence, or last. It is in force with the answer, for people already signed in too. */
export async function createPolicy(
  tx: Tx,
  { place, applicationId, input, now }: OfApplication & { input: PolicyInput; now: string },
): Promise<Change<PresentedPolicy>> {
  checkPolicy(input, '');
  const application = await holdApplication(tx, place, applicationId);
  await refuseUnknownTokens(tx, place.accountId, [{ input, pointer: '' }]);
  if (application.policies.length >= MOST_POLICIES) throw tooMany();
  const precedence = await makeRoom(tx, application, input.precedence ?? null);
  const { account_id: accountId, id } = application.row;
  const row = toPolicyRow(input, { accountId, applicationId: id, precedence, now });
  await insertPolicies(tx, [row]);
  return await changed(tx, application, { row, action: 'policy.create' });
}

/** Replaces a policy; without a precedence it keeps its place. */
export async function updatePolicy(
  tx: Tx,
  { place, applicationId, id, input, now }: OfApplication & { id: string; input: PolicyInput; now: string },
): Promise<Change<PresentedPolicy>> {
  checkPolicy(input, '');
  const application = await holdApplication(tx, place, applicationId);
  const before = theOne(application.policies, id);
  await refuseUnknownTokens(tx, place.accountId, [{ input, pointer: '' }]);
  const moves = input.precedence !== undefined && input.precedence !== before.precedence;
  const precedence = moves ? await makeRoom(tx, application, input.precedence ?? null) : before.precedence;
  const row = { ...before, ...policyFields(input), precedence, updated_at: now };
  await updatePolicyRow(tx, row);
  return await changed(tx, application, { row, action: 'policy.update' });
}

export async function deletePolicy(
  tx: Tx,
  { place, applicationId, id }: OfApplication & { id: string },
): Promise<Change<{ id: string }>> {
  const application = await holdApplication(tx, place, applicationId);
  const row = theOne(application.policies, id);
  await deletePolicyRow(tx, row.account_id, id);
  const change = await changed(tx, application, { row, action: 'policy.delete' });
  return { ...change, result: { id } };
}

/** The place asked for, freed if it was taken; without one, the place after the last. */
async function makeRoom(
  tx: Tx,
  { row, policies }: WholeApplication,
  precedence: number | null,
): Promise<number> {
  if (precedence === null) return Math.max(0, ...policies.map((policy) => policy.precedence)) + 1;
  if (policies.some((policy) => policy.precedence === precedence)) await shiftPolicies(tx, row, precedence);
  return precedence;
}

/** A change of policy reaches gates as the application's whole new state. */
async function changed(
  tx: Tx,
  application: WholeApplication,
  { row, action }: { row: PolicyRow; action: string },
): Promise<Change<PresentedPolicy>> {
  const policies = await listPolicies(tx, row.account_id, row.application_id);
  return {
    result: presentPolicy(row),
    items: [applicationItem({ ...application, policies })],
    audit: {
      action,
      resource: { type: 'policy', id: row.id },
      metadata: { application_id: row.application_id, name: row.name },
    },
  };
}

function tooMany() {
  return refusal('invalidAccess', { detail: `an application has at most ${MOST_POLICIES} policies` });
}

function theOne(policies: readonly PolicyRow[], id: string): PolicyRow {
  const row = policies.find((policy) => policy.id === id);
  if (!row) throw refusal('notFoundAccess', { detail: 'policy not found' });
  return row;
}
