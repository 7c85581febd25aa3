import type { Static } from 'typebox';
import type { Reader, Snapshot, Tx } from '../../database/database.ts';
import type { OrganizationRow } from '../../database/tables.ts';
import { DAY } from '../../kernel/clock.ts';
import { parseDuration } from '../../kernel/duration.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import type { JsonObject } from '../../kernel/json.ts';
import { refuseAsked } from '../../kernel/off.ts';
import type { Problem } from '../../kernel/result.ts';
import { SHORTEST_GLOBAL_SESSION, sessionDurationProblems } from '../../policy/session-duration.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import type { OrganizationState } from '../../protocol/state.ts';
import type { Change } from '../../removal/act.ts';
import type { Organization, OrganizationUpdate, RevokeUser } from './contract.ts';
import { findOrganization, lockOrganization, updateOrganizationRow } from './store.ts';

export type OrganizationInput = Static<typeof OrganizationUpdate>;
export type PresentedOrganization = Static<typeof Organization>;

/** What an organization looks like and how its dashboard behaves; kept as JSON. */
interface Settings {
  readonly is_ui_read_only: boolean;
  readonly ui_read_only_toggle_reason: string;
  readonly login_design: PresentedOrganization['login_design'];
}

function presentOrganization(row: OrganizationRow): PresentedOrganization {
  return {
    name: row.name,
    auth_domain: row.auth_domain,
    session_duration: row.session_duration,
    ...settingsOf(row),
    auto_redirect_to_identity: false,
    allow_authenticate_via_warp: false,
    deny_unmatched_requests: false,
    mfa_required_for_all_apps: false,
    strict_service_token_auth: false,
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}

function settingsOf(row: OrganizationRow): Settings {
  const stored = JSON.parse(row.settings) as Partial<Settings>;
  return {
    is_ui_read_only: stored.is_ui_read_only ?? false,
    ui_read_only_toggle_reason: stored.ui_read_only_toggle_reason ?? '',
    login_design: stored.login_design ?? {},
  };
}

export async function getOrganization(reader: Reader, accountId: string): Promise<PresentedOrganization> {
  const row = await findOrganization(reader, accountId);
  if (!row) throw unknownOrganization();
  return presentOrganization(row);
}

/** The organization of an account, for gates. */
export async function organizationStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  const row = await findOrganization(snapshot, accountId);
  return row ? [stateItem(row)] : [];
}

/** Every account has its organization from the start, so a second is refused (reference §6.2). */
export function refuseSecondOrganization(): never {
  throw refusal('organizationExists');
}

/** Changes what is given; the rest stays. */
export async function updateOrganization(
  tx: Tx,
  { accountId, input, now }: { accountId: string; input: OrganizationInput; now: string },
): Promise<Change<PresentedOrganization>> {
  const row = await lockOrganization(tx, accountId);
  if (!row) throw unknownOrganization();
  refuseAsked(input, NOT_YET);
  refuseInvalid(input, row);
  const settings = settingsOf(row);
  const change = {
    name: input.name ?? row.name,
    session_duration: input.session_duration ?? row.session_duration,
    settings: JSON.stringify({
      is_ui_read_only: input.is_ui_read_only ?? settings.is_ui_read_only,
      ui_read_only_toggle_reason: input.ui_read_only_toggle_reason ?? settings.ui_read_only_toggle_reason,
      login_design: { ...settings.login_design, ...input.login_design },
    } satisfies Settings),
    updated_at: now,
  };
  await updateOrganizationRow(tx, accountId, change);
  const updated = { ...row, ...change };
  return {
    result: presentOrganization(updated),
    items: [stateItem(updated)],
    audit: {
      action: 'organization.update',
      resource: { type: 'organization', id: accountId },
      metadata: { fields: Object.keys(input) },
    },
  };
}

/** What would change how people are let in and is not here yet: accepted only in the state that is off. */
const NOT_YET = [
  'auto_redirect_to_identity',
  'allow_authenticate_via_warp',
  'custom_pages',
  'deny_unmatched_requests',
  'deny_unmatched_requests_exempted_zone_names',
  'mfa_config',
  'mfa_piv_key_requirements',
  'mfa_required_for_all_apps',
  'service_token_inactivity',
  'strict_service_token_auth',
  'user_seat_expiration_inactive_time',
  'warp_auth_non_browser_401',
  'warp_auth_session_duration',
] as const;

function refuseInvalid(input: OrganizationInput, row: OrganizationRow): void {
  const problems: Problem[] = [];
  if (input.auth_domain !== undefined && input.auth_domain.toLowerCase() !== row.auth_domain) {
    problems.push({ pointer: '/auth_domain', message: 'the team domain cannot be changed' });
  }
  if (input.session_duration !== undefined) {
    problems.push(
      ...sessionDurationProblems(input.session_duration, '/session_duration', SHORTEST_GLOBAL_SESSION),
    );
  }
  if (problems.length > 0) throw invalidInput(problems, 'invalidAccess');
}

/**
 * Reads what revoke_user was asked. `devices` comes in three spellings; where they disagree the one that
 * revokes more counts, since silence about a device is the worse mistake.
 */
export function readRevocation(
  accountId: string,
  body: Static<typeof RevokeUser>,
  query: { devices?: boolean },
) {
  return {
    accountId,
    email: body.email,
    ...(body.user_uid === undefined ? {} : { userUid: body.user_uid }),
    devices: [query.devices, body.devices, body.body_devices].includes(true),
    warpSessionReauth: body.warp_session_reauth === true,
  };
}

function stateItem(row: OrganizationRow): FeedItem {
  const state: OrganizationState = {
    name: row.name,
    auth_domain: row.auth_domain,
    session_duration: parseDuration(row.session_duration) ?? DAY,
    auto_redirect_to_identity: true,
    strict_service_tokens: false,
    deny_unmatched_requests: true,
    unmatched_exempted_zones: [],
    zones: [],
    design: { header_text: null, footer_text: null, logo: null, text_color: null, background_color: null },
    custom_pages: { forbidden: null, identity_denied: null },
  };
  return { kind: 'organization', id: row.account_id, state: state as unknown as JsonObject };
}

function unknownOrganization() {
  return refusal('notFoundAccess', { detail: 'organization not found' });
}
