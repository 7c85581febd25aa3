import { Type } from 'typebox';
import { pageQuery, Uuid } from '../../http/shapes.ts';

const url = Type.String({ minLength: 1, maxLength: 2048 });
const text = Type.String({ minLength: 1, maxLength: 512 });
const names = Type.Array(text, { maxItems: 50 });
/** A certificate, in PEM or its base64 alone. */
const certificate = Type.String({ minLength: 1, maxLength: 16_384 });

/** Settings that are answered as they were sent; which of them a type has is said in provider-kind.ts. */
const settings = {
  client_id: Type.Optional(text),
  auth_url: Type.Optional(url),
  token_url: Type.Optional(url),
  certs_url: Type.Optional(url),
  issuer: Type.Optional(url),
  scopes: Type.Optional(names),
  claims: Type.Optional(names),
  email_claim_name: Type.Optional(text),
  pkce_enabled: Type.Optional(Type.Boolean()),
  apps_domain: Type.Optional(Type.String({ minLength: 1, maxLength: 253 })),
  prompt: Type.Optional(Type.String({ maxLength: 32 })),
  directory_id: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  support_groups: Type.Optional(Type.Boolean()),
  okta_account: Type.Optional(url),
  authorization_server_id: Type.Optional(Type.String({ maxLength: 128 })),
  base_url: Type.Optional(url),
  issuer_url: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
  sso_target_url: Type.Optional(url),
  idp_public_certs: Type.Optional(Type.Array(certificate, { maxItems: 10 })),
  attributes: Type.Optional(names),
  email_attribute_name: Type.Optional(Type.String({ maxLength: 512 })),
  force_authn: Type.Optional(Type.Boolean()),
  link_by_email: Type.Optional(Type.Boolean()),
  accept_stale_login: Type.Optional(Type.Boolean()),
};

/** A config as it is answered: never with the secret. */
export const PresentedConfig = Type.Object(settings);

export const IdentityProvider = Type.Object({
  id: Type.String(),
  name: Type.String(),
  type: Type.String(),
  read_only: Type.Boolean(),
  config: PresentedConfig,
  scim_config: Type.Object({ enabled: Type.Boolean() }),
});

/** Settings of every type; whatever else a config holds is refused by name, as is what is missing. */
const ConfigInput = Type.Object({
  ...settings,
  client_secret: Type.Optional(Type.String({ minLength: 1, maxLength: 2048 })),
  /** An older spelling of `idp_public_certs`. */
  idp_public_cert: Type.Optional(certificate),
});

/** Body of create and update. */
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
  ...pageQuery({ most: 1000, usual: 1000 }),
  scim_enabled: Type.Optional(Type.Boolean({ description: 'Only those with SCIM, or only those without.' })),
});

export const Deleted = Type.Object({ id: Type.String() });
