import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { type ErrorName, invalidInput } from '../kernel/errors.ts';
import { hasNul, nulRefused } from './body.ts';

export type Part = 'body' | 'query' | 'path';

type Properties = Record<string, TSchema & { type?: string; fold?: boolean; default?: unknown }>;

/** A validator for one part of a request: the checked value, or a 400 that names every fault at once. */
export function createValidator(
  schema: TSchema,
  part: Part,
  refusalName: ErrorName = 'invalid',
): (value: unknown) => unknown {
  const validator = Compile(schema);
  const properties = ((schema as { properties?: Properties }).properties ?? {}) as Properties;
  return (value) => {
    const read = part === 'body' ? value : readTexts(value as Record<string, unknown>, properties, part);
    if (!validator.Check(read)) throw invalidInput(problemsOf(validator, read, part), refusalName);
    return read;
  };
}

/** Query and path arrive as text: what the schema calls a number or a boolean is read as one, once. */
function readTexts(
  texts: Record<string, unknown>,
  properties: Properties,
  part: Part,
): Record<string, unknown> {
  const read: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(texts)) {
    if (hasNul(value) || name.includes('\0')) throw nulRefused();
    const schema = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (schema?.type !== 'array' && Array.isArray(value)) {
      throw invalidInput([{ pointer: `/${part}/${escapePointer(name)}`, message: 'given more than once' }]);
    }
    if (part === 'query' && !schema) refuseBrackets(name, properties);
    if (schema) read[name] = readText(value, schema);
  }
  for (const [name, schema] of Object.entries(properties)) {
    if (schema.default !== undefined && read[name] === undefined) read[name] = schema.default;
  }
  return read;
}

/** A filter in another spelling would be ignored, and the answer wider than was asked for. */
function refuseBrackets(name: string, properties: Properties): void {
  const plain = name.replaceAll(/\[([^[\]]+)\]/g, '.$1').replace(/\[\]$/, '');
  const known = [plain, name.split('[', 1)[0] ?? ''].find((one) => Object.hasOwn(properties, one));
  if (known === undefined) return;
  const message = `is written as ${known}, given again for each further value, without brackets`;
  throw invalidInput([{ pointer: `/query/${escapePointer(name)}`, message }]);
}

function readText(value: unknown, schema: { type?: string; fold?: boolean }): unknown {
  if (typeof value !== 'string') return value;
  if (schema.type === 'integer' && /^-?\d{1,15}$/.test(value)) return Number(value);
  if (schema.type === 'boolean' && (value === 'true' || value === 'false')) return value === 'true';
  if (schema.type === 'array') return [value];
  return schema.fold ? value.toLowerCase() : value;
}

function problemsOf(validator: Validator, value: unknown, part: Part) {
  const prefix = part === 'body' ? '' : `/${part}`;
  const problems = validator.Errors(value).flatMap((error) => {
    if (error.keyword !== 'required')
      return [{ pointer: prefix + error.instancePath, message: error.message }];
    const { requiredProperties } = error.params as { requiredProperties: string[] };
    return requiredProperties.map((name) => ({
      pointer: `${prefix}${error.instancePath}/${escapePointer(name)}`,
      message: 'is required',
    }));
  });
  return problems.length > 0 ? onePerPointer(problems) : [{ pointer: prefix, message: 'is not valid' }];
}

/** A failed union reports each branch, and then itself: what its branches want says more. */
function onePerPointer(problems: { pointer: string; message: string }[]) {
  const places = [...Map.groupBy(problems, ({ pointer }) => pointer)].slice(0, 20);
  return places.map(([pointer, said]) => ({ pointer, message: inOne(said.map(({ message }) => message)) }));
}

function inOne(messages: readonly string[]): string {
  const last = messages.at(-1) ?? 'is not valid';
  const branches = [...new Set(messages.slice(0, -1))].slice(0, 4);
  return last.endsWith('in anyOf') && branches.length > 0 ? branches.join(', or ') : last;
}

/** Names of the input that the schema does not know: ignored, but said (decisions, Bodies). */
export function unknownNames(value: unknown, schema: TSchema | undefined): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  const known = (schema as { properties?: object } | undefined)?.properties ?? {};
  return Object.keys(value).filter((name) => !Object.hasOwn(known, name));
}

/** One reference token of an RFC 6901 pointer. */
export function escapePointer(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}
