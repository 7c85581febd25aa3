import { Type } from 'typebox';
import { cursorQuery, Direction, Tag, Time } from '../../http/shapes.ts';

const text = Type.Optional(Type.String());

/** One entry of the audit log (reference §3.11, v2); what an entry does not have is left out, as the SDK types it. */
export const AuditEntry = Type.Object({
  id: Type.String(),
  account: Type.Object({ id: Type.String(), name: Type.String() }),
  action: Type.Object({
    description: Type.String({ description: 'What was done, as the first version of this log names it.' }),
    result: Type.String(),
    time: Time,
    type: Type.Union([Type.Literal('create'), Type.Literal('delete'), Type.Literal('update')]),
  }),
  actor: Type.Object({
    id: text,
    context: text,
    email: text,
    ip_address: text,
    token_id: text,
    token_name: text,
    type: text,
  }),
  raw: Type.Object({
    cf_ray_id: text,
    method: text,
    status_code: Type.Optional(Type.Integer()),
    uri: text,
    user_agent: text,
  }),
  resource: Type.Object({
    id: Type.String(),
    product: Type.String(),
    scope: Type.String(),
    type: Type.String(),
  }),
  zone: Type.Optional(Type.Object({ id: Type.String(), name: Type.String() })),
});

const values = (one = Type.String({ minLength: 1, maxLength: 2048 })) =>
  Type.Optional(Type.Array(one, { minItems: 1, maxItems: 50 }));

/** A filter and its negation; each can be given again and again. */
const filter = <N extends string>(name: N, one?: ReturnType<typeof Type.String>) =>
  ({ [name]: values(one), [`${name}.not`]: values(one) }) as Record<
    N | `${N}.not`,
    ReturnType<typeof values>
  >;

const time = Type.String({ minLength: 1, maxLength: 64, description: 'RFC 3339 date or time.' });

const span = {
  since: time,
  before: time,
  direction: Direction,
  ...cursorQuery({ most: 1000, usual: 100, size: 'limit' }),
};

export const AuditQuery = Type.Object({
  ...span,
  ...filter('account_name'),
  ...filter('action_result'),
  ...filter('action_type'),
  ...filter('actor_context'),
  ...filter('actor_email'),
  ...filter('actor_id'),
  ...filter('actor_ip_address'),
  ...filter('actor_token_id'),
  ...filter('actor_token_name'),
  ...filter('actor_type'),
  ...filter('audit_log_id'),
  ...filter('id'),
  ...filter('raw_cf_ray_id'),
  ...filter('raw_method'),
  ...filter('raw_status_code', Type.String({ pattern: '^[1-5][0-9][0-9]$' })),
  ...filter('raw_uri'),
  ...filter('resource_id'),
  ...filter('resource_product'),
  ...filter('resource_scope'),
  ...filter('resource_type'),
  ...filter('zone_id'),
  ...filter('zone_name'),
  product_category: values(),
});

export const HistoryParams = Type.Object({ id: Tag('Identifier of an entry.') });

export const HistoryQuery = Type.Object({ ...span, action_time: time });

export const ProductCategory = Type.Object({
  value: Type.String(),
  label: Type.String(),
  products: Type.Array(Type.Object({ value: Type.String(), label: Type.String() })),
});
