import type { Static } from 'typebox';
import type { OrganizationRow } from '../../database/tables.ts';
import { DAY } from '../../kernel/clock.ts';
import { isColour } from '../../kernel/contrast.ts';
import { parseDuration } from '../../kernel/duration.ts';
import { normaliseDomain } from '../../kernel/email.ts';
import { imageUrl } from '../../kernel/page.ts';
import type { Problem } from '../../kernel/result.ts';
import { SHORTEST_GLOBAL_SESSION, sessionDurationProblems } from '../../policy/session-duration.ts';
import type { DesignState } from '../../protocol/state.ts';
import type { Organization, OrganizationUpdate } from './contract.ts';

type Presented = Static<typeof Organization>;

/** What of an organization is kept as JSON. */
export type Settings = Pick<
  Presented,
  | 'is_ui_read_only'
  | 'ui_read_only_toggle_reason'
  | 'login_design'
  | 'auto_redirect_to_identity'
  | 'deny_unmatched_requests'
  | 'deny_unmatched_requests_exempted_zone_names'
  | 'strict_service_token_auth'
  | 'allow_authenticate_via_warp'
  | 'warp_auth_session_duration'
  | 'warp_auth_non_browser_401'
  | 'user_seat_expiration_inactive_time'
> & { readonly custom_pages: { readonly forbidden?: string; readonly identity_denied?: string } };

/** What holds where nothing was set. Both that are true were so before they could be set. */
const USUAL: Settings = {
  is_ui_read_only: false,
  ui_read_only_toggle_reason: '',
  login_design: {},
  auto_redirect_to_identity: true,
  deny_unmatched_requests: true,
  deny_unmatched_requests_exempted_zone_names: [],
  strict_service_token_auth: false,
  allow_authenticate_via_warp: false,
  warp_auth_non_browser_401: false,
  custom_pages: {},
};

export function settingsOf(row: Pick<OrganizationRow, 'settings'>): Settings {
  return { ...USUAL, ...(JSON.parse(row.settings) as Partial<Settings>) };
}

/** The settings with what is given; what is absent stays, and what is empty is taken away. */
export function changedSettings(before: Settings, input: Static<typeof OrganizationUpdate>): Settings {
  const zones = input.deny_unmatched_requests_exempted_zone_names?.map(
    (name) => normaliseDomain(name) ?? name,
  );
  const given = <K extends keyof Settings & keyof typeof input>(name: K) => input[name] ?? before[name];
  return {
    is_ui_read_only: given('is_ui_read_only'),
    ui_read_only_toggle_reason: given('ui_read_only_toggle_reason'),
    auto_redirect_to_identity: given('auto_redirect_to_identity'),
    deny_unmatched_requests: given('deny_unmatched_requests'),
    strict_service_token_auth: given('strict_service_token_auth'),
    allow_authenticate_via_warp: given('allow_authenticate_via_warp'),
    warp_auth_non_browser_401: given('warp_auth_non_browser_401'),
    ...changedDuration(before, input),
    ...changedSeatExpiration(before, input),
    deny_unmatched_requests_exempted_zone_names: zones
      ? [...new Set(zones)]
      : before.deny_unmatched_requests_exempted_zone_names,
    login_design: withoutEmpty({ ...before.login_design, ...input.login_design }),
    custom_pages: withoutEmpty({ ...before.custom_pages, ...input.custom_pages }),
  };
}

/** It has no value before one was given; an empty one, or null, takes it away. */
function changedDuration(
  before: Settings,
  { warp_auth_session_duration: given }: Static<typeof OrganizationUpdate>,
): Pick<Settings, 'warp_auth_session_duration'> {
  const duration = given === undefined ? before.warp_auth_session_duration : given;
  return duration ? { warp_auth_session_duration: duration } : {};
}

/** Zero, an empty text and null turn it off; then it is absent. */
function changedSeatExpiration(
  before: Settings,
  { user_seat_expiration_inactive_time: given }: Static<typeof OrganizationUpdate>,
): Pick<Settings, 'user_seat_expiration_inactive_time'> {
  const time = given === undefined ? before.user_seat_expiration_inactive_time : given;
  return time && parseDuration(time) !== 0 ? { user_seat_expiration_inactive_time: time } : {};
}

/** How long a device session lasts, in milliseconds. */
export function deviceSessionDurationOf({ warp_auth_session_duration: text }: Settings): number {
  return (text === undefined ? null : parseDuration(text)) ?? DAY;
}

/** What is wrong with the duration of device sessions, which has minutes and hours alone. */
export function deviceSessionProblems(text: string, pointer: string): Problem[] {
  if (!/^(?:\d+[hm])+$/.test(text)) {
    return [{ pointer, message: 'must be a duration of hours and minutes, such as 30m or 2h45m' }];
  }
  return sessionDurationProblems(text, pointer, SHORTEST_GLOBAL_SESSION);
}

function withoutEmpty<K extends string>(
  values: Partial<Record<K, string | null | undefined>>,
): Partial<Record<K, string>> {
  const entries = Object.entries(values).filter(([, value]) => typeof value === 'string' && value !== '');
  return Object.fromEntries(entries) as Partial<Record<K, string>>;
}

type Design = Settings['login_design'];

const RULES: readonly (readonly [keyof Design, (text: string) => boolean, string])[] = [
  ['background_color', isColour, 'is not a colour #rrggbb'],
  ['text_color', isColour, 'is not a colour #rrggbb'],
  ['logo_path', (text) => imageUrl(text) !== null, 'is not an https URL (http is for loopback alone)'],
];

export function designProblems(design: Design): Problem[] {
  return RULES.flatMap(([name, isRight, message]) => {
    const value = design[name];
    return !value || isRight(value) ? [] : [{ pointer: `/login_design/${name}`, message }];
  });
}

/** The design as pages use it. What was stored before it was checked, and is wrong, is left to us. */
export function toDesignState(design: Design): DesignState {
  const wrong = new Set(designProblems(design).map(({ pointer }) => pointer));
  const right = (name: keyof Design) => (!wrong.has(`/login_design/${name}`) && design[name]) || null;
  return {
    header_text: right('header_text'),
    footer_text: right('footer_text'),
    logo: right('logo_path'),
    text_color: right('text_color'),
    background_color: right('background_color'),
  };
}
