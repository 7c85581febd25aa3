import { Type } from 'typebox';
import { Nullable, pageQuery, Time, Uuid } from '../../http/shapes.ts';

const fields = {
  id: Type.String(),
  client_id: Type.String({ description: '32 hex and `.access`; sent in CF-Access-Client-Id.' }),
  name: Type.String(),
  duration: Type.String(),
  enabled: Type.Boolean(),
  client_secret_version: Type.Integer(),
  expires_at: Type.Optional(Time),
  previous_client_secret_expires_at: Type.Optional(Time),
  created_at: Time,
  updated_at: Time,
};

const secret = Type.String({ description: 'Sent in CF-Access-Client-Secret; shown this once.' });

/** A service token as it is shown: never its secret. Without `expires_at` it has no end. */
export const ServiceToken = Type.Object(fields);

/** One whose secret is new. */
export const NewServiceToken = Type.Object({ ...fields, client_secret: secret });

/** An update can rotate. */
export const UpdatedServiceToken = Type.Object({ ...fields, client_secret: Type.Optional(secret) });

const name = Type.String({ minLength: 1, maxLength: 350 });
const until = Type.Optional(
  Nullable(
    Type.String({
      maxLength: 64,
      description: 'Until when the secret before this one is accepted; RFC 3339.',
    }),
  ),
);

const asked = {
  duration: Type.Optional(
    Type.String({ maxLength: 64, description: 'From 1m to 876000h, or `forever`; 8760h if not given.' }),
  ),
  enabled: Type.Optional(Type.Boolean()),
  client_secret_version: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000_000 })),
  previous_client_secret_expires_at: until,
};

export const CreateServiceToken = Type.Object({ name, ...asked });

/** What is absent stays. */
export const UpdateServiceToken = Type.Object({ name: Type.Optional(name), ...asked });

export const RotateServiceToken = Type.Object({ previous_client_secret_expires_at: until }, { default: {} });

export const ServiceTokenParams = Type.Object({ service_token_id: Uuid('UUID of the service token.') });

export const ServiceTokenQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 1000 }),
  name: Type.Optional(Type.String({ maxLength: 350, description: 'Exactly this name, in any case.' })),
  search: Type.Optional(
    Type.String({ maxLength: 350, description: 'Part of the name or of the client id.' }),
  ),
});
