import { Type } from 'typebox';
import { Direction, pageQuery, Time, Uuid } from '../../http/shapes.ts';

/** How many items a list can have. */
export const MOST_ITEMS = 5000;

const type = Type.String({ maxLength: 64, description: 'EMAIL, IP, SERIAL or DEVICE.' });
const name = Type.String({ minLength: 1, maxLength: 350 });
const description = Type.String({ maxLength: 1000 });
const value = Type.String({ minLength: 1, maxLength: 2048 });

export const ListItem = Type.Object({ value: Type.String(), description: Type.String(), created_at: Time });

const fields = {
  id: Type.String(),
  name: Type.String(),
  type: Type.String(),
  description: Type.String(),
  count: Type.Integer({ description: 'How many items the list has.' }),
  created_at: Time,
  updated_at: Time,
};

/** A list; its items have a path of their own. */
export const List = Type.Object(fields);

/** One that is new, with its items. */
export const NewList = Type.Object({ ...fields, items: Type.Array(ListItem) });

const ItemInput = Type.Object({ value, description: Type.Optional(description) });
const Items = Type.Array(ItemInput, { maxItems: MOST_ITEMS });

export const CreateList = Type.Object({
  name,
  type,
  description: Type.Optional(description),
  items: Type.Optional(Items),
});

/** `items` replace all that there are; absent, they stay. */
export const UpdateList = Type.Object({
  name,
  type: Type.Optional(type),
  description: Type.Optional(description),
  items: Type.Optional(Items),
});

export const EditList = Type.Object({
  append: Type.Optional(Items),
  remove: Type.Optional(Type.Array(value, { maxItems: MOST_ITEMS })),
});

export const Deleted = Type.Object({});

export const ListParams = Type.Object({ list_id: Uuid('UUID of the list.') });

export const ListQuery = Type.Object({
  type: Type.Optional(Type.String({ maxLength: 64 })),
  search: Type.Optional(
    Type.String({ maxLength: 350, description: 'Part of the name or of the description, in any case.' }),
  ),
  order_by: Type.Optional(
    Type.Union([
      Type.Literal('name'),
      Type.Literal('created_at'),
      Type.Literal('updated_at'),
      Type.Literal('item_count'),
    ]),
  ),
  direction: Direction,
  filter: Type.Optional(
    Type.Array(Type.String({ maxLength: 400 }), {
      maxItems: 20,
      description: '`name:…`, `id:…`, `type:…` or `item_count:…`; a list must satisfy all of them.',
    }),
  ),
});

export const ItemQuery = Type.Object(pageQuery({ most: 1000, usual: 1000 }));
