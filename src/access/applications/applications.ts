import type { Static } from 'typebox';
import type { Reader, Snapshot, Tx } from '../../database/database.ts';
import type { ApplicationRow } from '../../database/tables.ts';
import { parseDuration } from '../../kernel/duration.ts';
import { refusal } from '../../kernel/errors.ts';
import type { JsonObject } from '../../kernel/json.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import type { ApplicationState } from '../../protocol/state.ts';
import { tagsOfApplications } from '../tags/tags.ts';
import type { Settings } from './application-input.ts';
import type { Application } from './contract.ts';
import { presentDenial } from './denial-settings.ts';
import { isWithinZone, parseDestination } from './destinations.ts';
import { type HeldPolicy, heldPolicies, presentPolicy, toGatePolicy } from './held-policies.ts';
import {
  type DestinationRow,
  findApplication,
  listApplications,
  listDestinations,
  lockApplication,
} from './store.ts';

export type PresentedApplication = Static<typeof Application>;

/** An application with what belongs to it. */
export interface WholeApplication {
  readonly row: ApplicationRow;
  readonly destinations: readonly DestinationRow[];
  /** In the order in which they are judged. */
  readonly policies: readonly HeldPolicy[];
  readonly tags: readonly string[];
}

/** Where a request stands: the account, and the zone if it came by a zone's path, which shows only that. */
export interface Place {
  readonly accountId: string;
  readonly zone: string | null;
}

/** The place of a call. */
export function placeOf({ accountId, zone }: { accountId: string; zone: { name: string } | null }): Place {
  return { accountId, zone: zone?.name ?? null };
}

export function presentApplication({
  row,
  destinations,
  policies,
  tags,
}: WholeApplication): PresentedApplication {
  const settings = settingsOf(row);
  const uris = destinations.map(({ uri }) => uri);
  return {
    id: row.id,
    uid: row.id,
    aud: row.aud,
    name: row.name,
    type: row.type,
    domain: uris[0] ?? '',
    destinations: destinations.map(({ uri, upstream }) => ({
      type: 'public',
      uri,
      ...(upstream === null ? {} : { upstream }),
    })),
    self_hosted_domains: uris,
    session_duration: row.session_duration ?? '24h',
    allowed_idps: [...settings.allowed_idps],
    auto_redirect_to_identity: settings.auto_redirect_to_identity,
    app_launcher_visible: settings.app_launcher_visible,
    http_only_cookie_attribute: settings.http_only_cookie_attribute,
    ...(settings.same_site_cookie_attribute
      ? { same_site_cookie_attribute: settings.same_site_cookie_attribute }
      : {}),
    ...(settings.logo_url ? { logo_url: settings.logo_url } : {}),
    enable_binding_cookie: settings.enable_binding_cookie,
    ...(settings.read_service_tokens_from_header
      ? { read_service_tokens_from_header: settings.read_service_tokens_from_header }
      : {}),
    options_preflight_bypass: false,
    service_auth_401_redirect: settings.service_auth_401_redirect,
    strict_service_token_auth: settings.strict_service_token_auth,
    ...(typeof settings.allow_authenticate_via_warp === 'boolean'
      ? { allow_authenticate_via_warp: settings.allow_authenticate_via_warp }
      : {}),
    ...presentDenial(settings),
    skip_interstitial: false,
    tags: [...tags],
    policies: policies.map(presentPolicy),
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}

/** Every application of the account, or of the zone, oldest first. */
export async function allApplications(
  reader: Reader,
  { accountId, zone }: Place,
): Promise<WholeApplication[]> {
  const rows = await listApplications(reader, accountId);
  const destinations = Map.groupBy(await listDestinations(reader, accountId), (one) => one.application_id);
  const policies = await heldPolicies(reader, accountId);
  const tags = await tagsOfApplications(reader, accountId);
  const whole = rows.map((row) => ({
    row,
    destinations: destinations.get(row.id) ?? [],
    policies: policies.get(row.id) ?? [],
    tags: tags.get(row.id) ?? [],
  }));
  return whole.filter((application) => isInZone(application.destinations, zone));
}

export interface ApplicationFilter {
  readonly aud?: string;
  readonly domain?: string;
  readonly name?: string;
  readonly search?: string;
  readonly exact?: boolean;
}

/** Whether an application is one of those asked for; name and domain match in part unless `exact`. */
export function matchesFilter({ row, destinations }: WholeApplication, filter: ApplicationFilter): boolean {
  const { aud, domain, name, search, exact = false } = filter;
  const uris = destinations.map(({ uri }) => uri);
  return (
    (aud === undefined || aud.toLowerCase() === row.aud) &&
    (domain === undefined || matchesText(uris, exact ? normalised(domain) : domain, exact)) &&
    (name === undefined || matchesText([row.name], name, exact)) &&
    (search === undefined || matchesText([row.name, ...uris], search, false))
  );
}

function matchesText(texts: readonly string[], asked: string, exact: boolean): boolean {
  return texts.some((text) => (exact ? text === asked : fold(text).includes(fold(asked))));
}

function fold(text: string): string {
  return text.normalize('NFC').toLowerCase();
}

/** A domain as destinations are kept. */
function normalised(domain: string): string {
  const reading = parseDestination(domain, '');
  return reading.ok ? reading.value.uri : domain;
}

export async function getApplication(reader: Reader, place: Place, id: string): Promise<WholeApplication> {
  const row = await findApplication(reader, place.accountId, id);
  return await complete(reader, place, row);
}

/** The application of that id or AUD tag, locked until the end of the transaction. */
export async function holdApplication(tx: Tx, place: Place, id: string): Promise<WholeApplication> {
  const row = await lockApplication(tx, place.accountId, id);
  return await complete(tx, place, row);
}

/** The row with what belongs to it, read now. */
export async function complete(
  reader: Reader,
  place: Place,
  row: ApplicationRow | null,
): Promise<WholeApplication> {
  if (!row) throw unknownApplication();
  const destinations = await listDestinations(reader, row.account_id, row.id);
  if (!isInZone(destinations, place.zone)) throw unknownApplication();
  const policies = (await heldPolicies(reader, row.account_id, row.id)).get(row.id) ?? [];
  const tags = (await tagsOfApplications(reader, row.account_id, row.id)).get(row.id) ?? [];
  return { row, destinations, policies, tags };
}

export function isInZone(destinations: readonly { host: string }[], zone: string | null): boolean {
  return zone === null || destinations.every(({ host }) => isWithinZone(host, zone));
}

/** The applications of an account, for gates. */
export async function applicationStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  return (await allApplications(snapshot, { accountId, zone: null })).map(applicationItem);
}

