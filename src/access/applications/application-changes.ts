import { type Tx, takeTurn } from '../../database/database.ts';
import type { ApplicationRow } from '../../database/tables.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newAudienceTag, newUuid } from '../../kernel/ids.ts';
import type { Problem } from '../../kernel/result.ts';
import { revocation } from '../../protocol/feed.ts';
import type { Change } from '../../removal/act.ts';
import { dropReferences } from '../rules/rules.ts';
import { putTags } from '../tags/tags.ts';
import type { AskedDestination, ReadApplication } from './application-input.ts';
import {
  applicationItem,
  complete,
  holdApplication,
  isInZone,
  type Place,
  type PresentedApplication,
  presentApplication,
} from './applications.ts';
import type { HeldPolicy } from './held-policies.ts';
import { refuseHost } from './hosts.ts';
import { putPolicies } from './put-policies.ts';
import {
  allowsDevices,
  type DestinationRow,
  deleteApplicationRow,
  insertApplication,
  listApplications,
  listKnownPages,
  listKnownProviders,
  MOST_APPLICATIONS,
  putDestinations,
  updateApplicationRow,
} from './store.ts';

export interface ApplicationWrite {
  readonly place: Place;
  readonly read: ReadApplication;
  /** Hosts that can never be an application's: this server's own. */
  readonly reservedHosts: readonly string[];
  readonly now: string;
}

/**
 * A new application. The database refuses a destination that another has. Whoever gives out names takes the turn before
 * locking anything, so that what is asked of the hosts stays true and nobody waits in a circle.
 */
export async function createApplication(
  tx: Tx,
  write: ApplicationWrite,
): Promise<Change<PresentedApplication>> {
  const { place, read, now } = write;
  await takeTurn(tx, 'names');
  await refuseUnfit(tx, write);
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
  await putDestinations(tx, row, withUpstreams(read.destinations, []));
  await putTags(tx, row, read.tags);
  await putGivenPolicies(tx, { row, read, existing: [], now });
  return await written(tx, row, 'application.create');
}

/**
 * Replaces the settings and, if given, the policies. The AUD tag stays for the application's life. Who may not use
 * it any more is refused at the next request, since a gate asks for policy and provider each time; the others keep
 * their tokens.
 */
export async function updateApplication(
  tx: Tx,
  { id, ...write }: ApplicationWrite & { id: string },
): Promise<Change<PresentedApplication>> {
  const { place, read, now } = write;
  await takeTurn(tx, 'names');
  const { row, destinations, policies: existing } = await holdApplication(tx, place, id);
  await refuseUnfit(tx, write);
  const change = {
    name: read.name,
    session_duration: read.sessionDuration,
    settings: JSON.stringify(read.settings),
    updated_at: now,
  };
  await updateApplicationRow(tx, row, change);
  await putDestinations(tx, row, withUpstreams(read.destinations, destinations));
  await putTags(tx, row, read.tags);
  await putGivenPolicies(tx, { row, read, existing, now });
  return await written(tx, { ...row, ...change }, 'application.update');
}

/** Deletes the application; every token for it ends. */
export async function deleteApplication(tx: Tx, place: Place, name: string): Promise<Change<{ id: string }>> {
  const { row, destinations, policies } = await holdApplication(tx, place, name);
  const { id, account_id: accountId } = row;
  await deleteApplicationRow(tx, accountId, id);
  for (const { reusable, row: policy } of policies) {
    if (!reusable) await dropReferences(tx, { accountId, holder: { type: 'policy', id: policy.id } });
  }
  return {
    result: { id },
    items: [revocation({ type: 'application', id }), { kind: 'application', id, state: null }],
    audit: {
      action: 'application.delete',
      resource: { type: 'application', id },
      metadata: { name: row.name, destinations: destinations.map(({ uri }) => uri) },
    },
  };
}

/**
 * Ends every token that was issued for the application, and every code on its way to it; sessions stay, so that
 * whoever may still use it comes back by its own. Service tokens are no tokens of the application's.
 */
export async function revokeApplicationTokens(tx: Tx, place: Place, name: string): Promise<Change<object>> {
  const { row } = await holdApplication(tx, place, name);
  const { id } = row;
  return {
    result: {},
    items: [revocation({ type: 'application', id })],
    audit: {
      action: 'application.revoke_tokens',
      resource: { type: 'application', id },
      metadata: { name: row.name },
    },
  };
}

