import { zoneNames } from '../../accounts/zones/zones.ts';
import type { Tx } from '../../database/database.ts';
import { refusal } from '../../kernel/errors.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import { type Settings, settingsOf } from './organization-settings.ts';
import { stateItem } from './organizations.ts';
import { lockOrganization, updateOrganizationRow } from './store.ts';

/**
 * What gates are told after the zones of an account have changed, in the same act. A zone that is `gone` is no longer
 * one of those that are exempted from denying unmatched requests.
 */
export async function organizationAfterZones(
  tx: Tx,
  { accountId, gone }: { accountId: string; gone?: string },
): Promise<FeedItem[]> {
  const row = await lockOrganization(tx, accountId);
  if (!row) return [];
  const zones = await zoneNames(tx, accountId);
  const before = settingsOf(row);
  if (gone === undefined || !before.deny_unmatched_requests_exempted_zone_names.includes(gone)) {
    if (gone !== undefined) refuseWider(before, zones, gone);
    return [stateItem(row, zones)];
  }
  const exempted = before.deny_unmatched_requests_exempted_zone_names.filter((name) => name !== gone);
  const settings = JSON.stringify({
    ...before,
    deny_unmatched_requests_exempted_zone_names: exempted,
  } satisfies Settings);
  await updateOrganizationRow(tx, accountId, { settings });
  return [stateItem({ ...row, settings }, zones)];
}

/** Hosts that a zone kept closed must not fall to a zone around it that is exempted: deleting would let requests through. */
function refuseWider(settings: Settings, zones: readonly string[], gone: string): void {
  const around = zones
    .filter((name) => gone.endsWith(`.${name}`))
    .sort((one, other) => other.length - one.length)[0];
  const exempted = settings.deny_unmatched_requests_exempted_zone_names;
  if (!settings.deny_unmatched_requests || around === undefined || !exempted.includes(around)) return;
  throw refusal('conflict', {
    detail: `requests that are denied below ${gone} would be let through below ${around}, which is exempted`,
  });
}
