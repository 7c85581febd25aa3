import type { Static } from 'typebox';
import type { Reader, Snapshot, Tx } from '../../database/database.ts';
import type { ApplicationRow, PolicyRow } from '../../database/tables.ts';
import { parseDuration } from '../../kernel/duration.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newAudienceTag, newUuid } from '../../kernel/ids.ts';
import type { JsonObject } from '../../kernel/json.ts';
import { type FeedItem, revocation } from '../../protocol/feed.ts';
import type { ApplicationState } from '../../protocol/state.ts';
import type { Change } from '../../removal/act.ts';
import { type ApplicationInput, type ReadApplication, readApplication } from './application-input.ts';
import type { Application } from './contract.ts';
import { isWithinZone } from './destinations.ts';
import { presentPolicy, toGatePolicy, toPolicyRow } from './policy-input.ts';
import {
  countKnownProviders,
  type DestinationRow,
  deleteApplicationRow,
  deletePoliciesOf,
  findApplication,
  insertApplication,
  insertPolicies,
  isTeamDomain,
  listApplications,
  listDestinations,
  listPolicies,
  lockApplication,
  MOST_APPLICATIONS,
  putDestinations,
  updateApplicationRow,
} from './store.ts';

export type PresentedApplication = Static<typeof Application>;

/** An application with what belongs to it. */
export interface WholeApplication {
  readonly row: ApplicationRow;
  readonly destinations: readonly DestinationRow[];
  readonly policies: readonly PolicyRow[];
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

export function presentApplication({ row, destinations, policies }: WholeApplication): PresentedApplication {
  const settings = JSON.parse(row.settings) as ReadApplication['settings'];
  const uris = destinations.map(({ uri }) => uri);
  return {
    id: row.id,
    uid: row.id,
    aud: row.aud,
    name: row.name,
    type: row.type,
    domain: uris[0] ?? '',
    destinations: uris.map((uri) => ({ type: 'public', uri })),
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
    enable_binding_cookie: false,
    options_preflight_bypass: false,
    service_auth_401_redirect: false,
    skip_interstitial: false,
    tags: [],
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
  const policies = Map.groupBy(await listPolicies(reader, accountId), (one) => one.application_id);
  const whole = rows.map((row) => ({
    row,
    destinations: destinations.get(row.id) ?? [],
    policies: policies.get(row.id) ?? [],
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

/** Whether an application is one of those asked for; texts match in part unless `exact`. */
export function matchesFilter({ row, destinations }: WholeApplication, filter: ApplicationFilter): boolean {
  const matches = (asked: string | undefined, ...texts: string[]) =>
    asked === undefined ||
    texts.some((text) => (filter.exact ? text === asked : text.toLowerCase().includes(asked.toLowerCase())));
  const uris = destinations.map(({ uri }) => uri);
  return (
    (filter.aud === undefined || filter.aud === row.aud) &&
    matches(filter.domain, ...uris) &&
    matches(filter.name, row.name) &&
    matches(filter.search, row.name, ...uris)
  );
}

export async function getApplication(reader: Reader, place: Place, id: string): Promise<WholeApplication> {
  const row = await findApplication(reader, place.accountId, id);
  return await complete(reader, place, row);
}

/** The application, locked until the end of the transaction. */
export async function holdApplication(tx: Tx, place: Place, id: string): Promise<WholeApplication> {
  const row = await lockApplication(tx, place.accountId, id);
  return await complete(tx, place, row);
}

async function complete(reader: Reader, place: Place, row: ApplicationRow | null): Promise<WholeApplication> {
  if (!row) throw unknownApplication();
  const destinations = await listDestinations(reader, row.account_id, row.id);
  if (!isInZone(destinations, place.zone)) throw unknownApplication();
  return { row, destinations, policies: await listPolicies(reader, row.account_id, row.id) };
}

function isInZone(destinations: readonly { host: string }[], zone: string | null): boolean {
  return zone === null || destinations.every(({ host }) => isWithinZone(host, zone));
}

/** The applications of an account, for gates. */
export async function applicationStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  return (await allApplications(snapshot, { accountId, zone: null })).map(applicationItem);
}

/** The whole newest state of an application, for gates: what they judge by. */
export function applicationItem({ row, destinations, policies }: WholeApplication): FeedItem {
  const settings = JSON.parse(row.settings) as ReadApplication['settings'];
  const state: ApplicationState = {
    id: row.id,
    aud: row.aud,
    name: row.name,
    type: row.type,
    session_duration: row.session_duration === null ? null : parseDuration(row.session_duration),
    destinations: destinations.map(({ host, path }) => ({ host, path })),
    policies: policies.map(toGatePolicy),
    allowed_idps: settings.allowed_idps,
    auto_redirect_to_identity: settings.auto_redirect_to_identity,
    http_only_cookie: settings.http_only_cookie_attribute,
    same_site_cookie: settings.same_site_cookie_attribute,
  };
  return { kind: 'application', id: row.id, state: state as unknown as JsonObject };
}

export interface ApplicationWrite {
  readonly place: Place;
  readonly input: ApplicationInput;
  /** Hosts that can never be an application's: this server's own. */
  readonly reservedHosts: readonly string[];
  readonly now: string;
}

export async function createApplication(
  tx: Tx,
  write: ApplicationWrite,
): Promise<Change<PresentedApplication>> {
  const { place, now } = write;
  const read = await readChecked(tx, write);
  if ((await listApplications(tx, place.accountId)).length >= MOST_APPLICATIONS) throw tooMany();
  const row: ApplicationRow = {
    id: newUuid(),
    account_id: place.accountId,
    aud: newAudienceTag(),
    name: read.name,
    type: 'self_hosted',
    session_duration: read.sessionDuration,
    settings: JSON.stringify(read.settings),
    created_at: now,
    updated_at: now,
  };
  await insertApplication(tx, row);
  await putDestinations(tx, row, read.destinations);
  await insertPolicies(tx, policyRows(read, row, now));
  return await written(tx, { row, action: 'application.create' });
}

/** Replaces the settings and, if given, the policies. The AUD tag stays for the application's life. */
export async function updateApplication(
  tx: Tx,
  { id, ...write }: ApplicationWrite & { id: string },
): Promise<Change<PresentedApplication>> {
  const { place, now } = write;
  const { row } = await holdApplication(tx, place, id);
  const read = await readChecked(tx, write);
  const change = {
    name: read.name,
    session_duration: read.sessionDuration,
    settings: JSON.stringify(read.settings),
    updated_at: now,
  };
  await updateApplicationRow(tx, row, change);
  await putDestinations(tx, row, read.destinations);
  if (read.policies) {
    await deletePoliciesOf(tx, row.account_id, row.id);
    await insertPolicies(tx, policyRows(read, row, now));
  }
  return await written(tx, { row: { ...row, ...change }, action: 'application.update' });
}

/** Deletes the application; every token for it ends. */
export async function deleteApplication(tx: Tx, place: Place, id: string): Promise<Change<{ id: string }>> {
  const { row } = await holdApplication(tx, place, id);
  await deleteApplicationRow(tx, row.account_id, id);
  return {
    result: { id },
    items: [revocation({ type: 'application', id }), { kind: 'application', id, state: null }],
    audit: {
      action: 'application.delete',
      resource: { type: 'application', id },
      metadata: { name: row.name },
    },
  };
}

async function written(
  tx: Tx,
  { row, action }: { row: ApplicationRow; action: string },
): Promise<Change<PresentedApplication>> {
  const whole = await complete(tx, { accountId: row.account_id, zone: null }, row);
  return {
    result: presentApplication(whole),
    items: [applicationItem(whole)],
    audit: { action, resource: { type: 'application', id: row.id }, metadata: { name: row.name } },
  };
}

function policyRows(read: ReadApplication, row: ApplicationRow, now: string): PolicyRow[] {
  const of = { accountId: row.account_id, applicationId: row.id, now };
  return (read.policies ?? []).map((input, index) =>
    toPolicyRow(input, { ...of, precedence: input.precedence ?? index + 1 }),
  );
}

/** The input, checked by itself and against what else there is. */
async function readChecked(
  tx: Tx,
  { place, input, reservedHosts }: ApplicationWrite,
): Promise<ReadApplication> {
  const read = readApplication(input);
  const hosts = read.destinations.map(({ host }) => host);
  const { zone } = place;
  if (zone !== null && !isInZone(read.destinations, zone))
    throw invalidDomain('domain does not belong to zone');
  if (hosts.some((host) => reservedHosts.includes(host)) || (await isTeamDomain(tx, hosts))) {
    throw invalidDomain('the host is one of this server itself');
  }
  const providers = [...new Set(read.settings.allowed_idps)];
  if ((await countKnownProviders(tx, place.accountId, providers)) !== providers.length) {
    throw invalidInput(
      [{ pointer: '/allowed_idps', message: 'names an unknown identity provider' }],
      'invalidAccess',
    );
  }
  return read;
}

function invalidDomain(message: string) {
  return invalidInput([{ pointer: '/domain', message }], 'invalidAccess');
}

function tooMany() {
  return refusal('invalidAccess', { detail: `an account has at most ${MOST_APPLICATIONS} applications` });
}

function unknownApplication() {
  return refusal('notFoundAccess', { detail: 'application not found' });
}
