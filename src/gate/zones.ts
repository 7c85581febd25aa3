import type { OrganizationState } from '../protocol/state.ts';

/** Whose a host is that leads to no application, and what becomes of requests for it. */
export interface Zones<A> {
  rebuild(accounts: Iterable<A>): void;
  /** The account that lets such a request through; null: nobody does. */
  allowsUnmatched(host: string): A | null;
}

interface Zone<A> {
  readonly name: string;
  /** null: two accounts have it, so it is nobody's. */
  readonly account: A | null;
}

/**
 * Zones by name: the longest in which a host lies decides, so that an account that has a part of another's zone has its
 * own say there.
 */
export function createZones<A extends { readonly organization: OrganizationState | null }>(
  ownHosts: readonly string[],
): Zones<A> {
  const zones = new Map<string, Zone<A>>();
  /** Names, without ports, on which nothing is ever let through. */
  const reserved = new Set<string>();

  const zoneOf = (name: string): Zone<A> | null => {
    for (let at = 0; at >= 0; at = name.indexOf('.', at) + 1 || -1) {
      const zone = zones.get(name.slice(at));
      if (zone) return zone;
    }
    return null;
  };

  return {
    rebuild: (accounts) => {
      zones.clear();
      reserved.clear();
      for (const host of ownHosts) reserved.add(nameOf(host));
      for (const account of accounts) {
        const { organization } = account;
        if (!organization) continue;
        reserved.add(nameOf(organization.auth_domain));
        for (const zone of organization.zones ?? []) {
          const name = zone.toLowerCase();
          zones.set(name, { name, account: zones.has(name) ? null : account });
        }
      }
    },
    allowsUnmatched: (host) => {
      const name = nameOf(host);
      const zone = reserved.has(name) ? null : zoneOf(name);
      const organization = zone?.account?.organization;
      if (!zone || !organization) return null;
      const { deny_unmatched_requests: denies, unmatched_exempted_zones: exempted } = organization;
      // Written so that what an organization does not say is denied.
      const isAllowed = denies === false || (denies === true && (exempted ?? []).includes(zone.name));
      return isAllowed ? zone.account : null;
    },
  };
}

/** Without port, and without the dot that may stand at the end of a name. */
function nameOf(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d{1,5}$/, '')
    .replace(/\.+$/, '');
}
