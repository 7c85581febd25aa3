import { Type } from 'typebox';
import { pageQuery, Uuid } from '../../http/shapes.ts';

const url = Type.String({ minLength: 1, maxLength: 2048 });
const text = Type.String({ minLength: 1, maxLength: 512 });

const shared = {
  client_id: text,
  auth_url: url,
  token_url: url,
  certs_url: url,
};

/** As it is answered: never with the secret, always with the issuer that was found and pinned. */
export const IdentityProvider = Type.Object({
  id: Type.String(),
  name: Type.String(),
  type: Type.String(),
  read_only: Type.Boolean(),
  config: Type.Object({
    ...shared,
    issuer: url,
    scopes: Type.Array(Type.String()),
    claims: Type.Array(Type.String()),
    email_claim_name: Type.String(),
    pkce_enabled: Type.Boolean(),
    link_by_email: Type.Boolean(),
  }),
  scim_config: Type.Object({ enabled: Type.Boolean() }),
});

const ConfigInput = Type.Object({
  ...shared,
  client_secret: Type.Optional(Type.String({ minLength: 1, maxLength: 2048 })),
  issuer: Type.Optional(url),
  scopes: Type.Optional(Type.Array(text, { maxItems: 50 })),
  claims: Type.Optional(Type.Array(text, { maxItems: 50 })),
  email_claim_name: Type.Optional(text),
  pkce_enabled: Type.Optional(Type.Boolean()),
  link_by_email: Type.Optional(Type.Boolean()),
});

/** Body of create and update. Other provider types have other settings and come later. */
export const IdentityProviderInput = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 350 }),
  type: Type.String(),
  config: ConfigInput,
  scim_config: Type.Optional(Type.Object({ enabled: Type.Optional(Type.Boolean()) })),
  read_only: Type.Optional(Type.Boolean()),
});

export const ProviderParams = Type.Object({ identity_provider_id: Uuid('UUID of the identity provider.') });

export const ProviderQuery = Type.Object(pageQuery({ most: 1000, usual: 100 }));

export const Deleted = Type.Object({ id: Type.String() });
