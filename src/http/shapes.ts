import { type TSchema, Type } from 'typebox';
import type { ListKind } from './route.ts';

/** 32 hex characters; upper case is folded, another length is a 400, other characters a 404. */
export const Tag = (description: string) =>
  Type.String({ minLength: 32, maxLength: 32, description, fold: true });

/** A UUID as Cloudflare writes it: at most 36 characters; one that names nothing is a 404. */
export const Uuid = (description: string) =>
  Type.String({ minLength: 1, maxLength: 36, description, fold: true });

export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

export const Time = Type.String({ format: 'date-time' });

/** `page` and `per_page` as the SDK sends them. */
export const pageQuery = ({ most = 1000, usual = 100 } = {}) => ({
  page: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000_000, default: 1 })),
  per_page: Type.Optional(Type.Integer({ minimum: 1, maximum: most, default: usual })),
});

/** `cursor` and `per_page` (or, of audit logs, `limit`) as the SDK sends them. */
export const cursorQuery = ({ most = 50, usual = 20, size = 'per_page' } = {}) => ({
  cursor: Type.Optional(Type.String({ maxLength: 2048 })),
  [size]: Type.Optional(Type.Integer({ minimum: 1, maximum: most, default: usual })),
});

export const Direction = Type.Optional(Type.Union([Type.Literal('asc'), Type.Literal('desc')]));

const Item = Type.Object({
  code: Type.Integer({ minimum: 1000 }),
  message: Type.String(),
  documentation_url: Type.Optional(Type.String()),
  source: Type.Optional(Type.Object({ pointer: Type.String() })),
});

/** The envelope of a success (reference §6.1). */
export function successSchema(result: TSchema, list?: ListKind): TSchema {
  return Type.Object({
    success: Type.Literal(true),
    errors: Type.Array(Item),
    messages: Type.Array(Item),
    result: list ? Type.Array(result) : result,
    ...(list === 'page' ? { result_info: ResultInfo } : {}),
    ...(list === 'cursor' ? { result_info: CursorInfo } : {}),
  });
}

const ResultInfo = Type.Object({
  page: Type.Integer(),
  per_page: Type.Integer(),
  count: Type.Integer(),
  total_count: Type.Optional(Type.Integer()),
  total_pages: Type.Optional(Type.Integer()),
});

const CursorInfo = Type.Object({
  count: Type.Integer(),
  per_page: Type.Integer(),
  cursor: Type.String({ description: 'Empty after the last page.' }),
  cursors: Type.Object({ after: Type.String() }),
});

/** The envelope of a refusal. */
export const Failure = Type.Object({
  success: Type.Literal(false),
  errors: Type.Array(Item, { minItems: 1 }),
  messages: Type.Array(Item),
  result: Type.Null(),
});
