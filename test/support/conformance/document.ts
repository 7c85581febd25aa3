import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import type { TestApp } from '../app.ts';

/** A JSON schema as the description of the API holds it. */
export interface Schema {
  readonly type?: string;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly format?: string;
  readonly default?: unknown;
}

export interface QueryParameter {
  readonly name: string;
  readonly schema: Schema;
}

/** One operation under one path, as the server's own description has it. */
export interface Operation {
  /** Of the route: the same under both prefixes of a path that accounts and zones have. */
  readonly name: string;
  readonly method: string;
  /** Below `/client/v4`, with parameters in braces. */
  readonly path: string;
  /** The path below its account or zone with `*` for what is named there: a collection, or an object of one. */
  readonly shape: string;
  /** For each parameter of the path: its name, and the shape up to it. */
  readonly params: readonly { readonly name: string; readonly shape: string }[];
  readonly query: readonly QueryParameter[];
  readonly body: Schema | null;
  /** What is wrong with an answer by the description; null for nothing. */
  readonly refuses: (status: number, answer: unknown) => string | null;
}

interface Described {
  readonly operationId: string;
  readonly parameters?: readonly { in: string; name: string; schema: Schema }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { schema: Schema }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { schema: TSchema }>> }>
  >;
}

/** Every operation that the server describes, read from the server. */
export async function readOperations(app: Pick<TestApp, 'origin'>): Promise<Operation[]> {
  const response = await fetch(`${app.origin}/client/v4/openapi.json`);
  const { paths } = (await response.json()) as { paths: Record<string, Record<string, Described>> };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) =>
      toOperation(method.toUpperCase(), path.replace(/^\/client\/v4/, ''), described),
    ),
  );
}

function toOperation(method: string, path: string, described: Described): Operation {
  return {
    name: described.operationId.replace(/^zone-level-/, ''),
    method,
    path,
    shape: shapeOf(path),
    params: paramsOf(path),
    query: (described.parameters ?? []).filter((parameter) => parameter.in === 'query'),
    body: described.requestBody?.content['application/json']?.schema ?? null,
    refuses: judge(described),
  };
}

/** `/accounts/{account_id}/access/apps/{app_id}/policies` is `access/apps/:/policies` with a star for the colon. */
function shapeOf(path: string): string {
  const below = path.replace(/^\/(?:accounts\/\{account_id\}|zones\/\{zone_id\})(?=\/|$)/, '');
  return below.replace(/^\//, '').replaceAll(/\{\w+\}/g, '*');
}

function paramsOf(path: string): Operation['params'] {
  return [...path.matchAll(/\{(\w+)\}/g)]
    .map((match) => ({ name: match[1] ?? '', shape: shapeOf(path.slice(0, match.index) + match[0]) }))
    .filter(({ shape }) => shape !== '');
}

function judge({ responses }: Described): Operation['refuses'] {
  const compiled = new Map<string, Validator>();
  return (status, answer) => {
    const key = responses[status] ? String(status) : status >= 400 && status < 500 ? '4XX' : '';
    const schema = responses[key]?.content?.['application/json']?.schema;
    if (!schema) return `the description knows no status ${status}`;
    const validator = compiled.get(key) ?? Compile(schema);
    compiled.set(key, validator);
    if (validator.Check(answer)) return null;
    return JSON.stringify(validator.Errors(answer).slice(0, 3));
  };
}
