import type { Migration } from '../migration.ts';

/**
 * The first schema. Written once for both databases (see migrate.ts for the words that are translated):
 * times are RFC 3339 text, booleans 0 or 1, JSON is text, identifiers are text compared by code point.
 * Every row that belongs to an account carries its id, and children die with their parents by foreign key.
 */
export const first: Migration = {
  id: 1,
  runsWith: 1,
  name: 'first',
  statements: [
    `create table accounts (
      id text primary key,
      name text not null,
      type text not null,
      created_on text not null
    )`,
    // Feed order is commit order: this row is the last that a transaction locks (design §4.2).
    `create table feed_heads (
      account_id text primary key references accounts (id) on delete cascade,
      epoch integer not null,
      position integer not null,
      floor integer not null
    )`,
    `create table feed_entries (
      account_id text not null references accounts (id) on delete cascade,
      epoch integer not null,
      position integer not null,
      ordinal integer not null,
      kind text not null,
      subject_type text,
      subject_id text,
      payload text not null,
      primary key (account_id, epoch, position, ordinal)
    )`,
    // The newest revocation of each subject, for the check that every mint makes on its parent.
    `create table revocations (
      account_id text not null references accounts (id) on delete cascade,
      subject_type text not null,
      subject_id text not null,
      epoch integer not null,
      position integer not null,
      primary key (account_id, subject_type, subject_id)
    )`,
    `create table audit_entries (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      position integer not null,
      at text not null,
      action text not null,
      result text not null,
      actor_id text,
      actor_email text,
      actor_type text not null,
      actor_ip text,
      actor_token_id text,
      resource_type text not null,
      resource_id text not null,
      request_id text,
      interface text not null,
      metadata text not null
    )`,
    'create index audit_entries_by_time on audit_entries (account_id, at, id)',
    'create index audit_entries_by_position on audit_entries (account_id, position)',
    // The answer to a removal, kept for the repeat that the SDK sends when the first answer was lost.
    `create table removal_answers (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      body text not null,
      at text not null
    )`,
    'create index removal_answers_by_time on removal_answers (account_id, at)',
    `create table totals (
      account_id text not null references accounts (id) on delete cascade,
      kind text not null,
      total integer not null,
      primary key (account_id, kind)
    )`,
    `create table list_anchors (
      id text primary key,
      anchor text not null,
      expires_at text not null
    )`,
    'create index list_anchors_by_expiry on list_anchors (expires_at)',
    `create table organizations (
      account_id text primary key references accounts (id) on delete cascade,
      name text not null,
      auth_domain text not null unique,
      session_duration text not null,
      settings text not null,
      created_at text not null,
      updated_at text not null
    )`,
    `create table zones (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      name text not null unique,
      created_on text not null,
      modified_on text not null
    )`,
    'create index zones_of_account on zones (account_id, name)',
    `create table administrators (
      id text primary key,
      email text not null,
      email_key text not null unique,
      first_name text,
      last_name text,
      key_hash text unique,
      created_on text not null
    )`,
    `create table members (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      administrator_id text not null references administrators (id) on delete cascade,
      status text not null,
      roles text not null,
      policies text not null,
      created_on text not null,
      unique (account_id, administrator_id)
    )`,
    'create index members_of_administrator on members (administrator_id)',
    `create table resource_groups (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      name text not null,
      scope text not null,
      created_on text not null,
      unique (account_id, name)
    )`,
    `create table user_groups (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      name text not null,
      name_key text not null,
      policies text not null,
      created_on text not null,
      modified_on text not null,
      unique (account_id, name)
    )`,
    `create table user_group_members (
      user_group_id text not null references user_groups (id) on delete cascade,
      member_id text not null references members (id) on delete cascade,
      account_id text not null references accounts (id) on delete cascade,
      created_on text not null,
      primary key (user_group_id, member_id)
    )`,
    'create index user_group_members_of_member on user_group_members (member_id)',
    `create table api_tokens (
      id text primary key,
      account_id text references accounts (id) on delete cascade,
      administrator_id text references administrators (id) on delete cascade,
      name text not null,
      status text not null,
      secret_hash text not null unique,
      policies text not null,
      condition text,
      not_before text,
      expires_on text,
      issued_on text not null,
      modified_on text not null,
      last_used_on text,
      creator_id text,
      creator_email text
    )`,
    'create index api_tokens_of_account on api_tokens (account_id, id)',
    'create index api_tokens_of_administrator on api_tokens (administrator_id, id)',
    `create table users (
      ordinal serial_key,
      id text not null unique,
      account_id text not null references accounts (id) on delete cascade,
      email text not null,
      email_key text not null,
      name text not null,
      name_key text not null,
      search_text text not null,
      seat_uid text,
      access_seat integer not null,
      reauthenticate integer not null,
      created_at text not null,
      updated_at text not null,
      last_successful_login text,
      unique (account_id, email_key)
    )`,
    'create index users_by_id on users (account_id, id)',
    'create index users_by_name on users (account_id, name_key)',
    `create table identity_providers (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      type text not null,
      name text not null,
      issuer text not null,
      config text not null,
      client_secret text not null,
      created_at text not null,
      updated_at text not null
    )`,
    'create index identity_providers_of_account on identity_providers (account_id, created_at, id)',
    `create table identities (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      user_id text not null references users (id) on delete cascade,
      provider_id text not null references identity_providers (id) on delete cascade,
      issuer text not null,
      subject text not null,
      profile text not null,
      created_at text not null,
      updated_at text not null,
      unique (provider_id, issuer, subject),
      unique (user_id, provider_id)
    )`,
    `create table applications (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      aud text not null unique,
      name text not null,
      type text not null,
      session_duration text,
      settings text not null,
      created_at text not null,
      updated_at text not null
    )`,
    'create index applications_of_account on applications (account_id, created_at, id)',
    `create table application_destinations (
      application_id text not null references applications (id) on delete cascade,
      account_id text not null references accounts (id) on delete cascade,
      ordinal integer not null,
      uri text not null,
      host text not null,
      path text not null,
      upstream text,
      primary key (host, path)
    )`,
    'create index destinations_of_application on application_destinations (application_id, ordinal)',
    `create table policies (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      application_id text not null references applications (id) on delete cascade,
      name text not null,
      decision text not null,
      precedence integer not null,
      include text not null,
      exclude text not null,
      require text not null,
      session_duration text,
      created_at text not null,
      updated_at text not null
    )`,
    'create index policies_of_application on policies (application_id, precedence, id)',
    `create table service_tokens (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      name text not null,
      name_key text not null,
      client_id text not null unique,
      secret_hash text not null,
      secret_version integer not null,
      previous_secret_hash text,
      previous_expires_at text,
      duration text not null,
      expires_at text,
      enabled integer not null,
      created_at text not null,
      updated_at text not null
    )`,
    'create index service_tokens_of_account on service_tokens (account_id, created_at, id)',
    // A sign-in under way: the root of its lineage, whose reading of the feed everything after it inherits.
    `create table sign_in_states (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      epoch integer not null,
      position integer not null,
      provider_id text not null references identity_providers (id) on delete cascade,
      browser_hash text not null,
      nonce text not null,
      verifier text not null,
      application_id text references applications (id) on delete cascade,
      return_to text not null,
      fresh_login integer not null,
      created_at text not null,
      expires_at text not null
    )`,
    'create index sign_in_states_by_expiry on sign_in_states (expires_at)',
    `create table sessions (
      nonce text primary key,
      account_id text not null references accounts (id) on delete cascade,
      user_id text not null references users (id) on delete cascade,
      identity_id text not null references identities (id) on delete cascade,
      provider_id text not null references identity_providers (id) on delete cascade,
      epoch integer not null,
      position integer not null,
      identity text not null,
      issued_at text not null,
      expires_at text not null
    )`,
    'create index sessions_of_user on sessions (user_id, issued_at, nonce)',
    'create index sessions_of_provider on sessions (provider_id)',
    'create index sessions_of_identity on sessions (identity_id)',
    'create index sessions_by_expiry on sessions (expires_at)',
    'create index sessions_of_account on sessions (account_id)',
    `create table session_applications (
      session_nonce text not null references sessions (nonce) on delete cascade,
      application_id text not null references applications (id) on delete cascade,
      at text not null,
      primary key (session_nonce, application_id)
    )`,
    'create index session_applications_of_application on session_applications (application_id)',
    // The one-time code that carries a session from the team domain to an application's host.
    `create table hand_offs (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      session_nonce text not null references sessions (nonce) on delete cascade,
      application_id text not null references applications (id) on delete cascade,
      epoch integer not null,
      position integer not null,
      application_position integer not null,
      browser_hash text not null,
      return_to text not null,
      expires_at text not null
    )`,
    'create index hand_offs_by_expiry on hand_offs (expires_at)',
    'create index hand_offs_of_session on hand_offs (session_nonce)',
    `create table failed_logins (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      user_id text not null references users (id) on delete cascade,
      at text not null,
      expires_at text not null,
      metadata text not null
    )`,
    'create index failed_logins_of_user on failed_logins (user_id, at, id)',
    'create index failed_logins_by_expiry on failed_logins (expires_at)',
    `create table signing_keys (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      purpose text not null,
      public_jwk text not null,
      private_jwk text,
      stage text not null,
      stage_since text not null,
      created_at text not null
    )`,
    'create index signing_keys_of_account on signing_keys (account_id, purpose, created_at)',
    // At most one of a purpose signs, and at most one is to follow it.
    `create unique index signing_keys_in_use on signing_keys (account_id, purpose, stage)
      where stage <> 'former'`,
    `create table key_settings (
      account_id text primary key references accounts (id) on delete cascade,
      rotation_interval_days integer not null,
      last_rotated_at text not null
    )`,
    // The request log. It outlives the users and applications that it names.
    `create table access_requests (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      known integer not null,
      at text not null,
      action text not null,
      verdict text not null,
      reason text not null,
      via text not null,
      method text,
      host text,
      ip text,
      request_id text not null,
      application_id text,
      user_id text,
      email text,
      connection text,
      provider_id text,
      service_token_id text,
      count integer not null
    )`,
    'create index access_requests_by_time on access_requests (account_id, at, id)',
    'create index access_requests_by_age on access_requests (account_id, known, at, id)',
    'create index access_requests_by_request on access_requests (account_id, request_id)',
    `create index access_requests_by_email on access_requests (account_id, email, at, id)
      where email is not null`,
  ],
  sqlite: [
    // Case is folded before the text is stored: folded again here, SQLite would find what PostgreSQL does not.
    `create virtual table users_search using fts5 (
      search_text, content='users', content_rowid='ordinal', tokenize='trigram case_sensitive 1'
    )`,
    `create trigger users_search_insert after insert on users begin
      insert into users_search (rowid, search_text) values (new.ordinal, new.search_text);
    end`,
    `create trigger users_search_delete after delete on users begin
      insert into users_search (users_search, rowid, search_text) values ('delete', old.ordinal, old.search_text);
    end`,
    `create trigger users_search_update after update of search_text on users begin
      insert into users_search (users_search, rowid, search_text) values ('delete', old.ordinal, old.search_text);
      insert into users_search (rowid, search_text) values (new.ordinal, new.search_text);
    end`,
  ],
  postgres: [
    'create extension if not exists pg_trgm',
    'create index users_search on users using gin (search_text gin_trgm_ops)',
  ],
};
