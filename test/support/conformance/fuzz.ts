import { createRandom, type Random } from '../../cluster/random.ts';
import { ask, type Fuzzed, type Judged } from './answers.ts';
import { BODIES, validBody } from './bodies.ts';
import type { Operation, Schema } from './document.ts';
import { createPool, type Pool } from './pool.ts';
import type { Inhabited } from './tenants.ts';
import { allowed, damaged, encode, hostile, hostileText, toText } from './values.ts';

/** What was wrong with an answer; the seed and the number make the request again. */
export interface Defect {
  /** Of one kind the first is told. */
  readonly kind: string;
  readonly number: number;
  readonly request: string;
  readonly status: number;
  readonly problem: string;
}

export interface FuzzRun {
  readonly requests: number;
  readonly statuses: Readonly<Record<number, number>>;
  readonly defects: readonly Defect[];
}

export interface FuzzOptions {
  readonly origin: string;
  readonly operations: readonly Operation[];
  readonly own: Inhabited;
  readonly other: Inhabited;
  readonly seed: number;
  readonly requests: number;
}

/** These would end the account or the credential that asks, and all that comes after would be refused. */
const SPARED: ReadonlySet<string> = new Set([
  'account-deletion',
  'accounts-account-deletion',
  'zones-0-delete',
]);

/** How many requests are under way side by side. */
const WAVE = 4;

/**
 * Asks a running server so many requests made of its own description, a few side by side, with a token that may do
 * everything in one account, and judges every answer by the description. The same seed asks the same, as far as ids
 * that are made on the way allow: what a wave has made is known to the next one, in the order of asking.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzRun> {
  const random = createRandom(options.seed);
  const statuses: Record<number, number> = {};
  const defects: Defect[] = [];
  const pool = createPool(options.own, options.other);
  for (let number = 0; number < options.requests; number += WAVE) {
    const length = Math.min(WAVE, options.requests - number);
    const wave = Array.from({ length }, () => makeRequest(random, options, pool));
    const answers = await Promise.all(wave.map((fuzzed) => ask(options, fuzzed)));
    for (const [at, fuzzed] of wave.entries()) {
      const judged = answers[at];
      if (!judged) continue;
      statuses[judged.status] = (statuses[judged.status] ?? 0) + 1;
      note(defects, { ...fuzzed, ...judged, number: number + at });
      if (judged.status < 300) pool.learn(fuzzed.operation, judged.result);
    }
  }
  return { requests: options.requests, statuses, defects };
}

/** Adds what is wrong, if it is the first of its kind. */
function note(
  defects: Defect[],
  { operation, target, body, status, problem, number }: Fuzzed & Judged & { number: number },
): void {
  if (problem === null) return;
  const kind = `${operation.method} ${operation.path} ${status} ${problem.slice(0, 120)}`;
  if (defects.some((defect) => defect.kind === kind)) return;
  const request = `${operation.method} ${target} ${body ?? ''}`.slice(0, 600);
  defects.push({ kind, number, request, status, problem });
}

function makeRequest(random: Random, options: FuzzOptions, pool: Pool): Fuzzed {
  const operation = random.pick(options.operations.filter(({ name }) => !SPARED.has(name)));
  const path = pathOf(random, operation, { ...options, pool });
  const query = queryOf(random, operation, pool);
  const body = bodyFor(random, operation, { own: options.own, pool });
  const type = random.chance(0.02) ? 'text/plain' : 'application/json';
  return { operation, target: query === '' ? path : `${path}?${query}`, body, type };
}

function pathOf(
  random: Random,
  { path, params }: Operation,
  { own, other, pool }: FuzzOptions & { pool: Pool },
): string {
  const shapes = params.map(({ shape }) => shape);
  const place = (mine: string, theirs: string) =>
    random.chance(0.95) ? mine : random.pick([theirs, mine.toUpperCase(), mine.slice(1), '%ff', 'x']);
  return path.replaceAll(/\{(\w+)\}/g, (_brace, name: string) => {
    if (name === 'account_id' && path.startsWith('/accounts/{')) return place(own.accountId, other.accountId);
    if (name === 'zone_id' && path.startsWith('/zones/{')) return place(own.zoneId, other.zoneId);
    return encode(pool.id(random, shapes.shift() ?? ''));
  });
}

function queryOf(random: Random, { query }: Operation, { hints }: Pool): string {
  const parts = query.flatMap(({ name, schema }) => {
    if (!random.chance(query.length > 6 ? 0.15 : 0.35)) return [];
    const value = random.chance(0.7) ? allowed(random, schema, hints) : hostile(random);
    const values = Array.isArray(value) ? value.slice(0, 5) : [value];
    const times = random.chance(0.05) ? [...values, ...values] : values;
    return times.map((one) => `${encode(name)}=${encode(toText(one)).slice(0, 1000)}`);
  });
  if (random.chance(0.05)) parts.push(`${encode(hostileText(random)).slice(0, 100)}=1`);
  return parts.join('&');
}

function bodyFor(random: Random, operation: Operation, at: { own: Inhabited; pool: Pool }): string | null {
  const { body, method, name } = operation;
  if (!body) return method === 'GET' || random.chance(0.9) ? null : JSON.stringify(hostile(random));
  if (random.chance(0.03))
    return random.pick(['', '{', '{"a":1,"a":2}', '{"__proto__":{"x":1}}', '[', 'null', '\ufeff{}']);
  const made = randomBody(random, { name, body }, at);
  return JSON.stringify(made ?? null);
}

function randomBody(
  random: Random,
  { name, body }: { name: string; body: Schema },
  { own, pool }: { own: Inhabited; pool: Pool },
): unknown {
  if (!(name in BODIES) || random.chance(0.25)) {
    const value = allowed(random, body, pool.hints);
    return random.chance(0.4) ? damaged(random, value) : value;
  }
  const valid = validBody(name, own);
  const times = random.pick([0, 0, 1, 1, 2, 3]);
  return Array.from({ length: times }).reduce((value) => damaged(random, value), valid);
}
