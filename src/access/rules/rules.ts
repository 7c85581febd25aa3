import type { Reader, Tx } from '../../database/database.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { below, type Problem, quote } from '../../kernel/result.ts';
import { parseInclude, parseRules } from '../../policy/rule-reader.ts';
import type { Rule, RuleLists } from '../../policy/rules.ts';
import { type Named, namedBy } from './named.ts';
import {
  deleteReferences,
  findNamed,
  holdNamed,
  insertReferences,
  listHolders,
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
  readonly type: 'policy' | 'reusable_policy' | 'group';
  readonly id: string;
}

const LISTS = ['include', 'exclude', 'require'] as const;
const MOST_PROBLEMS = 20;
const MOST_HOLDERS = 5;

/** What is wrong with the shapes of rules: at most 20 problems. What they name is not looked for. */
export function ruleProblems({ include, exclude, require, pointer }: PlacedLists): Problem[] {
  const readings = [
    parseInclude(include ?? [], below(pointer, 'include')),
    parseRules(exclude ?? [], below(pointer, 'exclude')),
    parseRules(require ?? [], below(pointer, 'require')),
  ];
  return readings.flatMap((reading) => (reading.ok ? [] : reading.problems)).slice(0, MOST_PROBLEMS);
}

/**
 * What rules of checked shape name, each once. Refuses with a 400 and pointers what the account does not have, a list
 * of the wrong type, and a provider of a kind that could never satisfy the rule. In a writing transaction, what is
 * named stays until its end: whoever deletes it waits, and finds the references.
 */
export async function readReferences(
  reader: Reader,
  accountId: string,
  placed: readonly PlacedLists[],
): Promise<Reference[]> {
  const named = placed.flatMap((lists) =>
    LISTS.flatMap((list) => namedBy(readRules(lists[list] ?? []), below(lists.pointer, list))),
  );
  const unique = new Map(named.map(({ type, id }) => [keyOf(type, id), { type, id }]));
  const rows = await rowsOf(reader, accountId, [...unique.values()]);
  const problems = named.flatMap((one) => problemOf(one, rows.get(keyOf(one.type, one.id))));
  if (problems.length > 0) throw invalidInput(problems.slice(0, MOST_PROBLEMS), 'invalidAccess');
  return [...unique.values()];
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
  const words = holders.slice(0, MOST_HOLDERS).map(({ type, id, name }) => `${type} ${quote(name)} (${id})`);
  const more = holders.length > MOST_HOLDERS ? ' and others' : '';
  // The codes of a family are those of its paths: lists are not below /access.
  throw refusal(to.type === 'list' ? 'conflict' : 'conflictAccess', {
    detail: `${what} is in use by ${words.join(', ')}${more}`,
  });
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
  for (const type of ['group', 'list', 'service_token', 'identity_provider'] as const) {
    const ids = references.filter((one) => one.type === type).map(({ id }) => id);
    if (ids.length === 0) continue;
    const of = { accountId, type, ids };
    const found = isTx(reader) ? await holdNamed(reader, of) : await findNamed(reader, of);
    for (const row of found) rows.set(keyOf(type, row.id), row);
  }
  return rows;
}

function isTx(reader: Reader): reader is Tx {
  return 'afterCommit' in reader;
}

const WHAT: Readonly<Record<ReferenceType, string>> = {
  group: 'an Access group',
  list: 'a list',
  service_token: 'a service token',
  identity_provider: 'an identity provider',
};

function problemOf({ type, pointer, of }: Named, row: NamedRow | undefined): Problem[] {
  if (!row) return [{ pointer, message: `is not ${WHAT[type]} of this account` }];
  if (!of || of.kinds.includes(row.kind)) return [];
  return [{ pointer, message: `must be ${of.called}` }];
}

function keyOf(type: ReferenceType, id: string): string {
  return `${type} ${id}`;
}
