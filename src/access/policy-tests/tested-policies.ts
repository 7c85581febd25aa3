import type { Database, Snapshot } from '../../database/database.ts';
import { invalidInput } from '../../kernel/errors.ts';
import { newUuid } from '../../kernel/ids.ts';
import type { Policy } from '../../policy/rules.ts';
import { type EmbeddedPolicy, readEmbedded } from '../applications/embedded-policies.ts';
import { policyFields, toPolicyState } from '../policies/policy-input.ts';
import { readReferences } from '../rules/rules.ts';
import { reusablePolicies } from './rule-world.ts';

/**
 * The policies under test as a gate would evaluate them: new ones, and reusable ones by their ids. Refuses with
 * pointers what an application's body would be refused for.
 */
export async function readTestedPolicies(
  database: Database,
  accountId: string,
  given: readonly unknown[],
): Promise<Policy[]> {
  if (given.length === 0) throw invalid('/policies', 'must have at least one policy');
  const embedded = readEmbedded(given, '/policies');
  return await database.snapshot(async (snapshot) => {
    const placed = embedded.flatMap(({ input, pointer }) => (input ? [{ ...input, pointer }] : []));
    await readReferences(snapshot, accountId, placed);
    return await inOrder(snapshot, accountId, embedded);
  });
}

async function inOrder(
  snapshot: Snapshot,
  accountId: string,
  embedded: readonly EmbeddedPolicy[],
): Promise<Policy[]> {
  const reusable = await reusablePolicies(snapshot, accountId);
  return embedded.map(({ input, id, precedence: asked, pointer }, index) => {
    const precedence = asked ?? index + 1;
    if (input) return { ...toPolicyState(newContent(input)), precedence };
    const known = id === null ? undefined : reusable.get(id);
    if (!known) throw invalid(pointer, 'is not a reusable policy of this account');
    return { ...known, precedence };
  });
}

function newContent(input: NonNullable<EmbeddedPolicy['input']>) {
  return { id: newUuid(), ...policyFields(input), created_at: '', updated_at: '' };
}

function invalid(pointer: string, message: string) {
  return invalidInput([{ pointer, message }], 'invalidAccess');
}
