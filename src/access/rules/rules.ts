import type { Reader, Tx } from '../../database/database.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { below, type Problem, quote } from '../../kernel/result.ts';
import { parseInclude, parseRules } from '../../policy/rule-reader.ts';
import type { Rule, RuleLists } from '../../policy/rules.ts';
import { type AskedClaim, claimsAskedBy, keepsClaim, unkeptProblem } from './claims.ts';
import { type Named, namedBy, OPENID_TYPES } from './named.ts';
import {
  deleteReferences,
  findNamed,
  findProviders,
  type HolderRow,
  holdNamed,
  holdProviders,
  insertReferences,
  listHolders,
  listRulesWith,
  type NamedRow,
  type ReferenceType,
} from './store.ts';

/** The rules of a policy or group as a caller wrote them, and where in the body they are. */
export interface PlacedLists {
  readonly include?: readonly unknown[] | undefined;
  readonly exclude?: readonly unknown[] | undefined;
  readonly require?: readonly unknown[] | undefined;
  /** RFC 6901; '' for the body itself. */
  readonly pointer: string;
}

/** An object that a rule names by its id. */
export interface Reference {
  readonly type: ReferenceType;
  readonly id: string;
}

/** Whose rules name something. */
export interface Holder {
  readonly type: 'policy' | 'reusable_policy' | 'group' | 'posture_rule';
  readonly id: string;
}

const LISTS = ['include', 'exclude', 'require'] as const;
const MOST_PROBLEMS = 20;
/** Of the three lists of one policy or group together, in bytes of their JSON: they travel to gates as one item. */
const MOST_BYTES = 512 * 1024;
const MOST_HOLDERS = 5;

/** What is wrong with the shapes of rules, or their size: at most 20 problems. What they name is not looked for. */
export function ruleProblems({ include, exclude, require, pointer }: PlacedLists): Problem[] {
  const readings = [
    parseInclude(include ?? [], below(pointer, 'include')),
    parseRules(exclude ?? [], below(pointer, 'exclude')),
    parseRules(require ?? [], below(pointer, 'require')),
  ];
  const problems = readings.flatMap((reading) => (reading.ok ? [] : reading.problems));
  if (problems.length > 0) return problems.slice(0, MOST_PROBLEMS);
  return sizeProblems({ include, exclude, require, pointer });
}

/** What the lists of a policy or group take together, in bytes of their JSON. */
export function bytesOfRules(lists: Omit<PlacedLists, 'pointer'>): number {
  return LISTS.reduce((sum, list) => sum + Buffer.byteLength(JSON.stringify(lists[list] ?? [])), 0);
}

/** Points at the list with which it becomes too much. */
function sizeProblems({ pointer, ...lists }: PlacedLists): Problem[] {
  let size = 0;
  for (const list of LISTS) {
    size += bytesOfRules({ [list]: lists[list] });
    if (size > MOST_BYTES) return [{ pointer: below(pointer, list), message: TOO_MUCH }];
  }
  return [];
}

const TOO_MUCH = `has too much: the lists may have ${MOST_BYTES / 1024} KiB of JSON together`;

/**
 * What rules of checked shape name, each once. Refuses with a 400 and pointers what the account does not have, a list
 * of the wrong type, a provider of a kind that could never satisfy the rule, and a claim that the provider does not
 * keep: what excludes or denies on it would let everybody in. In a writing transaction, what is named stays until its
 * end: whoever deletes it, or drops the claim, waits, and finds the rules.
 */
export async function readReferences(
  reader: Reader,
  accountId: string,
  placed: readonly PlacedLists[],
): Promise<Reference[]> {
  const lists = placed.flatMap((one) =>
    LISTS.map((list) => ({ rules: readRules(one[list] ?? []), pointer: below(one.pointer, list) })),
  );
  const named = lists.flatMap(({ rules, pointer }) => namedBy(rules, pointer));
  const unique = new Map(named.map(({ type, id }) => [keyOf(type, id), { type, id }]));
  const rows = await rowsOf(reader, accountId, [...unique.values()]);
  refuseProblems(named.flatMap((one) => problemOf(one, rows.get(keyOf(one.type, one.id)))));
  const asked = lists.flatMap(({ rules, pointer }) => claimsAskedBy(rules, pointer));
  const openId = asked.some(({ providerId }) => providerId === null)
    ? (await providersOf(reader, accountId)).filter(({ kind }) => OPENID_TYPES.includes(kind))
    : [];
  refuseProblems(asked.flatMap((claim) => keptProblem(claim, rows, openId)));
  return [...unique.values()];
}

/**
 * The list that a posture rule names: of this account, and of that type, or else a 400 with the pointer. It stays until
 * the transaction ends.
 */
export async function holdNamedList(
  tx: Tx,
  named: { accountId: string; id: string; type: string; pointer: string },
): Promise<Reference> {
  const { accountId, id, type, pointer } = named;
  const reference = { type: 'list', id } as const;
  const rows = await rowsOf(tx, accountId, [reference]);
  const of = { kinds: [type], called: `a list of type ${type}` };
  const problems = problemOf({ ...reference, pointer, of }, rows.get(keyOf('list', id)));
  if (problems.length > 0) throw invalidInput(problems);
  return reference;
}

function refuseProblems(problems: readonly Problem[]): void {
  if (problems.length > 0) throw invalidInput(problems.slice(0, MOST_PROBLEMS), 'invalidAccess');
}

