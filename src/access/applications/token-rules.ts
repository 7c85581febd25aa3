import type { Reader } from '../../database/database.ts';
import { invalidInput } from '../../kernel/errors.ts';
import { below, type Problem } from '../../kernel/result.ts';
import { parseRules } from '../../policy/rule-reader.ts';
import { serviceTokenIds } from '../service-tokens/service-tokens.ts';
import type { PolicyInput } from './policy-input.ts';

/** A checked policy, and where in the body it is. */
export interface PlacedPolicy {
  readonly input: PolicyInput;
  readonly pointer: string;
}

interface Named {
  readonly id: string;
  readonly pointer: string;
}

/** Refuses rules that name a service token which the account does not have: they could match nobody. */
export async function refuseUnknownTokens(
  reader: Reader,
  accountId: string,
  policies: readonly PlacedPolicy[],
): Promise<void> {
  const named = policies.flatMap(namedTokens);
  if (named.length === 0) return;
  const known = await serviceTokenIds(reader, accountId);
  const problems: Problem[] = named
    .filter(({ id }) => !known.has(id))
    .map(({ pointer }) => ({ pointer, message: 'is not a service token of this account' }));
  if (problems.length > 0) throw invalidInput(problems.slice(0, 20), 'invalidAccess');
}

function namedTokens({ input, pointer }: PlacedPolicy): Named[] {
  return (['include', 'exclude', 'require'] as const).flatMap((list) =>
    namedIn(input[list] ?? [], below(pointer, list)),
  );
}

function namedIn(rules: readonly unknown[], pointer: string): Named[] {
  const reading = parseRules(rules, pointer);
  if (!reading.ok) throw new Error('rules that were not checked');
  return reading.value.flatMap((rule, index) => {
    if (!('service_token' in rule)) return [];
    return [{ id: rule.service_token.token_id, pointer: `${below(pointer, index)}/service_token/token_id` }];
  });
}
