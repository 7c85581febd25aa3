import { Type } from 'typebox';
import { Direction, Nullable, Time } from '../../http/shapes.ts';

const Text = Nullable(Type.String());

/** One line of the request log (reference §3.6); fewer keys where `fields` names them. */
export const AccessRequest = Type.Partial(
  Type.Object({
    action: Type.String({ description: 'login: a sign-in; request: a request at the gate.' }),
    allowed: Type.Boolean(),
    app_domain: Nullable(Type.String({ description: 'The host that was asked for.' })),
    app_uid: Text,
    connection: Nullable(Type.String({ description: 'Type of the identity provider.' })),
    created_at: Time,
    ip_address: Text,
    ray_id: Type.String({ description: 'The request id that the visitor was told.' }),
    user_email: Text,
    // Ours.
    verdict: Type.String({ description: 'allow, sign_in or deny.' }),
    reason: Type.String(),
    method: Text,
    via: Type.String({ description: 'proxy, forward_auth or sign_in.' }),
    count: Type.Integer({ description: 'How many events within a minute the line stands for.' }),
    idp: Nullable(Type.String({ description: 'Id of the identity provider.' })),
    user_id: Text,
    service_token_id: Text,
    registration_id: Nullable(Type.String({ description: 'The device that the request came from.' })),
  }),
);

const Operator = Type.Optional(Type.Union([Type.Literal('eq'), Type.Literal('neq')]));
const Size = Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 }));
const text = (description: string, maxLength = 64) =>
  Type.Optional(Type.String({ minLength: 1, maxLength, description }));

export const AccessRequestQuery = Type.Object({
  limit: Size,
  page: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000_000, default: 1 })),
  per_page: Size,
  direction: Direction,
  since: text('RFC 3339 time: not older than this.'),
  until: text('RFC 3339 time: not newer than this.'),
  email: text('Part of the e-mail of a person, or all of it.', 320),
  email_exact: Type.Optional(Type.Boolean()),
  emailOp: Type.Optional(Type.Union([Type.Literal('eq'), Type.Literal('neq'), Type.Literal('contains')])),
  allowed: Type.Optional(Type.Boolean()),
  allowedOp: Operator,
  app_uid: text('Id of an application.'),
  app_uidOp: Operator,
  idp: text('Id of an identity provider.'),
  idpOp: Operator,
  non_identity: Type.Optional(Type.Boolean({ description: 'Whether a service token came.' })),
  non_identityOp: Operator,
  ray_id: text('The request id that the visitor was told.'),
  ray_idOp: Operator,
  fields: text('Names of the fields to answer, with commas between them.', 400),
  app_type: text('Not supported.'),
  app_typeOp: Operator,
  country_code: text('Not supported.'),
  country_codeOp: Operator,
});
