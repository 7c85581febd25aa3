import type { Reader, Tx } from '../../database/database.ts';
import type { PolicyRow } from '../../database/tables.ts';
import { refusal } from '../../kernel/errors.ts';
import type { Change } from '../../removal/act.ts';
import { checkPolicy, policyFields } from '../policies/policy-input.ts';
import { dropReferences, type Holder, putReferences, readReferences } from '../rules/rules.ts';
import {
  applicationItem,
  complete,
  getApplication,
  holdApplication,
  type Place,
  type WholeApplication,
} from './applications.ts';
import { MOST_POLICIES } from './contract.ts';
import {
  type HeldPolicy,
  type PolicyInput,
  type PresentedPolicy,
  presentPolicy,
  toPolicyRow,
} from './held-policies.ts';
import { refuseTooMuch } from './policies-size.ts';
import { deletePolicyRow, insertPolicy, shiftPolicies, updatePolicyRow } from './policy-store.ts';

interface OfApplication {
  readonly place: Place;
  readonly applicationId: string;
}

/** The policies of an application, its own and reusable ones, in the order in which they are judged. */
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
  const references = await readReferences(tx, place.accountId, [{ ...input, pointer: '' }]);
  if (application.policies.length >= MOST_POLICIES) throw tooMany();
  const precedence = await makeRoom(tx, application, input.precedence ?? null);
  const { account_id: accountId, id } = application.row;
  const row = toPolicyRow(input, { accountId, applicationId: id, precedence, now });
  refuseTooMuchWith(application, row);
  await insertPolicy(tx, row);
  await putReferences(tx, { accountId, holder: holderOf(row.id), references });
  return await changed(tx, application, { row, action: 'policy.create' });
}

/** Replaces a policy; without a precedence it keeps its place. A reusable one is changed elsewhere: 400. */
export async function updatePolicy(
  tx: Tx,
  { place, applicationId, id, input, now }: OfApplication & { id: string; input: PolicyInput; now: string },
): Promise<Change<PresentedPolicy>> {
  checkPolicy(input, '');
  const application = await holdApplication(tx, place, applicationId);
  const before = ownOne(application.policies, id, 'change it at /access/policies');
  const { account_id: accountId } = before;
  const references = await readReferences(tx, accountId, [{ ...input, pointer: '' }]);
  const moves = input.precedence !== undefined && input.precedence !== before.precedence;
  const precedence = moves ? await makeRoom(tx, application, input.precedence ?? null) : before.precedence;
  const row = { ...before, ...policyFields(input), precedence, updated_at: now };
  refuseTooMuchWith(application, row);
  await updatePolicyRow(tx, row);
  await putReferences(tx, { accountId, holder: holderOf(row.id), references });
  return await changed(tx, application, { row, action: 'policy.update' });
}

/** Deletes a policy of the application's own. A reusable one only leaves with the application's list: 400. */
export async function deletePolicy(
  tx: Tx,
  { place, applicationId, id }: OfApplication & { id: string },
): Promise<Change<{ id: string }>> {
  const application = await holdApplication(tx, place, applicationId);
  const row = ownOne(application.policies, id, "leave it out of the application's policies");
  const { account_id: accountId } = row;
  await deletePolicyRow(tx, accountId, row.id);
  await dropReferences(tx, { accountId, holder: holderOf(row.id) });
  const change = await changed(tx, application, { row, action: 'policy.delete' });
  return { ...change, result: { id } };
}

function refuseTooMuchWith({ policies }: WholeApplication, row: PolicyRow): void {
  const others = policies.flatMap((held) => (held.reusable || held.row.id === row.id ? [] : [held.row]));
  refuseTooMuch([...others, row].map((one) => ({ row: one, pointer: '' })));
}

function holderOf(id: string): Holder {
  return { type: 'policy', id };
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
  const whole = await complete(tx, { accountId: row.account_id, zone: null }, application.row);
  return {
    result: presentPolicy({ reusable: false, precedence: row.precedence, row }),
    items: [applicationItem(whole)],
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

function theOne(policies: readonly HeldPolicy[], id: string): HeldPolicy {
  const held = policies.find(({ row }) => row.id === id);
  if (!held) throw refusal('notFoundAccess', { detail: 'policy not found' });
  return held;
}

function ownOne(policies: readonly HeldPolicy[], id: string, instead: string): PolicyRow {
  const held = theOne(policies, id);
  if (!held.reusable) return held.row;
  throw refusal('invalidAccess', { detail: `it is a reusable policy; ${instead}` });
}
