import type { Principal } from '../../database/act.ts';
import type { Reader, Tx } from '../../database/database.ts';
import type { ApiTokenRow } from '../../database/tables.ts';
import type { Policy } from '../../kernel/authority.ts';
import { sha256 } from '../../kernel/crypto.ts';
import { invalidInput } from '../../kernel/errors.ts';
import { newSecret, newTag } from '../../kernel/ids.ts';
import type { Change } from '../../removal/act.ts';
import { accountsOf, refuseExcess } from '../holdings/holdings.ts';
import { deleteTokenRow, insertToken, lockToken, type TokenOwner, updateTokenRow } from './store.ts';
import { auditsOf } from './token-audit.ts';
import { grantsOf, newGrantsOf, type TokenState } from './token-grants.ts';
import { readTokenTerms, type TokenInput, type TokenPlace, type TokenTerms } from './token-input.ts';
import { type Cidrs, type PresentedToken, presentToken, type TokenRequest, unknownToken } from './tokens.ts';

/** A new token, its secret in `value` and nowhere else. Nobody puts in what they do not hold. */
export async function createToken(
  tx: Tx,
  { owner, principal, now, input }: TokenRequest & { input: TokenInput },
): Promise<Change<PresentedToken & { value: string }>> {
  const terms = await readTokenTerms(tx, input, await placeOf(tx, owner, principal));
  if (terms.expires_on !== null && terms.expires_on <= now) {
    throw invalidInput([{ pointer: '/expires_on', message: 'is in the past' }]);
  }
  const grants = grantsOf(terms.policies);
  await refuseExcess(tx, principal, grants);
  const value = newSecret(owner.kind === 'account' ? 'cfat' : 'cfut');
  const token = newToken(terms, { owner, principal, now, value });
  await insertToken(tx, token);
  return {
    result: { ...presentToken(token, now), value },
    ...(await auditsOf(tx, {
      ...{ owner, verb: 'create', token, policies: terms.policies },
      rest: (known) => ({ expires_on: token.expires_on, policies: known(terms.policies) }),
    })),
    guard: (later) => refuseExcess(later, principal, grants),
  };
}

function newToken(
  terms: TokenTerms,
  { owner, principal, now, value }: TokenRequest & { value: string },
): ApiTokenRow {
  const isAccounts = owner.kind === 'account';
  return {
    id: newTag(),
    account_id: isAccounts ? owner.id : null,
    administrator_id: isAccounts ? null : owner.id,
    ...toColumns(terms),
    status: 'active',
    secret_hash: sha256(value),
    issued_on: now,
    modified_on: now,
    last_used_on: null,
    creator_id: isAccounts ? principal.actor.id : null,
    creator_email: isAccounts ? principal.actor.email : null,
  };
}

function toColumns({ name, policies, condition, not_before, expires_on }: TokenTerms) {
  return {
    name,
    policies: JSON.stringify(policies),
    condition: condition === null ? null : JSON.stringify(condition),
    not_before,
    expires_on,
  };
}

/** Replaces everything but the secret; a status that is not given stays. */
export async function updateToken(
  tx: Tx,
  { owner, principal, now, id, input }: TokenRequest & { id: string; input: TokenInput },
): Promise<Change<PresentedToken>> {
  const token = await lockToken(tx, owner, id);
  if (!token) throw unknownToken();
  const before = stateOf(token);
  const place = await placeOf(tx, owner, principal);
  const terms = await readTokenTerms(tx, input, { ...place, current: before.policies });
  const after: TokenState = { ...terms, status: input.status ?? token.status };
  const grants = newGrantsOf(before, after);
  await refuseExcess(tx, principal, grants);
  const change = { ...toColumns(terms), status: after.status, modified_on: now };
  return {
    result: presentToken({ ...token, ...change }, now),
    ...(await auditsOf(tx, {
      ...{ owner, verb: 'update', token, policies: [...before.policies, ...after.policies] },
      rest: (known) => ({
        status: { from: before.status, to: after.status },
        expires_on: { from: before.expires_on, to: after.expires_on },
        policies: { from: known(before.policies), to: known(after.policies) },
      }),
    })),
    guard: (later) => refuseExcess(later, principal, grants),
    finish: (later) => updateTokenRow(later, id, change),
  };
}

function stateOf(token: ApiTokenRow): TokenState {
  const { name, status, not_before, expires_on } = token;
  return {
    name,
    status,
    not_before,
    expires_on,
    policies: JSON.parse(token.policies) as Policy[],
    condition: token.condition === null ? null : (JSON.parse(token.condition) as Cidrs),
  };
}

/** Ends the token with the call. */
export async function deleteToken(
  tx: Tx,
  { owner, id }: { owner: TokenOwner; id: string },
): Promise<Change<{ id: string }>> {
  const token = await lockToken(tx, owner, id);
  if (!token) throw unknownToken();
  return {
    result: { id },
    ...(await auditsOf(tx, { owner, verb: 'delete', token, policies: stateOf(token).policies })),
    finish: (later) => deleteTokenRow(later, id),
  };
}

/**
 * A new secret; the old one ends with the call. Whoever rolls a token has it in hand, so they must hold all that
 * it allows.
 */
export async function rollToken(
  tx: Tx,
  { owner, principal, now, id }: TokenRequest & { id: string },
): Promise<Change<string>> {
  const token = await lockToken(tx, owner, id);
  if (!token) throw unknownToken();
  const grants = grantsOf(stateOf(token).policies).map((grant) => ({ ...grant, pointer: '' }));
  await refuseExcess(tx, principal, grants);
  const value = newSecret(owner.kind === 'account' ? 'cfat' : 'cfut');
  return {
    result: value,
    ...(await auditsOf(tx, { owner, verb: 'roll', token, policies: stateOf(token).policies })),
    guard: (later) => refuseExcess(later, principal, grants),
    finish: (later) => updateTokenRow(later, id, { secret_hash: sha256(value), modified_on: now }),
  };
}

async function placeOf(reader: Reader, owner: TokenOwner, principal: Principal): Promise<TokenPlace> {
  return { owner, accountIds: owner.kind === 'account' ? [owner.id] : await accountsOf(reader, principal) };
}
