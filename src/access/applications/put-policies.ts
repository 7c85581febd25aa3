import type { Tx } from '../../database/database.ts';
import type { ApplicationRow, PolicyRow, ReusablePolicyRow } from '../../database/tables.ts';
import { invalidInput } from '../../kernel/errors.ts';
import { below } from '../../kernel/result.ts';
import { holdReusablePolicies } from '../policies/policies.ts';
import { policyFields, saysTheSame } from '../policies/policy-input.ts';
import { dropReferences, putReferences, type Reference, readReferences } from '../rules/rules.ts';
import type { EmbeddedPolicy } from './embedded-policies.ts';
import { type HeldPolicy, type PolicyInput, toPolicyRow } from './held-policies.ts';
import { refuseTooMuch } from './policies-size.ts';
import { replacePolicies } from './policy-store.ts';

interface Put {
  readonly application: Pick<ApplicationRow, 'id' | 'account_id'>;
  readonly embedded: readonly EmbeddedPolicy[];
  readonly existing: readonly HeldPolicy[];
  readonly now: string;
}

/**
 * Replaces the policies of an application by those of a body. A policy of its own that is named keeps its id and what
 * is not said of it; one that is not named is gone. A reusable policy is linked, and stays what it is. Without a
 * precedence each comes after the one before it. 400 with pointers for what is neither, for what rules name and the
 * account does not have, and for rules that are too much together.
 */
export async function putPolicies(tx: Tx, { application, embedded, existing, now }: Put): Promise<void> {
  const { account_id: accountId, id: applicationId } = application;
  const own = existing.flatMap((held) => (held.reusable ? [] : [held.row]));
  const others = embedded.flatMap(({ id }) => (id === null || own.some((row) => row.id === id) ? [] : [id]));
  const reusable = await holdReusablePolicies(tx, accountId, [...new Set(others)]);
  const planned = plan(embedded, { accountId, applicationId, own, reusable, now });
  refuseTooMuch(
    planned.flatMap((one, at) =>
      one.kind === 'own' ? [{ row: one.row, pointer: embedded[at]?.pointer ?? '' }] : [],
    ),
  );
  const references = await referencesOf(tx, accountId, planned);
  await replacePolicies(tx, application, {
    own: planned.flatMap((one) => (one.kind === 'own' ? [one.row] : [])),
    links: planned.flatMap((one) => (one.kind === 'link' ? [one] : [])),
  });
  const kept = new Set(planned.map(idOf));
  for (const { id } of own.filter((row) => !kept.has(row.id))) {
    await dropReferences(tx, { accountId, holder: { type: 'policy', id } });
  }
  for (const [id, named] of references) {
    await putReferences(tx, { accountId, holder: { type: 'policy', id }, references: named });
  }
}

/** A policy of the application afterwards. */
type Planned =
  | { readonly kind: 'own'; readonly row: PolicyRow; readonly given: PlacedInput | null }
  | { readonly kind: 'link'; readonly policyId: string; readonly precedence: number };

interface PlacedInput {
  readonly input: PolicyInput;
  readonly pointer: string;
}

interface Known {
  readonly accountId: string;
  readonly applicationId: string;
  readonly own: readonly PolicyRow[];
  readonly reusable: ReadonlyMap<string, ReusablePolicyRow>;
  readonly now: string;
}

function plan(embedded: readonly EmbeddedPolicy[], known: Known): Planned[] {
  const ids = new Set<string>();
  const precedences = new Set<number>();
  let last = 0;
  return embedded.map((policy) => {
    const precedence = policy.precedence ?? last + 1;
    if (precedences.has(precedence)) throw invalid(below(policy.pointer, 'precedence'), TAKEN);
    const planned = planOne(policy, { ...known, precedence });
    if (ids.has(idOf(planned))) throw invalid(policy.pointer, 'names a policy twice');
    precedences.add(precedence);
    ids.add(idOf(planned));
    last = precedence;
    return planned;
  });
}

const TAKEN = 'another policy of the application has this precedence';
const UNKNOWN = 'is neither a policy of the application nor a reusable policy of this account';
const FIXED = 'is a reusable policy; change it at /access/policies';

function planOne(policy: EmbeddedPolicy, known: Known & { precedence: number }): Planned {
  const { id, pointer } = policy;
  const found = id === null ? undefined : known.reusable.get(id);
  if (found) return planLink(policy, found, known.precedence);
  if (policy.reusable === true && id === null) {
    throw invalid(below(pointer, 'reusable'), 'a reusable policy is created at /access/policies');
  }
  const before = known.own.find((row) => row.id === id);
  if (id !== null && !before) throw invalid(pointer, UNKNOWN);
  if (policy.reusable === true) throw invalid(below(pointer, 'reusable'), 'it is not a reusable policy');
  return planOwn(policy, before, known);
}

function planLink(
  { pointer, input, reusable }: EmbeddedPolicy,
  row: ReusablePolicyRow,
  precedence: number,
): Planned {
  const isMeant = reusable !== false && (input === null || saysTheSame(input, row));
  if (!isMeant) throw invalid(pointer, FIXED);
  return { kind: 'link', policyId: row.id, precedence };
}

function planOwn(
  { input, pointer }: EmbeddedPolicy,
  before: PolicyRow | undefined,
  of: Known & { precedence: number },
): Planned {
  const given = input && { input, pointer };
  const { precedence, now } = of;
  // Without an id it is a new one, of which everything is said.
  if (!before) return { kind: 'own', row: toPolicyRow(input as PolicyInput, of), given };
  if (input === null && before.precedence === precedence) return { kind: 'own', row: before, given };
  const row = { ...before, ...(input ? policyFields(input) : {}), precedence, updated_at: now };
  return { kind: 'own', row, given };
}

function idOf(planned: Planned): string {
  return planned.kind === 'own' ? planned.row.id : planned.policyId;
}

/** What the rules of those that are new or say something new name, by policy. */
async function referencesOf(
  tx: Tx,
  accountId: string,
  planned: readonly Planned[],
): Promise<ReadonlyMap<string, readonly Reference[]>> {
  const references = new Map<string, readonly Reference[]>();
  for (const one of planned) {
    if (one.kind !== 'own' || !one.given) continue;
    const { input, pointer } = one.given;
    references.set(one.row.id, await readReferences(tx, accountId, [{ ...input, pointer }]));
  }
  return references;
}

function invalid(pointer: string, message: string) {
  return invalidInput([{ pointer, message }], 'invalidAccess');
}
