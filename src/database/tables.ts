import type { Generated } from 'kysely';

/** A row per table of the newest migration. JSON columns are text here; the store that owns them parses. */
export interface Tables {
  accounts: Omit<AccountRow, 'settings'> & { settings: Generated<string> } & DeletedAccountColumns;
  account_creations: AccountCreationRow;
  feed_heads: FeedHeadRow;
  feed_entries: FeedEntryRow;
  revocations: {
    account_id: string;
    subject_type: string;
    subject_id: string;
    epoch: number;
    position: number;
  };
  cluster: ClusterRow;
  node_leases: NodeLeaseRow;
  node_acks: NodeAckRow;
  removals: RemovalRow;
  gates: GateRow;
  gate_keys: GateKeyRow;
  gate_processes: GateProcessRow;
  audit_entries: AuditEntryRow;
  removal_answers: { id: string; account_id: string; body: string; at: string };
  totals: { account_id: string; kind: string; total: number };
  list_anchors: { id: string; anchor: string; expires_at: string };
  organizations: OrganizationRow;
  zones: { id: string; account_id: string; name: string; created_on: string; modified_on: string };
  administrators: AdministratorRow & AddressColumns;
  members: MemberRow & InvitedColumn;
  resource_groups: ResourceGroupRow & { built_in: Generated<number> };
  user_groups: UserGroupRow;
  user_group_members: {
    user_group_id: string;
    member_id: string;
    account_id: string;
    created_on: string;
  };
  api_tokens: ApiTokenRow;
  users: UserRow;
  /** SQLite only: the trigram index over `users.search_text`. */
  users_search: { rowid: number; search_text: string };
  /** SQLite only: the trigram index over `physical_devices.search_text`. */
  physical_devices_search: { rowid: number; search_text: string };
  identity_providers: IdentityProviderRow;
  identities: IdentityRow;
  applications: ApplicationRow;
  application_destinations: {
    application_id: string;
    account_id: string;
    ordinal: number;
    uri: string;
    host: string;
    path: string;
    upstream: string | null;
  };
  policies: PolicyRow;
  reusable_policies: ReusablePolicyRow;
  application_policies: {
    application_id: string;
    policy_id: string;
    account_id: string;
    precedence: number;
  };
  access_groups: AccessGroupRow;
  rule_references: RuleReferenceRow;
  lists: ListRow;
  list_items: ListItemRow;
  certificates: CertificateRow;
  custom_pages: CustomPageRow;
  blocked_users: BlockedUserRow;
  sign_in_pins: SignInPinRow;
  pin_counts: { account_id: string; counted: string; uses: number; expires_at: string };
  logout_tokens: { id: string; expires_at: string };
  policy_tests: PolicyTestRow;
  policy_test_users: PolicyTestUserRow;
  service_tokens: ServiceTokenRow;
  sign_in_states: SignInStateRow;
  sessions: SessionRow;
  session_applications: { session_nonce: string; application_id: string; at: string };
  hand_offs: HandOffRow;
  failed_logins: {
    id: string;
    account_id: string;
    user_id: string;
    at: string;
    expires_at: string;
    metadata: string;
  };
  physical_devices: PhysicalDeviceRow;
  registrations: RegistrationRow;
  device_enrolments: DeviceEnrolmentRow;
  posture_rules: PostureRuleRow;
  access_tags: AccessTagRow;
  application_tags: { application_id: string; tag_id: string; account_id: string; ordinal: number };
  signing_keys: SigningKeyRow;
  access_requests: AccessRequestRow;
  key_settings: KeySettingsRow;
}

export interface AccountRow {
  id: string;
  name: string;
  type: string;
  created_on: string;
  /** JSON. */
  settings: string;
  /** How many users may hold a seat; null for any number. */
  seat_limit: number | null;
}

export interface DeletedAccountColumns {
  /** null: the account is there. */
  deleted_at: string | null;
  /** Its team domain, once it is deleted. */
  former_auth_domain: string | null;
  /** The administrator who made it by the API, deleted since or not. */
  created_by: string | null;
}

/** What a creation with an Idempotency-Key was answered. */
export interface AccountCreationRow {
  /** SHA-256 of who asked and the key. */
  id: string;
  account_id: string;
  /** SHA-256 of what was asked. */
  request: string;
  /** JSON. */
  answer: string;
  at: string;
}

