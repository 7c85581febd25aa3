import type { FeedChange, FeedItem } from '../protocol/feed.ts';
import type { RevocationIndex } from '../protocol/revocation-index.ts';
import type { ApplicationState } from '../protocol/state.ts';
import {
  type AccountMemory,
  type AccountState,
  emptyAccount,
  sweepAccount,
  takeItem,
} from './account-memory.ts';
import { withoutPort } from './host-name.ts';
import { createZones } from './zones.ts';

export type { AccountState };

/** Where a request goes: the application and the account that own its host and path. */
export interface Destination {
  readonly account: AccountState;
  readonly application: ApplicationState;
  /** Origin of the server behind it, if the built-in proxy leads on. */
  readonly upstream: string | null;
}

/** The memory from which a gate decides, and the calls that keep it current (removal/feed.ts). */
export interface GateState {
  load(snapshot: {
    accountId: string;
    /** Becomes the gate's own. */
    revocations: RevocationIndex;
    states: readonly FeedItem[];
  }): void;
  apply(batch: FeedChange): void;
  /** Forgets sessions that have expired, whose tokens expired with them, and device sessions. */
  sweep(now: number): void;
  /** The application with the longest destination that covers the path; a destination's port counts if given. */
  route(host: string, path: string): Destination | null;
  /** Whether any application has a destination on this host. */
  isApplicationHost(host: string): boolean;
  /** Whether any application has a destination on a host of this name, whatever the port of either. */
  isApplicationName(host: string): boolean;
  /** Every destination on this host, whatever its path; a destination's port counts if given. */
  destinationsOn(host: string): readonly Destination[];
  /**
   * The account that lets through what leads to no application on this host: the one whose zone it lies in, if its
   * organization says so. Never on a team domain, nor under a name of this server itself.
   */
  allowsUnmatched(host: string): AccountState | null;
  account(accountId: string): AccountState | null;
  /** The account whose team domain this host is. */
  accountOfTeamDomain(host: string): AccountState | null;
}

interface Entry extends Destination {
  readonly path: string;
  /** The path with a slash: what everything below it begins with. */
  readonly below: string;
}

/** `ownHosts` are those under which this process itself is called, with their ports or without. */
export function createGateState({ ownHosts = [] }: { ownHosts?: readonly string[] } = {}): GateState {
  const accounts = new Map<string, AccountMemory>();
  const teamDomains = new Map<string, AccountMemory>();
  const zones = createZones<AccountMemory>(ownHosts);
  const hosts = new Map<string, Entry[]>();
  const names = new Set<string>();
  /** Those of which a destination names the port. */
  const portedNames = new Set<string>();

  const rebuildRoutes = () => {
    hosts.clear();
    names.clear();
    portedNames.clear();
    for (const account of accounts.values()) {
      for (const application of account.applications.values()) addRoutes(hosts, account, application);
    }
    for (const host of hosts.keys()) {
      const name = withoutPort(host);
      names.add(name);
      if (name !== host) portedNames.add(name);
    }
    for (const entries of hosts.values()) entries.sort((one, other) => other.path.length - one.path.length);
  };

  const rebuildTeamDomains = () => {
    teamDomains.clear();
    for (const account of accounts.values()) {
      if (account.organization) teamDomains.set(account.organization.auth_domain, account);
    }
    zones.rebuild(accounts.values());
  };

  const takeItems = (account: AccountMemory, items: readonly FeedItem[]) => {
    for (const item of items) takeItem(account, item);
    const isGone = items.some((item) => item.kind === 'organization' && item.state === null);
    if (isGone || items.some((item) => item.kind === 'application')) rebuildRoutes();
    if (items.some((item) => item.kind === 'organization')) rebuildTeamDomains();
  };

  return {
    load({ accountId, revocations, states }) {
      const account = emptyAccount(accountId, revocations);
      accounts.set(accountId, account);
      takeItems(account, states);
      rebuildRoutes();
      rebuildTeamDomains();
    },
    apply({ accountId, at, items }) {
      const account = accounts.get(accountId);
      if (!account) throw new Error('a feed entry for an account that was never loaded');
      const subjects = items.flatMap((item) => (item.kind === 'revocation' ? [item.subject] : []));
      account.revocations.apply(at, subjects);
      takeItems(account, items);
    },
    sweep(now) {
      for (const account of accounts.values()) sweepAccount(account, now);
    },
    route(host, path) {
      return findRoute(hosts.get(host), path) ?? findRoute(hosts.get(withoutPort(host)), path);
    },
    isApplicationName: (host) => names.has(withoutPort(host)),
    isApplicationHost: (host) => hosts.has(host) || hosts.has(withoutPort(host)),
    destinationsOn: (host) =>
      [...new Set([host, withoutPort(host)])].flatMap((name) => hosts.get(name) ?? []),
    // Under another port than an application's, a proxy in front may well lead to that application.
    allowsUnmatched: (host) =>
      portedNames.has(withoutPort(host)) && !hosts.has(host) ? null : zones.allowsUnmatched(host),
    account: (accountId) => accounts.get(accountId) ?? null,
    accountOfTeamDomain: (host) => teamDomains.get(host) ?? null,
  };
}

function addRoutes(hosts: Map<string, Entry[]>, account: AccountMemory, application: ApplicationState): void {
  for (const { host, path, upstream } of application.destinations) {
    const entries = hosts.get(host) ?? [];
    entries.push({ account, application, path, below: `${path}/`, upstream });
    hosts.set(host, entries);
  }
}

function findRoute(entries: readonly Entry[] | undefined, path: string): Destination | null {
  return entries?.find((entry) => path.startsWith(entry.below) || path === entry.path) ?? null;
}
