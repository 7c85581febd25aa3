import type { FeedChange, FeedItem, Subject } from '../protocol/feed.ts';
import type { RevocationIndex } from '../protocol/revocation-index.ts';
import type {
  ApplicationState,
  CertificateState,
  CustomPageState,
  GroupState,
  KeyState,
  ListState,
  OrganizationState,
  PolicyState,
  ProviderState,
  ServiceTokenState,
  SessionState,
} from '../protocol/state.ts';
import { withoutPort } from './host-name.ts';
import { createLineages, type Lineages } from './lineage.ts';
import { createRuleMemory, isOfRules, type RuleMemory } from './rule-memory.ts';
import { createZones } from './zones.ts';

/** What a gate holds of one account, all in memory, as of `revocations.head`. */
export interface AccountState {
  readonly accountId: string;
  readonly revocations: RevocationIndex;
  readonly lineages: Lineages;
  readonly organization: OrganizationState | null;
  readonly applications: ReadonlyMap<string, ApplicationState>;
  /** What policies are made of beside the applications' own, and what was decided by them. */
  readonly rules: RuleMemory;
  readonly certificates: ReadonlyMap<string, CertificateState>;
  readonly customPages: ReadonlyMap<string, CustomPageState>;
  readonly providers: ReadonlyMap<string, ProviderState>;
  readonly sessions: ReadonlyMap<string, SessionState>;
  /** By client id, those that live. */
  readonly serviceTokens: ReadonlyMap<string, ServiceTokenState>;
  readonly keys: ReadonlyMap<string, KeyState>;
}

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
  /** Forgets sessions that have expired; their tokens expired with them. */
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

interface Writable {
  accountId: string;
  revocations: RevocationIndex;
  lineages: Lineages;
  organization: OrganizationState | null;
  applications: Map<string, ApplicationState>;
  rules: RuleMemory;
  certificates: Map<string, CertificateState>;
  customPages: Map<string, CustomPageState>;
  providers: Map<string, ProviderState>;
  sessions: Map<string, SessionState>;
  sessionsOfUser: Map<string, Set<string>>;
  serviceTokens: Map<string, ServiceTokenState>;
  clientIds: Map<string, string>;
  keys: Map<string, KeyState>;
}

interface Entry extends Destination {
  readonly path: string;
  /** The path with a slash: what everything below it begins with. */
  readonly below: string;
}

/** `ownHosts` are those under which this process itself is called, with their ports or without. */
export function createGateState({ ownHosts = [] }: { ownHosts?: readonly string[] } = {}): GateState {
  const accounts = new Map<string, Writable>();
  const teamDomains = new Map<string, Writable>();
  const zones = createZones<Writable>(ownHosts);
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

  const takeItems = (account: Writable, items: readonly FeedItem[]) => {
    for (const item of items) takeItem(account, item);
    if (items.some((item) => item.kind === 'application')) rebuildRoutes();
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
      for (const account of accounts.values()) {
        for (const session of account.sessions.values()) {
          if (session.expires_at <= now) dropSession(account, session.nonce);
        }
      }
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

function emptyAccount(accountId: string, revocations: RevocationIndex): Writable {
  return {
    accountId,
    revocations,
    lineages: createLineages(accountId),
    organization: null,
    applications: new Map(),
    rules: createRuleMemory(),
    certificates: new Map(),
    customPages: new Map(),
    providers: new Map(),
    sessions: new Map(),
    sessionsOfUser: new Map(),
    serviceTokens: new Map(),
    clientIds: new Map(),
    keys: new Map(),
  };
}

function addRoutes(hosts: Map<string, Entry[]>, account: Writable, application: ApplicationState): void {
  for (const { host, path, upstream } of application.destinations) {
    const entries = hosts.get(host) ?? [];
    entries.push({ account, application, path, below: `${path}/`, upstream });
    hosts.set(host, entries);
  }
}

function findRoute(entries: readonly Entry[] | undefined, path: string): Destination | null {
  return entries?.find((entry) => path.startsWith(entry.below) || path === entry.path) ?? null;
}

function takeItem(account: Writable, item: FeedItem): void {
  if (isOfRules(item.kind)) account.rules.forget();
  switch (item.kind) {
    case 'revocation':
      forget(account, item.subject);
      return;
    case 'organization':
      account.organization = item.state as OrganizationState | null;
      return;
    case 'application':
      put(account.applications, item.id, item.state as ApplicationState | null);
      return;
    case 'policy':
      account.rules.putPolicy(item.id, item.state as unknown as PolicyState | null);
      return;
    case 'group':
      account.rules.putGroup(item.id, item.state as unknown as GroupState | null);
      return;
    case 'list':
      account.rules.putList(item.id, item.state as unknown as ListState | null);
      return;
    case 'certificate':
      put(account.certificates, item.id, item.state as CertificateState | null);
      return;
    case 'custom_page':
      put(account.customPages, item.id, item.state as CustomPageState | null);
      return;
    case 'provider':
      put(account.providers, item.id, item.state as ProviderState | null);
      return;
    case 'key':
      put(account.keys, item.id, item.state as KeyState | null);
      return;
    case 'service_token':
      putServiceToken(account, item.id, item.state as unknown as ServiceTokenState | null);
      return;
    case 'session':
      if (item.state) keepSession(account, item.state as unknown as SessionState);
      else dropSession(account, item.id);
  }
}

function put<T>(map: Map<string, T>, id: string, state: T | null): void {
  if (state === null) map.delete(id);
  else map.set(id, state);
}

function putServiceToken(account: Writable, id: string, token: ServiceTokenState | null): void {
  const before = account.clientIds.get(id);
  if (before !== undefined) account.serviceTokens.delete(before);
  account.clientIds.delete(id);
  if (!token) return;
  account.clientIds.set(id, token.client_id);
  account.serviceTokens.set(token.client_id, token);
}

function keepSession(account: Writable, session: SessionState): void {
  account.sessions.set(session.nonce, session);
  const nonces = account.sessionsOfUser.get(session.user_id) ?? new Set();
  account.sessionsOfUser.set(session.user_id, nonces.add(session.nonce));
}

function dropSession(account: Writable, nonce: string): void {
  const session = account.sessions.get(nonce);
  if (!session) return;
  account.sessions.delete(nonce);
  const nonces = account.sessionsOfUser.get(session.user_id);
  nonces?.delete(nonce);
  if (nonces?.size === 0) account.sessionsOfUser.delete(session.user_id);
}

/** The index already refuses what is revoked; here the memory of it is given back. */
function forget(account: Writable, subject: Subject): void {
  if (subject.type === 'session') dropSession(account, subject.id);
  if (subject.type === 'service_token') putServiceToken(account, subject.id, null);
  if (subject.type === 'user') {
    for (const nonce of [...(account.sessionsOfUser.get(subject.id) ?? [])]) dropSession(account, nonce);
  }
}