export interface ResourceGroupRow {
  id: string;
  account_id: string;
  name: string;
  /** JSON. */
  scope: string;
  created_on: string;
}

export interface FeedEntryRow {
  account_id: string;
  epoch: number;
  position: number;
  ordinal: number;
  kind: string;
  subject_type: string | null;
  subject_id: string | null;
  payload: string;
  /** The account's chain with this position in it. */
  chain: Generated<string>;
}

export interface AuditEntryRow {
  id: string;
  account_id: string;
  position: number;
  at: string;
  action: string;
  result: string;
  actor_id: string | null;
  actor_email: string | null;
  actor_type: string;
  actor_ip: string | null;
  actor_token_id: string | null;
  resource_type: string;
  resource_id: string;
  request_id: string | null;
  interface: string;
  metadata: string;
  actor_token_name: string | null;
  method: string | null;
  /** The path alone. */
  uri: string | null;
  status_code: number | null;
  user_agent: string | null;
  zone_id: string | null;
  zone_name: string | null;
}

export interface OrganizationRow {
  account_id: string;
  name: string;
  auth_domain: string;
  session_duration: string;
  settings: string;
  created_at: string;
  updated_at: string;
}

export interface AdministratorRow {
  id: string;
  email: string;
  email_key: string;
  first_name: string | null;
  last_name: string | null;
  key_hash: string | null;
  created_on: string;
}

/** What a person may tell of themselves. */
export interface AddressColumns {
  country: string | null;
  telephone: string | null;
  zipcode: string | null;
}

/** The e-mail as whoever invited the person wrote it. */
export interface InvitedColumn {
  invited_email: string | null;
}

export interface MemberRow {
  id: string;
  account_id: string;
  administrator_id: string;
  status: string;
  roles: string;
  policies: string;
  created_on: string;
}

export interface UserGroupRow {
  id: string;
  account_id: string;
  name: string;
  /** The name as it is searched: NFC, lower case. */
  name_key: string;
  policies: string;
  created_on: string;
  modified_on: string;
}

export interface ApiTokenRow {
  id: string;
  account_id: string | null;
  administrator_id: string | null;
  name: string;
  status: string;
  secret_hash: string;
  policies: string;
  condition: string | null;
  not_before: string | null;
  expires_on: string | null;
  issued_on: string;
  modified_on: string;
  last_used_on: string | null;
  creator_id: string | null;
  creator_email: string | null;
}

export interface UserRow {
  ordinal: Generated<number>;
  id: string;
  account_id: string;
  email: string;
  email_key: string;
  name: string;
  name_key: string;
  search_text: string;
  seat_uid: string | null;
  access_seat: number;
  /** 1 once a device was enrolled, until the seat is taken away. */
  gateway_seat: number;
  /** Registrations that are not revoked, kept with them. */
  active_device_count: number;
  /** 1 after a revocation until the person has proved themselves to the provider again. */
  reauthenticate: number;
  created_at: string;
  updated_at: string;
  last_successful_login: string | null;
}

export interface IdentityProviderRow {
  id: string;
  account_id: string;
  type: string;
  name: string;
  issuer: string;
  config: string;
  client_secret: string;
  created_at: string;
  updated_at: string;
}

export interface IdentityRow {
  id: string;
  account_id: string;
  user_id: string;
  provider_id: string;
  issuer: string;
  subject: string;
  profile: string;
  created_at: string;
  updated_at: string;
  /** JSON: what the provider told last, as policies are evaluated on it. */
  claims: string;
  /** The position of the feed by which it was told; -1: before positions were kept. */
  told_at: number;
}

export interface ApplicationRow {
  id: string;
  account_id: string;
  aud: string;
  name: string;
  type: string;
  session_duration: string | null;
  settings: string;
  created_at: string;
  updated_at: string;
}

export interface PolicyRow {
  id: string;
  account_id: string;
  application_id: string;
  name: string;
  decision: string;
  precedence: number;
  include: string;
  exclude: string;
  require: string;
  session_duration: string | null;
  created_at: string;
  updated_at: string;
}

export interface ReusablePolicyRow {
  id: string;
  account_id: string;
  name: string;
  decision: string;
  include: string;
  exclude: string;
  require: string;
  session_duration: string | null;
  created_at: string;
  updated_at: string;
}

