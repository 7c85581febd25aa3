import type { Random } from '../../cluster/random.ts';
import type { Schema } from './document.ts';

/** What clients never send and attackers do; most of it is refused, and none of it may break anything. */
const HOSTILE: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  Number.MAX_SAFE_INTEGER,
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  'a\udfffb',
  '\u202e\u200b',
  '__proto__',
  'constructor',
  '../../..',
  '%00',
  '%',
  "' or 1=1 --",
  '\\',
  '"',
  '😀'.repeat(200),
  'ﬀ@ﬀ.example',
  'İ@İ.example',
  `${'a'.repeat(64)}@${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(63)}.${'e'.repeat(59)}.xy`,
  'user@xn--bcher-kva.example',
  'ﾕｰｻﾞｰ@例え.テスト',
  'x'.repeat(10_000),
  'NaN',
  '9'.repeat(30),
  '-0',
  '2026-02-30T00:00:00Z',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:59Z',
  '300ms',
  '999999999h',
  [],
  {},
  [[]],
  [null],
  { __proto__: null, toString: 1 },
  nested(40),
  nested(80),
];

function nested(depth: number): unknown {
  return Array.from({ length: depth }).reduce<unknown>((inner) => [inner], 1);
}

export function hostile(random: Random): unknown {
  return random.pick(HOSTILE);
}

/** As it is in a path or a query. */
export function toText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

export function hostileText(random: Random): string {
  return toText(hostile(random));
}

/** A lone surrogate cannot be written as UTF-8. */
export function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** A value that the schema allows, at its boundaries often; hints are values known to mean something. */
export function allowed(random: Random, schema: Schema, hints: readonly string[], depth = 0): unknown {
  if (schema.enum) return random.pick(schema.enum);
  if (schema.anyOf) return allowed(random, random.pick(schema.anyOf), hints, depth + 1);
  switch (schema.type) {
    case 'string':
      return text(random, schema, hints);
    case 'integer':
    case 'number':
      return whole(random, schema);
    case 'boolean':
      return random.chance(0.5);
    case 'null':
      return null;
    case 'array':
      return Array.from({ length: length(random, schema.minItems, schema.maxItems, 3) }, () =>
        allowed(random, schema.items ?? {}, hints, depth + 1),
      );
    case 'object':
      return object(random, schema, hints, depth);
    default:
      return depth > 4 ? null : random.pick<unknown>([null, random.pick(hints), { everyone: {} }, [], 1]);
  }
}

function object(
  random: Random,
  { properties = {}, required = [] }: Schema,
  hints: readonly string[],
  depth: number,
) {
  const names = Object.keys(properties).filter((name) => required.includes(name) || random.chance(0.4));
  return Object.fromEntries(
    names.map((name) => [name, allowed(random, properties[name] ?? {}, hints, depth + 1)]),
  );
}

function text(
  random: Random,
  { minLength = 0, maxLength, format }: Schema,
  hints: readonly string[],
): string {
  if (format === 'date-time') return new Date(random.whole(2 ** 31) * 1000).toISOString();
  if (random.chance(0.7)) return random.pick(hints);
  return 'x'.repeat(length(random, minLength, maxLength, 20));
}

function whole(random: Random, { minimum = -5, maximum = 1000 }: Schema): number {
  return random.pick([minimum, maximum, minimum + random.whole(Math.min(100, maximum - minimum) + 1)]);
}

/** The least, the most if that is not too much, or something small. */
function length(random: Random, least = 0, most = 50, small = 3): number {
  return random.pick([least, Math.max(least, Math.min(most, 400)), least + random.whole(small + 1)]);
}

/** The value with some part of it, or the whole, replaced by something hostile, taken out, or given twice. */
export function damaged(random: Random, value: unknown): unknown {
  if (random.chance(0.15) || typeof value !== 'object' || value === null) return hostile(random);
  if (Array.isArray(value)) return damagedArray(random, value);
  const names = Object.keys(value);
  if (names.length === 0 || random.chance(0.1))
    return { ...value, [JSON.stringify(hostile(random)).slice(0, 50)]: hostile(random) };
  const name = random.pick(names);
  const { [name]: one, ...rest } = value as Record<string, unknown>;
  return random.chance(0.15) ? rest : { ...rest, [name]: damaged(random, one) };
}

function damagedArray(random: Random, value: readonly unknown[]): unknown[] {
  if (value.length === 0 || random.chance(0.2)) return [...value, hostile(random)];
  const at = random.whole(value.length);
  if (random.chance(0.15)) return [...value, value[at]];
  return value.map((one, index) => (index === at ? damaged(random, one) : one));
}
