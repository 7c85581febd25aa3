import type { FeedItem, Subject } from '../protocol/feed.ts';
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
  PostureRuleState,
  ProviderState,
  RegistrationState,
  ServiceTokenState,
  SessionState,
} from '../protocol/state.ts';
import { createLineages, type Lineages } from './lineage.ts';
import { createRegistrations, type Registrations } from './registrations.ts';
import { createRuleMemory, isOfRules, type RuleMemory } from './rule-memory.ts';

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
  /** Enrolled devices that have a device session. */
  readonly registrations: Registrations;
}

/** The same, as this process keeps it current. */
export interface AccountMemory extends AccountState {
  organization: OrganizationState | null;
  applications: Map<string, ApplicationState>;
  certificates: Map<string, CertificateState>;
  customPages: Map<string, CustomPageState>;
  providers: Map<string, ProviderState>;
  sessions: Map<string, SessionState>;
  sessionsOfUser: Map<string, Set<string>>;
  serviceTokens: Map<string, ServiceTokenState>;
  clientIds: Map<string, string>;
  keys: Map<string, KeyState>;
}

export function emptyAccount(accountId: string, revocations: RevocationIndex): AccountMemory {
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
    registrations: createRegistrations(),
  };
}

/** Forgets what has run out. */
export function sweepAccount(account: AccountMemory, now: number): void {
  for (const session of account.sessions.values()) {
    if (session.expires_at <= now) dropSession(account, session.nonce);
  }
  account.registrations.sweep(now);
}

/** Takes in one item of the feed. */
export function takeItem(account: AccountMemory, item: FeedItem): void {
  if (isOfRules(item.kind)) account.rules.forget();
  switch (item.kind) {
    case 'revocation':
      forget(account, item.subject);
      return;
    case 'organization':
      if (item.state) account.organization = item.state as unknown as OrganizationState;
      // Every account has one for as long as it is there. What is in use of the memory is emptied with it.
      else Object.assign(account, emptyAccount(account.accountId, account.revocations));
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
    case 'posture_rule':
      account.rules.putPosture(item.id, item.state as unknown as PostureRuleState | null);
      return;
    case 'registration':
      account.registrations.put(item.id, item.state as unknown as RegistrationState | null);
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

function putServiceToken(account: AccountMemory, id: string, token: ServiceTokenState | null): void {
  const before = account.clientIds.get(id);
  if (before !== undefined) account.serviceTokens.delete(before);
  account.clientIds.delete(id);
  if (!token) return;
  account.clientIds.set(id, token.client_id);
  account.serviceTokens.set(token.client_id, token);
}

function keepSession(account: AccountMemory, session: SessionState): void {
  account.sessions.set(session.nonce, session);
  const nonces = account.sessionsOfUser.get(session.user_id) ?? new Set();
  account.sessionsOfUser.set(session.user_id, nonces.add(session.nonce));
}

function dropSession(account: AccountMemory, nonce: string): void {
  const session = account.sessions.get(nonce);
  if (!session) return;
  account.sessions.delete(nonce);
  const nonces = account.sessionsOfUser.get(session.user_id);
  nonces?.delete(nonce);
  if (nonces?.size === 0) account.sessionsOfUser.delete(session.user_id);
}

/** The index already refuses what is revoked; here the memory of it is given back. */
function forget(account: AccountMemory, subject: Subject): void {
  if (subject.type === 'session') dropSession(account, subject.id);
  if (subject.type === 'registration') account.registrations.put(subject.id, null);
  if (subject.type === 'service_token') putServiceToken(account, subject.id, null);
  if (subject.type === 'user') {
    for (const nonce of [...(account.sessionsOfUser.get(subject.id) ?? [])]) dropSession(account, nonce);
  }
}
