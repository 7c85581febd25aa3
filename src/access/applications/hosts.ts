import type { Tx } from '../../database/database.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { hostnameOf, zoneNamesOver } from './destinations.ts';
import { isElsewhere, listTeamDomainsNamed, listZonesNamed } from './store.ts';

/** A host that an account wants for itself, with or without a port, and where it was said. */
export interface AskedHost {
  readonly host: string;
  readonly pointer: string;
}

/**
 * A host name that is this server's, or a team's, would hand its cookies to an application; one in the domain of
 * another team, or that another account has a zone or an application on, is theirs. The caller has taken the turn at
 * names, so that nobody else is given them meanwhile.
 */
export async function refuseHost(
  tx: Tx,
  { host, pointer }: AskedHost,
  { reservedHosts, accountId }: { reservedHosts: readonly string[]; accountId: string },
): Promise<void> {
  const hostname = hostnameOf(host);
  const invalid = (message: string) => invalidInput([{ pointer, message }], 'invalidAccess');
  const names = zoneNamesOver(hostname);
  const team = await nearestTeam(tx, names);
  const isOurs = reservedHosts.some((one) => hostnameOf(one) === hostname);
  if (isOurs || team?.name === hostname) throw invalid('the host is one of this server itself');
  if (team && team.account_id !== accountId) throw invalid('the host is in the domain of another team');
  const zone = nearest(names, await listZonesNamed(tx, names));
  if (zone && zone.account_id !== accountId)
    throw invalid('domain does not belong to a zone of this account');
  if (await isElsewhere(tx, accountId, hostname))
    throw refusal('conflictAccess', { detail: 'the host is taken', pointer });
}

async function nearestTeam(tx: Tx, names: readonly string[]) {
  const teams = await listTeamDomainsNamed(tx, names);
  const named = teams.map(({ host, account_id }) => ({ name: hostnameOf(host), account_id }));
  return nearest(names, named);
}

/** The one whose name comes first among the names, which are given from the nearest outwards. */
function nearest<T extends { readonly name: string }>(
  names: readonly string[],
  all: readonly T[],
): T | undefined {
  return names.flatMap((name) => all.filter((one) => one.name === name))[0];
}
