import { Type } from 'typebox';
import { accessPolicy, accessPolicyInput } from '../../http/access-policy-shapes.ts';
import { Nullable, pageQuery, Uuid } from '../../http/shapes.ts';

const text = Type.String({ maxLength: 2048 });
const name = Type.String({ minLength: 1, maxLength: 350 });
const duration = Type.String({ maxLength: 64 });
const precedence = Type.Integer({ minimum: 1, maximum: 1_000_000 });
/** How many policies an application can have, its own and reusable ones. */
export const MOST_POLICIES = 100;

export const Policy = Type.Object({
  ...accessPolicy,
  precedence: Type.Integer(),
  reusable: Type.Boolean({ description: 'Whether it is one of /access/policies, and changed there.' }),
});

/** Body of a policy, alone or within an application. */
export const PolicyInput = Type.Object({ ...accessPolicyInput, precedence: Type.Optional(precedence) });

/** A policy that there is already, by its id alone: one that the application has, or a reusable one. */
export const PolicyLink = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 36 }),
  precedence: Type.Optional(precedence),
});

const Destination = Type.Object({
  type: Type.Optional(Type.String({ maxLength: 64 })),
  uri: Type.Optional(text),
  upstream: Type.Optional(
    Nullable(Type.String({ maxLength: 2048, description: 'Origin of the server behind it. Ours.' })),
  ),
  overrides: Type.Optional(Type.Unknown()),
});

export const Application = Type.Object({
  id: Type.String(),
  uid: Type.String(),
  aud: Type.String(),
  name: Type.String(),
  type: Type.String(),
  domain: Type.String(),
  destinations: Type.Array(
    Type.Object({ type: Type.String(), uri: Type.String(), upstream: Type.Optional(Type.String()) }),
  ),
  self_hosted_domains: Type.Array(Type.String()),
  session_duration: Type.String(),
  allowed_idps: Type.Array(Type.String()),
  auto_redirect_to_identity: Type.Boolean(),
  app_launcher_visible: Type.Boolean(),
  http_only_cookie_attribute: Type.Boolean(),
  same_site_cookie_attribute: Type.Optional(Type.String()),
  logo_url: Type.Optional(Type.String()),
  enable_binding_cookie: Type.Boolean(),
  read_service_tokens_from_header: Type.Optional(Type.String()),
  options_preflight_bypass: Type.Boolean(),
  service_auth_401_redirect: Type.Boolean(),
  strict_service_token_auth: Type.Boolean(),
  allow_authenticate_via_warp: Type.Optional(Type.Boolean()),
  custom_deny_message: Type.Optional(Type.String()),
  custom_deny_url: Type.Optional(Type.String()),
  custom_non_identity_deny_url: Type.Optional(Type.String()),
  custom_pages: Type.Optional(Type.Array(Type.String())),
  skip_interstitial: Type.Boolean(),
  tags: Type.Array(Type.String()),
  policies: Type.Array(Policy),
  created_at: Type.String(),
  updated_at: Type.String(),
});

const unknown = Type.Optional(Type.Unknown());
const flag = Type.Optional(Nullable(Type.Boolean()));

/** Body of create and update. The last block is known to the SDK and refused unless it asks for nothing. */
export const ApplicationInput = Type.Object({
  type: Type.String({ maxLength: 64 }),
  name: Type.Optional(name),
  domain: Type.Optional(text),
  destinations: Type.Optional(Type.Array(Destination, { maxItems: 100 })),
  self_hosted_domains: Type.Optional(Type.Array(text, { maxItems: 100 })),
  session_duration: Type.Optional(duration),
  allowed_idps: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 50 })),
  auto_redirect_to_identity: Type.Optional(Type.Boolean()),
  app_launcher_visible: Type.Optional(Type.Boolean()),
  http_only_cookie_attribute: Type.Optional(Type.Boolean()),
  same_site_cookie_attribute: Type.Optional(Type.String({ maxLength: 16 })),
  logo_url: Type.Optional(text),
  enable_binding_cookie: flag,
  read_service_tokens_from_header: Type.Optional(Nullable(Type.String({ maxLength: 64 }))),
  service_auth_401_redirect: flag,
  strict_service_token_auth: flag,
  allow_authenticate_via_warp: flag,
  custom_deny_message: Type.Optional(Nullable(Type.String({ maxLength: 1024 }))),
  custom_deny_url: Type.Optional(Nullable(text)),
  custom_non_identity_deny_url: Type.Optional(Nullable(text)),
  custom_pages: Type.Optional(Nullable(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 10 }))),
  policies: Type.Optional(
    Type.Array(
      Type.Unknown({
        description: 'A policy, or the id of one: of one that the application has, or of a reusable one.',
      }),
      { maxItems: MOST_POLICIES },
    ),
  ),
  tags: Type.Optional(Nullable(Type.Array(Type.String({ maxLength: 512 }), { maxItems: 100 }))),
  allow_iframe: unknown,
  cors_headers: unknown,
  eager_redirect_cookie_setting: unknown,
  mfa_config: unknown,
  oauth_configuration: unknown,
  options_preflight_bypass: unknown,
  path_cookie_attribute: unknown,
  scim_config: unknown,
  skip_interstitial: unknown,
  use_clientless_isolation_app_launcher_url: unknown,
});

/** Settings that are set apart. Both are off, and known to the SDK. */
export const ApplicationSettings = Type.Object({
  allow_iframe: Type.Boolean(),
  skip_interstitial: Type.Boolean(),
});

export const ApplicationSettingsInput = Type.Object({
  allow_iframe: flag,
  skip_interstitial: flag,
});

export const ApplicationParams = Type.Object({
  app_id: Type.String({
    minLength: 1,
    maxLength: 64,
    fold: true,
    description: 'UUID of the application, or its AUD tag.',
  }),
});

export const PolicyParams = Type.Object({
  ...ApplicationParams.properties,
  policy_id: Uuid('UUID of the policy.'),
});

export const ApplicationQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 1000 }),
  aud: Type.Optional(Type.String({ maxLength: 64 })),
  domain: Type.Optional(text),
  name: Type.Optional(text),
  search: Type.Optional(text),
  exact: Type.Optional(Type.Boolean({ description: 'Whether domain and name must match whole.' })),
  target_attributes: Type.Optional(text),
});

export const PolicyQuery = Type.Object(pageQuery({ most: 1000, usual: 1000 }));

export const Deleted = Type.Object({ id: Type.String() });
