import { Type } from 'typebox';
import { Nullable, pageQuery, Time, Uuid } from '../../http/shapes.ts';

/** A user as every operation answers it: all eleven keys, always (decisions, Bodies). */
export const User = Type.Object({
  id: Type.String({ maxLength: 36 }),
  uid: Type.String({ description: 'The same as id.' }),
  seat_uid: Nullable(Type.String()),
  email: Type.String(),
  name: Type.String(),
  access_seat: Type.Boolean({ description: 'True if the user has authenticated with Access.' }),
  gateway_seat: Type.Boolean({ description: 'True if the user has enrolled a device.' }),
  active_device_count: Type.Number(),
  created_at: Time,
  updated_at: Time,
  last_successful_login: Nullable(Time),
});

export const UserParams = Type.Object({ user_id: Uuid('UUID of the user.') });

export const SessionParams = Type.Object({
  ...UserParams.properties,
  nonce: Type.String({ minLength: 1, maxLength: 64, description: 'The nonce of the session.' }),
});

export const UserQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 1000 }),
  name: Type.Optional(Type.String({ maxLength: 320, description: 'Exactly this name, in any case.' })),
  email: Type.Optional(Type.String({ maxLength: 320, description: 'Exactly this e-mail.' })),
  search: Type.Optional(
    Type.String({
      maxLength: 320,
      description: 'Part of the e-mail or name; under three characters its start.',
    }),
  ),
});

const email = Type.String({ minLength: 1, maxLength: 320 });
const name = Type.String({ maxLength: 320 });

export const CreateUser = Type.Object({ email, name: Type.Optional(name) });

export const UpdateUser = Type.Object({ email, name: Type.String({ minLength: 1, maxLength: 320 }) });

const SessionApplication = Type.Object({
  hostname: Type.String(),
  name: Type.String(),
  type: Type.String(),
  uid: Type.String(),
});

export const ActiveSession = Type.Object({
  expiration: Type.Integer({ description: 'Seconds since the epoch.' }),
  name: Type.String(),
  metadata: Type.Object({
    apps: Type.Record(Type.String(), SessionApplication),
    expires: Type.Integer(),
    iat: Type.Integer(),
    nonce: Type.String(),
    ttl: Type.Integer({ description: 'Seconds from sign-in to expiry.' }),
  }),
});

const told = Type.Unsafe<Readonly<Record<string, readonly string[]>>>(
  Type.Record(Type.String(), Type.Array(Type.String())),
);

const identityFields = {
  account_id: Type.String(),
  auth_status: Type.String(),
  common_name: Type.String(),
  device_id: Type.String(),
  device_sessions: Type.Object({}),
  devicePosture: Type.Object({}),
  email: Type.String(),
  name: Type.Optional(Type.String()),
  amr: Type.Optional(Type.Array(Type.String())),
  groups: Type.Optional(Type.Array(Type.String())),
  oidc_fields: Type.Optional(told),
  saml_attributes: Type.Optional(told),
  geo: Type.Object({ country: Type.Optional(Type.String()) }),
  iat: Type.Integer(),
  idp: Type.Object({ id: Type.String(), type: Type.String() }),
  ip: Type.String(),
  is_gateway: Type.Boolean(),
  is_warp: Type.Boolean(),
  service_token_id: Type.String(),
  service_token_status: Type.Boolean(),
  user_uuid: Type.String(),
  version: Type.Integer(),
};

export const Identity = Type.Object(identityFields);

export const SessionIdentity = Type.Object({ ...identityFields, isActive: Type.Boolean() });

export const FailedLogin = Type.Object({
  expiration: Type.Integer({ description: 'When the entry is dropped; seconds since the epoch.' }),
  metadata: Type.Object({
    reason: Type.String(),
    at: Time,
    provider_id: Type.Optional(Type.String()),
    application_id: Type.Optional(Type.String()),
    ip: Type.Optional(Type.String()),
  }),
});