/** What says nothing of the server behind it keeps the one that it had: clients that know of none send it back so. */
function withUpstreams(asked: readonly AskedDestination[], existing: readonly DestinationRow[]) {
  const before = new Map(existing.map(({ uri, upstream }) => [uri, upstream]));
  return asked.map(({ uri, host, path, upstream = before.get(uri) ?? null }) => ({
    uri,
    host,
    path,
    upstream,
  }));
}

async function putGivenPolicies(
  tx: Tx,
  {
    row: application,
    read,
    ...rest
  }: Pick<ApplicationWrite, 'read' | 'now'> & {
    row: ApplicationRow;
    existing: readonly HeldPolicy[];
  },
): Promise<void> {
  if (read.policies) await putPolicies(tx, { application, embedded: read.policies, ...rest });
}

async function written(tx: Tx, row: ApplicationRow, action: string): Promise<Change<PresentedApplication>> {
  const whole = await complete(tx, { accountId: row.account_id, zone: null }, row);
  const { id, name } = row;
  const destinations = whole.destinations.map(({ uri }) => uri);
  const upstreams = whole.destinations.flatMap(({ upstream }) => upstream ?? []);
  const policies = whole.policies.map((policy) => policy.row.id);
  return {
    result: presentApplication(whole),
    items: [applicationItem(whole)],
    audit: {
      action,
      resource: { type: 'application', id },
      metadata: { name, destinations, ...(upstreams.length > 0 ? { upstreams } : {}), policies },
    },
  };
}

/** Refuses what is right by itself and wrong beside what else there is. */
async function refuseUnfit(tx: Tx, { place, read, reservedHosts }: ApplicationWrite): Promise<void> {
  const { destinations } = read;
  for (const destination of destinations) {
    if (!isInZone([destination], place.zone)) throw invalid(destination, 'domain does not belong to zone');
    await refuseHost(tx, destination, { reservedHosts, accountId: place.accountId });
  }
  await refuseUnknownProviders(tx, place.accountId, read.settings.allowed_idps);
  await refuseUnknownPages(tx, place.accountId, read.settings.custom_pages ?? []);
  await refuseDevices(tx, place.accountId, read);
}

async function refuseUnknownProviders(tx: Tx, accountId: string, ids: readonly string[]): Promise<void> {
  const known = new Set(await listKnownProviders(tx, accountId, ids));
  const problems: Problem[] = ids.flatMap((id, index) =>
    known.has(id)
      ? []
      : [{ pointer: `/allowed_idps/${index}`, message: 'is not an identity provider of this account' }],
  );
  if (problems.length > 0) throw invalidInput(problems.slice(0, 20), 'invalidAccess');
}

/** A page of each type at most: which of two is shown would be chance. */
async function refuseUnknownPages(tx: Tx, accountId: string, ids: readonly string[]): Promise<void> {
  const types = new Map((await listKnownPages(tx, accountId, ids)).map(({ id, type }) => [id, type]));
  const seen = new Set<string>();
  const problems = ids.flatMap((id, index): Problem[] => {
    const pointer = `/custom_pages/${index}`;
    const type = types.get(id);
    if (type === undefined) return [{ pointer, message: 'is not a custom page of this account' }];
    if (seen.has(type)) return [{ pointer, message: `is the second custom page of type ${type}` }];
    seen.add(type);
    return [];
  });
  if (problems.length > 0) throw invalidInput(problems.slice(0, 20), 'invalidAccess');
}

/** A gate asks both; one that says yes alone would promise what is not so. */
async function refuseDevices(tx: Tx, accountId: string, { settings }: ReadApplication): Promise<void> {
  if (settings.allow_authenticate_via_warp !== true || (await allowsDevices(tx, accountId))) return;
  const pointer = '/allow_authenticate_via_warp';
  const message = 'is not allowed by the organization, which has allow_authenticate_via_warp off';
  throw invalidInput([{ pointer, message }], 'invalidAccess');
}

function invalid({ pointer }: AskedDestination, message: string) {
  return invalidInput([{ pointer, message }], 'invalidAccess');
}

function tooMany() {
  return refusal('invalidAccess', { detail: `an account has at most ${MOST_APPLICATIONS} applications` });
}