/** The whole newest state of an application, as gates are told of it. */
export function applicationItem(whole: WholeApplication): FeedItem {
  const state = applicationState(whole) as unknown as JsonObject;
  return { kind: 'application', id: whole.row.id, state };
}

/** What gates judge an application by; a reusable policy is a link in it. */
export function applicationState({ row, destinations, policies }: WholeApplication): ApplicationState {
  const settings = settingsOf(row);
  return {
    id: row.id,
    aud: row.aud,
    name: row.name,
    type: row.type,
    session_duration: row.session_duration === null ? null : parseDuration(row.session_duration),
    destinations: destinations.map(({ host, path, upstream }) => ({ host, path, upstream })),
    policies: policies.map(toGatePolicy),
    allowed_idps: settings.allowed_idps,
    auto_redirect_to_identity: settings.auto_redirect_to_identity,
    http_only_cookie: settings.http_only_cookie_attribute,
    same_site_cookie: settings.same_site_cookie_attribute,
    binding_cookie: settings.enable_binding_cookie,
    service_token_header: settings.read_service_tokens_from_header?.toLowerCase() ?? null,
    strict_service_tokens: settings.strict_service_token_auth,
    service_auth_401: settings.service_auth_401_redirect,
    allow_authenticate_via_warp: settings.allow_authenticate_via_warp === true,
    app_launcher_visible: settings.app_launcher_visible,
    logo_url: settings.logo_url,
    deny_message: settings.custom_deny_message ?? null,
    deny_url: settings.custom_deny_url ?? null,
    non_identity_deny_url: settings.custom_non_identity_deny_url ?? null,
    custom_pages: settings.custom_pages ?? [],
  };
}

function settingsOf(row: ApplicationRow): Settings {
  return JSON.parse(row.settings) as Settings;
}

function unknownApplication() {
  return refusal('notFoundAccess', { detail: 'unknown_application' });
}
