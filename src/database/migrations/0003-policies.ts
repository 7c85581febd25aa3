import type { Migration } from '../migration.ts';

/** What policies are made of, and the ways in which people sign in. */
export const policies: Migration = {
  id: 3,
  name: 'policies',
  // An older program would evaluate policies without the rules that it does not know.
  runsWith: 3,
  statements: [
    `create table access_groups (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      name text not null,
      name_key text not null,
      is_default integer not null,
      include text not null,
      exclude text not null,
      require text not null,
      created_at text not null,
      updated_at text not null
    )`,
    'create index access_groups_of_account on access_groups (account_id, created_at, id)',
    `create table reusable_policies (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      name text not null,
      decision text not null,
      include text not null,
      exclude text not null,
      require text not null,
      session_duration text,
      created_at text not null,
      updated_at text not null
    )`,
    'create index reusable_policies_of_account on reusable_policies (account_id, created_at, id)',
    // The reusable policies of an application. One that is in use is not deleted.
    `create table application_policies (
      application_id text not null references applications (id) on delete cascade,
      policy_id text not null references reusable_policies (id),
      account_id text not null references accounts (id) on delete cascade,
      precedence integer not null,
      primary key (application_id, policy_id)
    )`,
    'create index application_policies_of_policy on application_policies (policy_id)',
    'create index application_policies_of_account on application_policies (account_id)',
    // What a policy or group names in its rules: whatever is named is not deleted unnoticed.
    `create table rule_references (
      account_id text not null references accounts (id) on delete cascade,
      from_type text not null,
      from_id text not null,
      to_type text not null,
      to_id text not null,
      primary key (from_type, from_id, to_type, to_id)
    )`,
    'create index rule_references_to on rule_references (account_id, to_type, to_id)',
    `create table lists (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      name text not null,
      name_key text not null,
      type text not null,
      description text not null,
      created_at text not null,
      updated_at text not null
    )`,
    'create index lists_of_account on lists (account_id, created_at, id)',
    `create table list_items (
      list_id text not null references lists (id) on delete cascade,
      -- As rules are compared with it, and as it was written.
      value_key text not null,
      value text not null,
      description text not null,
      created_at text not null,
      primary key (list_id, value_key)
    )`,
    `create table certificates (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      name text not null,
      certificate text not null,
      fingerprint text not null,
      expires_on text not null,
      hostnames text not null,
      created_at text not null,
      updated_at text not null,
      unique (account_id, fingerprint)
    )`,
    'create index certificates_of_account on certificates (account_id, created_at, id)',
    `create table custom_pages (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      name text not null,
      type text not null,
      custom_html text not null,
      created_at text not null,
      updated_at text not null
    )`,
    'create index custom_pages_of_account on custom_pages (account_id, created_at, id)',
    // Nobody signs in with one of these e-mails, whether there is a user or not.
    `create table blocked_users (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      email text not null,
      email_key text not null,
      -- Of all spellings that it keeps out.
      block_key text not null,
      reason text not null,
      created_at text not null,
      unique (account_id, email_key)
    )`,
    'create index blocked_users_by_key on blocked_users (account_id, block_key)',
    'create index blocked_users_of_account on blocked_users (account_id, created_at, id)',
    // The one-time code of a sign-in under way.
    `create table sign_in_pins (
      state_id text primary key references sign_in_states (id) on delete cascade,
      account_id text not null references accounts (id) on delete cascade,
      email_key text not null,
      -- Sealed.
      pin text not null,
      tries integer not null,
      -- How many codes this sign-in has asked for.
      codes integer not null,
      sent_at text not null,
      expires_at text not null
    )`,
    // How often codes were asked for, for an e-mail or from an address, until the count begins anew.
    `create table pin_counts (
      account_id text not null references accounts (id) on delete cascade,
      counted text not null,
      uses integer not null,
      expires_at text not null,
      primary key (account_id, counted)
    )`,
    'create index pin_counts_by_expiry on pin_counts (expires_at)',
    // What a provider posted for this sign-in from its own site, until the browser comes for it with its cookie; sealed.
    'alter table sign_in_states add column response text',
    // JSON: what the provider told last, as policies are evaluated on it.
    "alter table identities add column claims text not null default '{}'",
    // The position of the feed by which it was told: what was asked of the provider before says less.
    'alter table identities add column told_at integer not null default -1',
    // JSON array: how the person proved themselves (RFC 8176).
    "alter table sessions add column amr text not null default '[]'",
    // The provider's own name for the session, by which it may end it.
    'alter table sessions add column provider_sid text',
    'create index sessions_of_provider_sid on sessions (provider_id, provider_sid) where provider_sid is not null',
    // Logout tokens that were taken, each once.
    `create table logout_tokens (
      id text primary key,
      expires_at text not null
    )`,
    'create index logout_tokens_by_expiry on logout_tokens (expires_at)',
    `create table policy_tests (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      status text not null,
      -- JSON: the policies under test.
      policies text not null,
      total integer not null,
      approved integer not null,
      blocked integer not null,
      errored integer not null,
      created_at text not null,
      expires_at text not null
    )`,
    'create index policy_tests_by_expiry on policy_tests (expires_at)',
    `create table policy_test_users (
      test_id text not null references policy_tests (id) on delete cascade,
      ordinal integer not null,
      user_id text not null,
      email text not null,
      name text not null,
      status text not null,
      -- JSON: which policy and rule decided, and why.
      explanation text not null,
      primary key (test_id, ordinal)
    )`,
  ],
};
