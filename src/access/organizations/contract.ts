import { Type } from 'typebox';
import { Nullable } from '../../http/shapes.ts';

const text = Type.String({ maxLength: 1024 });

const LoginDesign = Type.Object(
  {
    background_color: Type.Optional(text),
    footer_text: Type.Optional(text),
    header_text: Type.Optional(text),
    logo_path: Type.Optional(text),
    text_color: Type.Optional(text),
  },
  { additionalProperties: false },
);

const pageId = Type.Optional(Nullable(Type.String({ maxLength: 36 })));

const CustomPages = Type.Object(
  { forbidden: pageId, identity_denied: pageId },
  { additionalProperties: false },
);

/** What an organization can set. */
const settings = {
  is_ui_read_only: Type.Boolean(),
  ui_read_only_toggle_reason: text,
  login_design: LoginDesign,
  auto_redirect_to_identity: Type.Boolean(),
  deny_unmatched_requests: Type.Boolean(),
  deny_unmatched_requests_exempted_zone_names: Type.Array(Type.String({ maxLength: 253 }), {
    maxItems: 1000,
  }),
  strict_service_token_auth: Type.Boolean(),
  custom_pages: CustomPages,
};

/** Settings that Portcullis does not have yet, answered in the one state that is true: off. */
const off = {
  mfa_required_for_all_apps: Type.Boolean(),
};

/** Device sessions as credentials. null leaves it as it is, but for the duration, which it takes away. */
const ofDevices = {
  allow_authenticate_via_warp: Nullable(Type.Boolean()),
  warp_auth_session_duration: Nullable(Type.String({ maxLength: 64 })),
  warp_auth_non_browser_401: Nullable(Type.Boolean()),
};

export const Organization = Type.Object({
  name: Type.String(),
  auth_domain: Type.String(),
  session_duration: Type.String(),
  ...settings,
  ...off,
  allow_authenticate_via_warp: Type.Boolean(),
  warp_auth_session_duration: Type.Optional(Type.String()),
  warp_auth_non_browser_401: Type.Boolean(),
  user_seat_expiration_inactive_time: Type.Optional(Type.String({ description: 'Absent while it is off.' })),
  created_at: Type.String(),
  updated_at: Type.String(),
});

/** Known to the SDK and refused, unless it asks for nothing. */
const notYet = Type.Unknown();

/** A body of the SDK's update: what is absent stays. */
export const OrganizationUpdate = Type.Partial(
  Type.Object({
    name: Type.String({ minLength: 1, maxLength: 350 }),
    auth_domain: Type.String({ maxLength: 260 }),
    session_duration: Type.String({ maxLength: 64 }),
    ...settings,
    ...ofDevices,
    mfa_config: notYet,
    mfa_piv_key_requirements: notYet,
    mfa_required_for_all_apps: notYet,
    service_token_inactivity: notYet,
    user_seat_expiration_inactive_time: Nullable(Type.String({ maxLength: 64 })),
  }),
);

export const OrganizationCreate = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 350 }),
  auth_domain: Type.String({ minLength: 1, maxLength: 260 }),
});

/** The three spellings of `devices`: the query, the body, and what the TypeScript SDK sends (reference §1.4). */
export const RevokeQuery = Type.Object({ devices: Type.Optional(Type.Boolean()) });

export const RevokeUser = Type.Object({
  email: Type.String({ minLength: 1, maxLength: 320 }),
  user_uid: Type.Optional(Type.String({ minLength: 1, maxLength: 36 })),
  devices: Type.Optional(Type.Boolean()),
  body_devices: Type.Optional(Type.Boolean()),
  warp_session_reauth: Type.Optional(Type.Boolean()),
});
