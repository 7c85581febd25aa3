import { Type } from 'typebox';
import { Direction, pageQuery, Time } from '../../http/shapes.ts';

/** One entry of the audit log (reference §3.11, v1). */
export const AuditLog = Type.Object({
  id: Type.String(),
  action: Type.Object({ type: Type.String(), result: Type.Boolean() }),
  actor: Type.Object({
    id: Type.Optional(Type.String()),
    email: Type.Optional(Type.String()),
    ip: Type.Optional(Type.String()),
    type: Type.Union([Type.Literal('user'), Type.Literal('admin'), Type.Literal('Cloudflare')], {
      description:
        'user: a credential of the API or a person; admin: the operator; Cloudflare: Portcullis itself.',
    }),
  }),
  interface: Type.String(),
  metadata: Type.Object({}, { additionalProperties: true }),
  owner: Type.Object({ id: Type.String({ description: 'The account.' }) }),
  resource: Type.Object({ id: Type.String(), type: Type.String() }),
  when: Time,
});

const text = (description: string) => Type.Optional(Type.String({ maxLength: 320, description }));

export const AuditLogQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 100 }),
  id: text('Exactly this entry.'),
  'action.type': text('Exactly this action.'),
  'actor.email': text('The e-mail of whoever acted.'),
  'actor.ip': text('The address of whoever acted; a range is not supported.'),
  'zone.name': text('The zone below whose path the act was done.'),
  since: text('RFC 3339 date or time: not older than this.'),
  before: text('RFC 3339 date or time: older than this.'),
  direction: Direction,
  export: Type.Optional(Type.Boolean({ description: 'Only false is supported.' })),
  hide_user_logs: Type.Optional(
    Type.Boolean({ description: 'Leaves out what people did to their own tokens and details.' }),
  ),
});
