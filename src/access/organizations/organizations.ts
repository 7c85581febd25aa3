import type { Static } from 'typebox';
import { zoneNames } from '../../accounts/zones/zones.ts';
import type { Reader, Snapshot, Tx } from '../../database/database.ts';
import type { OrganizationRow } from '../../database/tables.ts';
import { DAY } from '../../kernel/clock.ts';
import { parseDuration } from '../../kernel/duration.ts';
import { normaliseDomain } from '../../kernel/email.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import type { JsonObject } from '../../kernel/json.ts';
import { refuseAsked } from '../../kernel/off.ts';
import type { Problem } from '../../kernel/result.ts';
import { SHORTEST_GLOBAL_SESSION, sessionDurationProblems } from '../../policy/session-duration.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import type { OrganizationState } from '../../protocol/state.ts';
import type { Change } from '../../removal/act.ts';
import { customPageTypes } from '../custom-pages/custom-pages.ts';
import type { Organization, OrganizationUpdate, RevokeUser } from './contract.ts';
import {
  changedSettings,
  designProblems,
  deviceSessionDurationOf,
  deviceSessionProblems,
  settingsOf,
  toDesignState,
} from './organization-settings.ts';
import { refuseSeatExpiration } from './seat-expiration.ts';
import { findOrganization, lockOrganization, updateOrganizationRow } from './store.ts';

export type OrganizationInput = Static<typeof OrganizationUpdate>;
export type PresentedOrganization = Static<typeof Organization>;

function presentOrganization(row: OrganizationRow): PresentedOrganization {
  return {
    name: row.name,
    auth_domain: row.auth_domain,
    session_duration: row.session_duration,
    ...settingsOf(row),
    mfa_required_for_all_apps: false,
    created_at: row.created_at,
    updated_at: row.updated_at,
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
  return row ? [stateItem(row, await zoneNames(snapshot, accountId))] : [];
}

/** How long a device session lasts that begins now, in milliseconds: `warp_auth_session_duration`, or a day. */
export async function deviceSessionDuration(reader: Reader, accountId: string): Promise<number> {
  const row = await findOrganization(reader, accountId);
  if (!row) throw unknownOrganization();
  return deviceSessionDurationOf(settingsOf(row));
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
  const settings = changedSettings(settingsOf(row), input);
  const zones = await zoneNames(tx, accountId);
  const problems = [
    ...inputProblems(input, row),
    ...designProblems(input.login_design ?? {}),
    ...zoneProblems(input, zones),
    ...(await pageProblems(tx, accountId, input)),
  ];
  if (problems.length > 0) throw invalidInput(problems, 'invalidAccess');
  refuseSeatExpiration(input.user_seat_expiration_inactive_time);
  const change = {
    name: input.name ?? row.name,
    session_duration: input.session_duration ?? row.session_duration,
    settings: JSON.stringify(settings),
    updated_at: now,
  };
  await updateOrganizationRow(tx, accountId, change);
  const updated = { ...row, ...change };
  return {
    result: presentOrganization(updated),
    items: [stateItem(updated, zones)],
    audit: {
      action: 'organization.update',
      resource: { type: 'organization', id: accountId },
      metadata: { fields: Object.keys(input) },
    },
  };
}

/** What would change how people are let in and is not here yet: accepted only in the state that is off. */
const NOT_YET = [
  'mfa_config',
  'mfa_piv_key_requirements',
  'mfa_required_for_all_apps',
  'service_token_inactivity',
] as const;

function inputProblems(input: OrganizationInput, row: OrganizationRow): Problem[] {
  const problems: Problem[] = [];
  if (input.auth_domain !== undefined && input.auth_domain.toLowerCase() !== row.auth_domain) {
    problems.push({ pointer: '/auth_domain', message: 'the team domain cannot be changed' });
  }
  if (input.session_duration !== undefined) {
    problems.push(
      ...sessionDurationProblems(input.session_duration, '/session_duration', SHORTEST_GLOBAL_SESSION),
    );
  }
  const { warp_auth_session_duration: ofDevices } = input;
  if (ofDevices) {
    problems.push(...deviceSessionProblems(ofDevices, '/warp_auth_session_duration'));
  }
  return problems;
}

function zoneProblems(
  { deny_unmatched_requests_exempted_zone_names: names = [] }: OrganizationInput,
  zones: readonly string[],
): Problem[] {
  return names.flatMap((name, at) => {
    const isKnown = zones.includes(normaliseDomain(name) ?? name);
    const pointer = `/deny_unmatched_requests_exempted_zone_names/${at}`;
    return isKnown ? [] : [{ pointer, message: 'is not a zone of the account' }];
  });
}

async function pageProblems(
  tx: Tx,
  accountId: string,
  { custom_pages: pages = {} }: OrganizationInput,
): Promise<Problem[]> {
  const named = Object.entries(pages).filter((entry): entry is [string, string] => Boolean(entry[1]));
  const types = await customPageTypes(
    tx,
    accountId,
    named.map(([, id]) => id),
  );
  return named.flatMap(([type, id]) =>
    types.get(id) === type
      ? []
      : [{ pointer: `/custom_pages/${type}`, message: `is no custom page of the type "${type}"` }],
  );
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

/** The organization as gates know it. */
export function stateItem(row: OrganizationRow, zones: readonly string[]): FeedItem {
  const settings = settingsOf(row);
  const { forbidden = null, identity_denied = null } = settings.custom_pages;
  const state: OrganizationState = {
    name: row.name,
    auth_domain: row.auth_domain,
    session_duration: parseDuration(row.session_duration) ?? DAY,
    auto_redirect_to_identity: settings.auto_redirect_to_identity,
    strict_service_tokens: settings.strict_service_token_auth,
    allow_authenticate_via_warp: settings.allow_authenticate_via_warp,
    deny_unmatched_requests: settings.deny_unmatched_requests,
    unmatched_exempted_zones: settings.deny_unmatched_requests_exempted_zone_names,
    zones,
    design: toDesignState(settings.login_design),
    custom_pages: { forbidden, identity_denied },
  };
  return { kind: 'organization', id: row.account_id, state: state as unknown as JsonObject };
}

function unknownOrganization() {
  return refusal('notFoundAccess', { detail: 'organization not found' });
}
