import { Type } from 'typebox';

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

/** What is stored and shown as given; the pages that use it come later. */
const shown = {
  is_ui_read_only: Type.Boolean(),
  ui_read_only_toggle_reason: text,
  login_design: LoginDesign,
};

/** Settings that Portcullis does not have yet, answered in the one state that is true: off. */
const off = {
  auto_redirect_to_identity: Type.Boolean(),
  allow_authenticate_via_warp: Type.Boolean(),
  deny_unmatched_requests: Type.Boolean(),
  mfa_required_for_all_apps: Type.Boolean(),
  strict_service_token_auth: Type.Boolean(),
};

export const Organization = Type.Object({
  name: Type.String(),
  auth_domain: Type.String(),
  session_duration: Type.String(),
  ...shown,
  ...off,
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
    ...shown,
    allow_authenticate_via_warp: notYet,
    auto_redirect_to_identity: notYet,
    custom_pages: notYet,
    deny_unmatched_requests: notYet,
    deny_unmatched_requests_exempted_zone_names: notYet,
    mfa_config: notYet,
    mfa_piv_key_requirements: notYet,
    mfa_required_for_all_apps: notYet,
    service_token_inactivity: notYet,
    strict_service_token_auth: notYet,
    user_seat_expiration_inactive_time: notYet,
    warp_auth_non_browser_401: notYet,
    warp_auth_session_duration: notYet,
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