/** Replaces what the rules of the holder name. */
export async function putReferences(
  tx: Tx,
  named: { accountId: string; holder: Holder; references: readonly Reference[] },
): Promise<void> {
  await dropReferences(tx, named);
  await insertReferences(tx, named);
}

/** The holder is gone: its rules name nothing any more. */
export async function dropReferences(
  tx: Tx,
  { accountId, holder }: { accountId: string; holder: Holder },
): Promise<void> {
  await deleteReferences(tx, accountId, holder);
}

/**
 * Refuses with a 409 that names at most five holders if any rule names the object, whose row the caller has locked.
 * `what` is what people call it, as `group "Staff"`.
 */
export async function refuseIfNamed(
  tx: Tx,
  { accountId, to, what }: { accountId: string; to: Reference; what: string },
): Promise<void> {
  const holders = await listHolders(tx, { accountId, to, limit: MOST_HOLDERS + 1 });
  if (holders.length === 0) return;
  // The codes of a family are those of its paths: lists and posture rules are not below /access.
  throw refusal(to.type === 'list' || to.type === 'posture_rule' ? 'conflict' : 'conflictAccess', {
    detail: `${what} is in use by ${inWords(holders)}`,
  });
}

/**
 * Refuses with a 409 that names at most five holders if any rule asks about a claim that the provider, whose row the
 * caller has locked, is to keep no more: an exclude or a deny on it would let in without a word. A rule for any
 * provider counts as well. `what` is what people call the provider.
 */
export async function refuseIfAsked(
  tx: Tx,
  dropped: { accountId: string; providerId: string; claims: readonly string[]; what: string },
): Promise<void> {
  const { accountId, providerId, claims, what } = dropped;
  if (claims.length === 0) return;
  // Rules of Entra say `groups` without naming it.
  const found = await listRulesWith(tx, accountId, [...claims, 'azureAD']);
  const holders = found.filter((row) =>
    Object.values(toRuleLists(row))
      .flatMap((rules: readonly Rule[]) => claimsAskedBy(rules, ''))
      .some((asked) => claims.includes(asked.name) && (asked.providerId ?? providerId) === providerId),
  );
  if (holders.length === 0) return;
  const names = claims.map(quote).join(', ');
  throw refusal('conflictAccess', {
    detail: `${what} cannot stop keeping ${names}: rules ask about it in ${inWords(holders)}`,
  });
}

function inWords(holders: readonly HolderRow[]): string {
  const words = holders.slice(0, MOST_HOLDERS).map(({ type, id, name }) => `${type} ${quote(name)} (${id})`);
  return words.join(', ') + (holders.length > MOST_HOLDERS ? ' and others' : '');
}

/**
 * Stored rules as they are evaluated. Throws a plain error if they cannot be read: they were checked when they were
 * written, and a rule that is left out could widen access.
 */
export function toRuleLists(row: { include: string; exclude: string; require: string }): RuleLists {
  return {
    include: readRules(JSON.parse(row.include)),
    exclude: readRules(JSON.parse(row.exclude)),
    require: readRules(JSON.parse(row.require)),
  };
}

function readRules(rules: unknown): Rule[] {
  const reading = parseRules(rules, '');
  if (!reading.ok) throw new Error('rules cannot be read that should have been checked');
  return reading.value;
}

/** The rows of what is named, by `keyOf`; locked, one type after the other and by id, where the reader can. */
async function rowsOf(
  reader: Reader,
  accountId: string,
  references: readonly Reference[],
): Promise<ReadonlyMap<string, NamedRow>> {
  const rows = new Map<string, NamedRow>();
  for (const type of ['group', 'list', 'service_token', 'identity_provider', 'posture_rule'] as const) {
    const ids = references.filter((one) => one.type === type).map(({ id }) => id);
    if (ids.length === 0) continue;
    const of = { accountId, type, ids };
    const found = isTx(reader) ? await holdNamed(reader, of) : await findNamed(reader, of);
    for (const row of found) rows.set(keyOf(type, row.id), row);
  }
  return rows;
}

async function providersOf(reader: Reader, accountId: string): Promise<readonly NamedRow[]> {
  return isTx(reader) ? await holdProviders(reader, accountId) : await findProviders(reader, accountId);
}

function isTx(reader: Reader): reader is Tx {
  return 'afterCommit' in reader;
}

const WHAT: Readonly<Record<ReferenceType, string>> = {
  group: 'an Access group',
  list: 'a list',
  service_token: 'a service token',
  identity_provider: 'an identity provider',
  posture_rule: 'a device posture rule',
};

function problemOf({ type, pointer, of }: Named, row: NamedRow | undefined): Problem[] {
  if (!row) return [{ pointer, message: `is not ${WHAT[type]} of this account` }];
  if (!of || of.kinds.includes(row.kind)) return [];
  return [{ pointer, message: `must be ${of.called}` }];
}

/** For a provider that is named and there; for a claim of any provider, one of them has to keep it. */
function keptProblem(
  asked: AskedClaim,
  rows: ReadonlyMap<string, NamedRow>,
  openId: readonly NamedRow[],
): Problem[] {
  const { providerId, name } = asked;
  const named = providerId === null ? undefined : rows.get(keyOf('identity_provider', providerId));
  const keepers = providerId === null ? openId : named ? [named] : [];
  return keepers.some((keeper) => keepsClaim(keeper, name)) ? [] : [unkeptProblem(asked)];
}

function keyOf(type: ReferenceType, id: string): string {
  return `${type} ${id}`;
}
