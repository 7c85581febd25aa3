import { Type } from 'typebox';
import { Direction, Nullable, pageQuery, Time } from '../../http/shapes.ts';

const nothing = Type.Null();

/** A zone: the fields that the SDK expects, as far as something can be said of a domain that is not hosted here. */
export const Zone = Type.Object({
  id: Type.String(),
  name: Type.String(),
  status: Type.Literal('active'),
  type: Type.Literal('partial', { description: 'The DNS of the domain is elsewhere.' }),
  paused: Type.Boolean(),
  development_mode: Type.Integer(),
  account: Type.Object({ id: Type.String(), name: Type.String() }),
  owner: Type.Object({ id: Type.String(), name: Type.String(), type: Type.Literal('organization') }),
  meta: Type.Object({}),
  plan: Type.Object({}),
  name_servers: Type.Array(Type.String(), { maxItems: 0 }),
  original_name_servers: nothing,
  original_registrar: nothing,
  original_dnshost: nothing,
  created_on: Time,
  modified_on: Time,
  activated_on: Nullable(Time),
});

const text = Type.Optional(Type.String({ maxLength: 253 }));
const statuses = ['initializing', 'pending', 'active', 'moved'] as const;
const orders = ['name', 'status', 'account.id', 'account.name', 'plan.id'] as const;

export const ZoneQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 20 }),
  name: text,
  'account.id': Type.Optional(Type.String({ maxLength: 64, fold: true })),
  'account.name': text,
  status: Type.Optional(Type.Union(statuses.map((status) => Type.Literal(status)))),
  type: Type.Optional(
    Type.Array(Type.String({ maxLength: 64 }), { description: 'One or several, also separated by commas.' }),
  ),
  order: Type.Optional(Type.Union(orders.map((order) => Type.Literal(order)))),
  direction: Direction,
  match: Type.Optional(Type.Union([Type.Literal('any'), Type.Literal('all')])),
});

/** Without an account it is the caller's, if they have but one. */
export const CreateZone = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 253 }),
  type: Type.Optional(
    Type.Union(
      ['full', 'partial', 'secondary', 'internal'].map((type) => Type.Literal(type)),
      {
        description: 'Only partial: the DNS of the domain is elsewhere.',
      },
    ),
  ),
  account: Type.Optional(Type.Object({ id: Type.Optional(Type.String({ minLength: 32, maxLength: 32 })) })),
});
