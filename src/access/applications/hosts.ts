import type { Tx } from '../../database/database.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { hostnameOf, zoneNamesOver } from './destinations.ts';
import { isElsewhere, isTeamDomain, listZonesNamed } from './store.ts';

/** A host that an account wants for itself, with or without a port, and where it was said. */
export interface AskedHost {
  readonly host: string;
  readonly pointer: string;
}

/**
 * A host name that is this server's, or a team's, would hand its cookies to an application; one that another
 * account has a zone or an application on is theirs.
 */
export async function refuseHost(
  tx: Tx,
  { host, pointer }: AskedHost,
  { reservedHosts, accountId }: { reservedHosts: readonly string[]; accountId: string },
): Promise<void> {
  const hostname = hostnameOf(host);
  const invalid = (message: string) => invalidInput([{ pointer, message }], 'invalidAccess');
  const isOurs = reservedHosts.some((one) => hostnameOf(one) === hostname);
  if (isOurs || (await isTeamDomain(tx, hostname))) throw invalid('the host is one of this server itself');
  const names = zoneNamesOver(hostname);
  const zones = await listZonesNamed(tx, names);
  const nearest = names.flatMap((name) => zones.filter((zone) => zone.name === name))[0];
  if (nearest && nearest.account_id !== accountId)
    throw invalid('domain does not belong to a zone of this account');
  if (await isElsewhere(tx, accountId, hostname))
    throw refusal('conflictAccess', { detail: 'the host is taken', pointer });
}
