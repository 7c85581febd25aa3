import { Type } from 'typebox';
import { pageQuery, Time, Uuid } from '../../http/shapes.ts';

const name = Type.String({ minLength: 1, maxLength: 350 });
const Rules = Type.Array(Type.Unknown(), { maxItems: 1000 });

/** An Access group (reference §3.4). */
export const Group = Type.Object({
  id: Type.String(),
  name: Type.String(),
  include: Type.Array(Type.Any()),
  exclude: Type.Array(Type.Any()),
  require: Type.Array(Type.Any()),
  is_default: Type.Boolean(),
  created_at: Time,
  updated_at: Time,
});

/** Body of a create and of an update, which replaces. */
export const GroupInput = Type.Object({
  name,
  include: Rules,
  exclude: Type.Optional(Rules),
  require: Type.Optional(Rules),
  is_default: Type.Optional(Type.Boolean()),
});

export const DeletedGroup = Type.Object({ id: Type.String() });

export const GroupParams = Type.Object({ group_id: Uuid('UUID of the Access group.') });

export const GroupQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 1000 }),
  name: Type.Optional(Type.String({ maxLength: 350, description: 'Exactly this name, in any case.' })),
  search: Type.Optional(Type.String({ maxLength: 350, description: 'Part of the name.' })),
});
