import { Type } from 'typebox';
import { pageQuery, Uuid } from '../../http/shapes.ts';

const url = Type.String({ minLength: 1, maxLength: 2048 });
const text = Type.String({ minLength: 1, maxLength: 512 });

/** As it is answered: never with the secret, always with the issuer that was found and pinned. */
export const IdentityProvider = Type.Object({
  id: Type.String(),
  name: Type.String(),
  type: Type.String(),
  read_only: Type.Boolean(),
  config: Type.Object({
    client_id: text,
    auth_url: url,
    token_url: url,
    certs_url: url,
    issuer: url,
    scopes: Type.Array(Type.String()),
    claims: Type.Array(Type.String()),
    email_claim_name: Type.String(),
    pkce_enabled: Type.Boolean(),
    link_by_email: Type.Boolean(),
  }),
  scim_config: Type.Object({ enabled: Type.Boolean() }),
});

/** Settings of oidc; whatever else a config holds is refused by name, as is what is missing. */
const ConfigInput = Type.Object({
  client_id: Type.Optional(text),
  client_secret: Type.Optional(Type.String({ minLength: 1, maxLength: 2048 })),
  auth_url: Type.Optional(url),
  token_url: Type.Optional(url),
  certs_url: Type.Optional(url),
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
  type: Type.String({ maxLength: 64 }),
  config: ConfigInput,
  scim_config: Type.Optional(Type.Unknown()),
  saml_certificate_set_id: Type.Optional(Type.Unknown()),
  read_only: Type.Optional(Type.Unknown()),
});

export const ProviderParams = Type.Object({ identity_provider_id: Uuid('UUID of the identity provider.') });

export const ProviderQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 100 }),
  scim_enabled: Type.Optional(Type.Boolean({ description: 'Only those with SCIM, or only those without.' })),
});

export const Deleted = Type.Object({ id: Type.String() });
