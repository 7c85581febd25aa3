import type { Grant } from '../../iam/policies/policies.ts';
import type { Policy } from '../../kernel/authority.ts';
import { canonical, type TokenTerms } from './token-input.ts';

/** The terms of a token and whether it is switched on. */
export type TokenState = TokenTerms & { readonly status: string };

/** What a token with these policies lets its bearer do, each permission group with its place in the body. */
export function grantsOf(
  policies: readonly Policy[],
  isNew: (policy: Policy) => boolean = () => true,
): Grant[] {
  return policies.flatMap((policy, index) => {
    if (policy.effect !== 'allow' || !isNew(policy)) return [];
    return policy.permission_groups.map((group, position) => ({
      pointer: `/policies/${index}/permission_groups/${position}`,
      statement: { ...policy, permission_groups: [group] },
    }));
  });
}

/**
 * What an update gives that the token did not give before. Policies that stay as they were need not be held, so
 * that anybody who may edit tokens can rename, narrow or disable one; but whoever lets go of a restriction
 * (a deny, the addresses, the times, the status) gives all that it then allows.
 */
export function newGrantsOf(before: TokenState, after: TokenState): Grant[] {
  if (loosens(before, after)) return grantsOf(after.policies);
  const had = new Set(before.policies.map(canonical));
  return grantsOf(after.policies, (policy) => !had.has(canonical(policy)));
}

function loosens(before: TokenState, after: TokenState): boolean {
  return (
    (before.status !== 'active' && after.status === 'active') ||
    endOf(after) > endOf(before) ||
    (after.not_before ?? '') < (before.not_before ?? '') ||
    (before.condition !== null && JSON.stringify(after.condition) !== JSON.stringify(before.condition)) ||
    losesDeny(before, after)
  );
}

/** Stored times are compared as texts; no end is later than all of them. */
function endOf({ expires_on }: TokenState): string {
  return expires_on ?? '~';
}

function losesDeny(before: TokenState, after: TokenState): boolean {
  const kept = new Set(after.policies.map(canonical));
  return before.policies.some((policy) => policy.effect === 'deny' && !kept.has(canonical(policy)));
}
