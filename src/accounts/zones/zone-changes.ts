import type { Principal } from '../../database/act.ts';
import { type Reader, type Tx, takeTurn } from '../../database/database.ts';
import { dropZoneFromGroups } from '../../iam/resource-groups/resource-group-changes.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newTag } from '../../kernel/ids.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import type { Change } from '../../removal/act.ts';
import { accountsOf } from '../holdings/holdings.ts';
import {
  countZonesOf,
  deleteZoneRow,
  hasHostElsewhere,
  hasTeamDomainBelow,
  hasTeamDomainElsewhere,
  hasZoneElsewhere,
  isFirstAccount,
  lockZone,
} from './store.ts';
import { createZone, getZone, type PresentedZone, readZoneName } from './zones.ts';

/** What gates have to be told after the zones of an account have changed (access/organizations). */
export type AfterZones = (tx: Tx, change: { accountId: string; gone?: string }) => Promise<FeedItem[]>;

export interface ZoneInput {
  readonly name: string;
  readonly type?: string;
  readonly account?: { readonly id?: string };
}

/** A zone that is asked for, read as far as can be without the database, and by whom. */
export interface AskedZone {
  readonly zoneId: string;
  readonly accountId: string;
  readonly name: string;
  /** Throws unless the principal may write all zones of the account, this new one among them. */
  readonly authorize: (reader: Reader) => Promise<void>;
}

/** Reads what is asked for. Without an account it is the caller's, if they have but one. */
export async function askForZone(
  reader: Reader,
  principal: Principal,
  { name, type, account }: ZoneInput,
): Promise<AskedZone> {
  if (type !== undefined && type !== 'partial') {
    const message = 'the DNS of a zone is elsewhere: only "partial" zones are';
    throw invalidInput([{ pointer: '/type', message }], 'notSupported');
  }
  const accountId = account?.id?.toLowerCase() ?? (await onlyAccount(reader, principal));
  const zoneId = newTag();
  const wanted = { names: ['Zone Write'] as const, account: accountId, zone: zoneId };
  const authorize = async (later: Reader) => {
    // The id is new, so that only a right on all zones of the account covers it.
    if (!(await principal.permits(later, wanted))) throw refusal('forbidden');
  };
  const domain = readZoneName(name);
  if (!domain.includes('.')) {
    throw invalidInput([
      { pointer: '/name', message: 'is a single label, which nobody can have to themselves' },
    ]);
  }
  return { zoneId, accountId, name: domain, authorize };
}

async function onlyAccount(reader: Reader, principal: Principal): Promise<string> {
  const [only, ...others] = await accountsOf(reader, principal);
  if (only !== undefined && others.length === 0) return only;
  throw invalidInput([{ pointer: '/account/id', message: 'is needed: there are several accounts' }]);
}

const MOST = 1000;

/** A new zone, with the resource group that stands for it. Names are given out in turn, so that no two overlap. */
export async function addZone(
  tx: Tx,
  zone: AskedZone,
  {
    reservedHosts,
    afterZones,
    now,
  }: { reservedHosts: readonly string[]; afterZones: AfterZones; now: string },
): Promise<Change<PresentedZone>> {
  const { zoneId, accountId, name } = zone;
  await takeTurn(tx, 'names');
  await refuseName(tx, zone, reservedHosts);
  if ((await countZonesOf(tx, accountId)) >= MOST) {
    throw refusal('conflict', { detail: `an account has at most ${MOST} zones` });
  }
  await createZone(tx, { accountId, name, now, zoneId });
  return {
    result: await getZone(tx, accountId, zoneId),
    items: await afterZones(tx, { accountId }),
    audit: { action: 'zone.create', resource: { type: 'zone', id: zoneId }, metadata: { name } },
  };
}

/**
 * A name is refused that is this server's, or in the domain of another team; one around a host of this server or
 * another's team domain; and one that shares hosts with a zone or an application of another account, which could not
 * be told apart from then on.
 */
async function refuseName(tx: Tx, zone: AskedZone, reservedHosts: readonly string[]): Promise<void> {
  const { accountId, name } = zone;
  const labels = name.split('.');
  const over = labels.map((_, index) => labels.slice(index).join('.'));
  const own = reservedHosts.map((host) => host.replace(/:\d+$/, '').toLowerCase());
  if (own.includes(name) || (await hasTeamDomainElsewhere(tx, accountId, over))) {
    throw invalidInput([{ pointer: '/name', message: 'is a name of this server itself' }]);
  }
  if (await isAroundServer(tx, zone, own)) {
    throw refusal('conflict', { detail: 'names of this server itself lie in it', pointer: '/name' });
  }
  const isTaken =
    (await hasZoneElsewhere(tx, { accountId, name, over })) || (await hasHostElsewhere(tx, accountId, name));
  if (isTaken) throw refusal('conflict', { detail: 'another account has hosts in it', pointer: '/name' });
}

/**
 * Whether a host of this server, or the team domain of another account, lies below the name. Both are the first
 * account's to be around: the operator's hosts, and teams that are all made below its own.
 */
async function isAroundServer(
  tx: Tx,
  { accountId, name }: AskedZone,
  own: readonly string[],
): Promise<boolean> {
  const isAround =
    own.some((host) => host.endsWith(`.${name}`)) || (await hasTeamDomainBelow(tx, accountId, name));
  return isAround && !(await isFirstAccount(tx, accountId));
}

/**
 * Deletes a zone. What named it in tokens names nothing from then on; applications are the account's and stay. Refused
 * while the policy of a member or user group names it.
 */
export async function deleteZone(
  tx: Tx,
  { accountId, id, afterZones }: { accountId: string; id: string; afterZones: AfterZones },
): Promise<Change<{ id: string }>> {
  const zone = await lockZone(tx, accountId, id);
  if (!zone) throw refusal('notFound', { detail: 'zone not found' });
  await dropZoneFromGroups(tx, accountId, id);
  await deleteZoneRow(tx, id);
  return {
    result: { id },
    items: await afterZones(tx, { accountId, gone: zone.name }),
    audit: { action: 'zone.delete', resource: { type: 'zone', id }, metadata: { name: zone.name } },
  };
}