export interface AccessGroupRow {
  id: string;
  account_id: string;
  name: string;
  /** The name as it is searched. */
  name_key: string;
  is_default: number;
  include: string;
  exclude: string;
  require: string;
  created_at: string;
  updated_at: string;
}

/** A rule of the one names the other. */
export interface RuleReferenceRow {
  account_id: string;
  from_type: string;
  from_id: string;
  to_type: string;
  to_id: string;
}

export interface ListRow {
  id: string;
  account_id: string;
  name: string;
  /** The name as it is searched. */
  name_key: string;
  type: string;
  description: string;
  created_at: string;
  updated_at: string;
}

export interface ListItemRow {
  list_id: string;
  /** As rules are compared with it. */
  value_key: string;
  value: string;
  description: string;
  created_at: string;
}

export interface CertificateRow {
  id: string;
  account_id: string;
  name: string;
  /** PEM. */
  certificate: string;
  fingerprint: string;
  expires_on: string;
  /** JSON array. */
  hostnames: string;
  created_at: string;
  updated_at: string;
}

export interface CustomPageRow {
  id: string;
  account_id: string;
  name: string;
  type: string;
  custom_html: string;
  created_at: string;
  updated_at: string;
}

export interface BlockedUserRow {
  id: string;
  account_id: string;
  email: string;
  email_key: string;
  block_key: string;
  reason: string;
  created_at: string;
}

export interface SignInPinRow {
  state_id: string;
  account_id: string;
  email_key: string;
  /** Sealed. */
  pin: string;
  tries: number;
  /** How many codes this sign-in has asked for. */
  codes: number;
  sent_at: string;
  expires_at: string;
}

export interface PolicyTestRow {
  id: string;
  account_id: string;
  status: string;
  policies: string;
  total: number;
  approved: number;
  blocked: number;
  errored: number;
  created_at: string;
  expires_at: string;
}

export interface PolicyTestUserRow {
  test_id: string;
  ordinal: number;
  user_id: string;
  email: string;
  name: string;
  status: string;
  explanation: string;
}

export interface ServiceTokenRow {
  id: string;
  account_id: string;
  name: string;
  /** The name as it is searched. */
  name_key: string;
  client_id: string;
  secret_hash: string;
  secret_version: number;
  previous_secret_hash: string | null;
  previous_expires_at: string | null;
  duration: string;
  /** null: it has no end. */
  expires_at: string | null;
  enabled: number;
  created_at: string;
  updated_at: string;
}

export interface SignInStateRow {
  id: string;
  account_id: string;
  epoch: number;
  position: number;
  provider_id: string;
  browser_hash: string;
  nonce: string;
  verifier: string;
  application_id: string | null;
  return_to: string;
  fresh_login: number;
  created_at: string;
  expires_at: string;
  /** What a provider posted from its own site; sealed. */
  response: string | null;
}

export interface SessionRow {
  nonce: string;
  account_id: string;
  user_id: string;
  identity_id: string;
  provider_id: string;
  epoch: number;
  position: number;
  identity: string;
  issued_at: string;
  expires_at: string;
  /** JSON array (RFC 8176). */
  amr: string;
  /** The provider's own name for the session. */
  provider_sid: string | null;
  /** Of a session on a device: the browser's, in which the person said yes to it. */
  parent_nonce: string | null;
  /** 1: the provider asked the person anew for this sign-in, and said so, as far as it says such things. */
  fresh_login: number | null;
}

export interface HandOffRow {
  id: string;
  account_id: string;
  session_nonce: string;
  application_id: string;
  epoch: number;
  position: number;
  application_epoch: number;
  application_position: number;
  browser_hash: string;
  return_to: string;
  expires_at: string;
}

export interface PhysicalDeviceRow {
  ordinal: Generated<number>;
  id: string;
  account_id: string;
  /** By which the device is known again, as it says itself; null: it does not say. */
  hardware_id: string | null;
  name: string;
  /** The name with its case folded: what lists are ordered by. */
  name_key: string;
  /** What a search looks in. */
  search_text: string;
  /** JSON: DeviceFacts, as told last. */
  facts: string;
  /** Of the facts; '' where it does not say. */
  client_version: string;
  /** Kept with its registrations: those that are not revoked. */
  active_registrations: number;
  created_at: string;
  updated_at: string;
  last_seen_at: string;
  last_seen_user_id: string | null;
  /** The normalised key; '' for nobody. */
  last_seen_email: string;
  last_seen_registration_id: string | null;
  public_ip: string | null;
}

