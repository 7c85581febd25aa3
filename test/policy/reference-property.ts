import { type Answers, type Evaluation, evaluate, questionKey } from '../../src/policy/evaluate.ts';
import { createRuleIndexes } from '../../src/policy/rule-index.ts';
import type { ExternalQuestion } from '../../src/policy/rules.ts';
import type { Asker, Case } from './reference-cases.ts';
import {
  evaluateByTheBook,
  evaluateInCloudflaresOrder,
  type Observe,
  PARTS,
  type Parts,
  type World,
} from './reference-evaluator.ts';

/** Decides for one who asks, with what is known of the answers. */
export type Candidate = (asker: Asker, answers: Answers) => Evaluation;

/** What evaluates in earnest, with one set of indexes for everybody who asks. */
export function inEarnest({ read, sets }: Case): Candidate {
  const indexes = createRuleIndexes();
  return ({ identity, read: surroundings }, answers) =>
    evaluate(read.policies, { identity, surroundings, sets, answers, indexes });
}

/** The reference, with another part if a fault is wanted. */
export function byTheBook(
  { meant, lists, postures }: Case,
  parts: Parts = PARTS,
  observe: Observe = () => {},
): Candidate {
  return (asker, answers) => {
    const world = worldOf(meant.groups, { lists, postures, asker, answers });
    return evaluateByTheBook(meant.policies, world, { parts, observe });
  };
}

/** What is wrong with a candidate in a case; null if it decides as the documentation says. */
export function disagreement(given: Case, candidate: Candidate): string | null {
  for (const asker of given.askers) {
    const wrong = faultFor(given, asker, candidate);
    if (wrong !== null) return `${wrong}\n${describeCase(given, asker)}`;
  }
  return null;
}

function describeCase({ meant, lists, full }: Case, asker: Asker): string {
  const { policies, groups } = meant;
  return JSON.stringify({ asker, policies, groups: [...groups], lists: [...lists], full: [...full] });
}

function faultFor(given: Case, asker: Asker, candidate: Candidate): string | null {
  const start = candidate(asker, given.given);
  const asked = askUntilDone({ given, asker, candidate, start });
  if (typeof asked === 'string') return asked;
  if (isCircular(given, asker)) return weakness(asked, circularDue(given, asker));
  const book = byTheBook(given);
  const wrong = difference(asked, book(asker, given.full)) ?? weakness(asked, cloudflares(given, asker));
  if (wrong !== null || start.questions.length > 0) return wrong;
  // It asked for nothing: then it must not matter what would have been answered.
  return difference(start, book(asker, given.given)) ?? difference(start, book(asker, otherwise(given)));
}

/** Whether anything rests on a group that lies within itself. */
export function isCircular(given: Case, asker: Asker): boolean {
  let found = false;
  byTheBook(given, PARTS, (rule, _, path) => {
    if ('group' in rule && path.includes(rule.group.id)) found = true;
  })(asker, null);
  return found;
}

/**
 * Groups within themselves are refused when they are written. Should there be one, then less may be known of the
 * groups around it than could be; what must hold all the same is that it lets nobody in. (Of nobody, only a deny
 * that is certain counts, and so none that rests on such a group.)
 */
function circularDue(given: Case, asker: Asker): 'allow' | 'deny' {
  const all = given.meant.policies;
  const policies = asker.identity.kind === 'nobody' ? all.filter(({ decision }) => decision !== 'deny') : all;
  return byTheBook({ ...given, meant: { ...given.meant, policies } })(asker, given.full).verdict;
}

interface Asking {
  readonly given: Case;
  readonly asker: Asker;
  readonly candidate: Candidate;
  readonly start: Evaluation;
}

/** Answers what is asked, as often as something is; only what occurs and is open may be. */
function askUntilDone({ given, asker, candidate, start }: Asking): Evaluation | string {
  let evaluation = start;
  const known = new Map(given.given);
  for (let round = 0; evaluation.questions.length > 0; round++) {
    if (round > given.full.size) return 'it asks without an end';
    for (const question of evaluation.questions) {
      const wrong = problemOf(question, { given, asker, known });
      if (wrong !== null) return wrong;
    }
    for (const key of evaluation.questions.map(questionKey)) known.set(key, given.full.get(key) ?? null);
    evaluation = candidate(asker, known);
  }
  return evaluation;
}

interface Asked {
  readonly given: Case;
  readonly asker: Asker;
  readonly known: ReadonlyMap<string, boolean | null>;
}

function problemOf(question: ExternalQuestion, { given, asker, known }: Asked): string | null {
  if (asker.identity.kind === 'nobody') return 'it asks about nobody';
  if (known.has(questionKey(question))) return 'it asks again';
  const open = byTheBook(given)(asker, known).questions.map(questionKey);
  return open.includes(questionKey(question)) ? null : 'it asks what occurs nowhere';
}

/** Whom the due verdict keeps out must not be let in. */
function weakness({ verdict }: Evaluation, due: 'allow' | 'deny'): string | null {
  return verdict === 'allow' && due === 'deny' ? 'it lets in whom it must keep out' : null;
}

/** Whom Cloudflare's order keeps out, we keep out. */
export function cloudflares({ meant, lists, postures, full }: Case, asker: Asker): 'allow' | 'deny' {
  const world = worldOf(meant.groups, { lists, postures, asker, answers: full });
  return evaluateInCloudflaresOrder(meant.policies, world);
}

function difference(one: Evaluation, other: Evaluation): string | null {
  const keys = ['verdict', 'reason', 'policy', 'sessionDuration'] as const;
  const key = keys.find((name) => one[name] !== other[name]);
  return key === undefined ? null : `${key} is ${one[key]}, and should be ${other[key]}`;
}

/** What is known stays; all else is answered the other way round. */
function otherwise({ given, full }: Case): Answers {
  return new Map([...full].map(([key, said]) => [key, given?.has(key) ? said : said !== true]));
}

interface Situation extends Pick<World, 'lists' | 'postures'> {
  readonly asker: Asker;
  readonly answers: Answers;
}

function worldOf(groups: World['groups'], { lists, postures, asker, answers }: Situation): World {
  const { identity, meant: surroundings } = asker;
  const answer = (question: ExternalQuestion) => answers?.get(questionKey(question));
  return { identity, surroundings, groups, lists, postures, answer };
}