export interface RegistrationRow {
  id: string;
  account_id: string;
  user_id: string;
  device_id: string;
  /** Of its user, kept with theirs: what lists are ordered by. */
  user_email_key: string;
  user_name_key: string;
  /** RFC 7638. */
  thumbprint: string;
  /** JSON: the public JWK. */
  public_jwk: string;
  /** JSON: DeviceFacts. */
  facts: string;
  created_at: string;
  updated_at: string;
  last_seen_at: string;
  revoked_at: string | null;
  /** Of the device session; null: the person has to sign in on the device. */
  session_nonce: string | null;
  session_epoch: number | null;
  session_position: number | null;
  session_ends_at: string | null;
}

export interface DeviceEnrolmentRow {
  /** SHA-256 of the code that the device has. */
  id: string;
  account_id: string;
  /** The code that people compare, without its hyphen. */
  user_code: string;
  thumbprint: string;
  public_jwk: string;
  hardware_id: string | null;
  name: string;
  facts: string;
  /** `pending`, `approved`, `denied`. */
  status: string;
  registration_id: string | null;
  polled_at: string | null;
  ip: string;
  created_at: string;
  expires_at: string;
}

export interface PostureRuleRow {
  id: string;
  account_id: string;
  name: string;
  type: string;
  description: string;
  /** JSON. */
  match: string;
  /** JSON. */
  input: string;
  schedule: string | null;
  expiration: string | null;
  created_at: string;
  updated_at: string;
}

export interface AccessTagRow {
  id: string;
  account_id: string;
  name: string;
  created_at: string;
  updated_at: string;
}

export interface AccessRequestRow {
  id: string;
  account_id: string;
  /** 1 if the visitor proved to be somebody. */
  known: number;
  at: string;
  action: string;
  verdict: string;
  reason: string;
  via: string;
  method: string | null;
  host: string | null;
  ip: string | null;
  request_id: string;
  application_id: string | null;
  user_id: string | null;
  email: string | null;
  connection: string | null;
  provider_id: string | null;
  service_token_id: string | null;
  /** Of the person, proven with the request. */
  registration_id: string | null;
  /** How many events the line stands for. */
  count: number;
}

export interface SigningKeyRow {
  id: string;
  account_id: string;
  purpose: string;
  public_jwk: string;
  /** Sealed; null once the key does not sign any more. */
  private_jwk: string | null;
  stage: string;
  stage_since: string;
  created_at: string;
}

export interface KeySettingsRow {
  account_id: string;
  rotation_interval_days: number;
  last_rotated_at: string;
}

export interface FeedHeadRow {
  account_id: string;
  epoch: number;
  position: number;
  floor: number;
  /** Hash of everything so far that had items. */
  chain: Generated<string>;
  /** The position at which `chain` last changed. */
  chained: Generated<number>;
  /** JSON array of the epochs that are over. */
  formers: Generated<string>;
}

export interface ClusterRow {
  /** Always 1. */
  id: number;
  system_identifier: string;
  timeline: string;
  /** 1 if a commit waits for a standby. */
  synchronous: number;
  /** Set when an older state of the database was found in its place, until an administrator approves. */
  restored_at: string | null;
}

export interface NodeLeaseRow {
  id: string;
  /** What an operator knows it by: host, port and process. */
  name: string;
  version: string;
  renewals: number;
  lease_ms: number;
}

export interface NodeAckRow {
  node_id: string;
  account_id: string;
  epoch: number;
  position: number;
  /** JSON array of the names of gates that ran out instead of acking. */
  waited_for: string;
}

export interface RemovalRow {
  account_id: string;
  epoch: number;
  position: number;
  /** The process that waits; null for a command beside the servers. */
  node_id: string | null;
  committed_at: string;
  in_force_at: string | null;
  /** JSON, once in force. */
  waited_for: string | null;
}

export interface GateRow {
  id: string;
  account_id: string;
  name: string;
  name_key: string;
  secret_hash: string;
  created_at: string;
}

export interface GateKeyRow {
  kid: string;
  gate_id: string;
  account_id: string;
  public_jwk: string;
  created_at: string;
  seen_at: string;
}

export interface GateProcessRow {
  id: string;
  gate_id: string;
  /** Of its key, which must be published first. */
  kid: string;
  account_id: string;
  node_id: string;
  host: string;
  version: string;
  attached_at: string;
}
