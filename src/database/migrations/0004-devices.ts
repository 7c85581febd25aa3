import type { Migration } from '../migration.ts';

/** Devices and their registrations, seats, tags, and what the rest of the resource family keeps. */
export const devices: Migration = {
  id: 4,
  name: 'devices',
  // An older program would evaluate policies without what devices prove, and count no seats.
  runsWith: 4,
  statements: [
    "alter table accounts add column settings text not null default '{}'",
    'alter table accounts add column seat_limit integer',
    'alter table access_requests add column registration_id text',
    'alter table sessions add column parent_nonce text',
    'alter table sessions add column fresh_login integer',
    // An account that was deleted keeps its feed, so that whoever is behind learns of it, and its team domain is never given again.
    'alter table accounts add column deleted_at text',
    'alter table accounts add column former_auth_domain text',
    'alter table accounts add column created_by text',
    'alter table administrators add column country text',
    'alter table administrators add column telephone text',
    'alter table administrators add column zipcode text',
    // As whoever invited them wrote it; those from before show the normalised one.
    'alter table members add column invited_email text',
    // Those from before were made with the account or the zone.
    'alter table resource_groups add column built_in integer not null default 1',
    // What an Idempotency-Key was answered with.
    `create table account_creations (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      request text not null,
      answer text not null,
      at text not null
    )`,
    'alter table users add column gateway_seat integer not null default 0',
    'alter table users add column active_device_count integer not null default 0',
    'create unique index users_by_seat on users (account_id, seat_uid) where seat_uid is not null',
    // By when they were last there, for those whose seat may expire.
    `create index users_by_last_login on users (account_id, coalesce(last_successful_login, created_at), id)
      where seat_uid is not null`,
    `insert into totals (account_id, kind, total)
      select account_id, 'seats', count(*) from users where seat_uid is not null group by account_id`,
    `insert into totals (account_id, kind, total)
      select account_id, 'user_groups', count(*) from user_groups group by account_id`,
    `create table physical_devices (
      ordinal serial_key,
      id text not null unique,
      account_id text not null references accounts (id) on delete cascade,
      hardware_id text,
      name text not null,
      name_key text not null,
      search_text text not null,
      facts text not null,
      client_version text not null,
      active_registrations integer not null,
      created_at text not null,
      updated_at text not null,
      last_seen_at text not null,
      last_seen_user_id text,
      last_seen_email text not null,
      last_seen_registration_id text,
      public_ip text,
      unique (account_id, hardware_id)
    )`,
    'create index physical_devices_of_account on physical_devices (account_id, created_at, id)',
    'create index physical_devices_active on physical_devices (account_id, created_at, id) where active_registrations > 0',
    'create index physical_devices_inactive on physical_devices (account_id, created_at, id) where active_registrations = 0',
    'create index physical_devices_by_id on physical_devices (account_id, id)',
    'create index physical_devices_by_name on physical_devices (account_id, name_key, id)',
    'create index physical_devices_by_version on physical_devices (account_id, client_version, id)',
    'create index physical_devices_by_email on physical_devices (account_id, last_seen_email, id)',
    'create index physical_devices_by_seen on physical_devices (account_id, last_seen_at, id)',
    'create index physical_devices_by_count on physical_devices (account_id, active_registrations, id)',
    'create index physical_devices_by_user on physical_devices (last_seen_user_id)',
    `create table registrations (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      user_id text not null references users (id) on delete cascade,
      device_id text not null references physical_devices (id) on delete cascade,
      user_email_key text not null,
      user_name_key text not null,
      thumbprint text not null,
      public_jwk text not null,
      facts text not null,
      created_at text not null,
      updated_at text not null,
      last_seen_at text not null,
      revoked_at text,
      session_nonce text,
      session_epoch integer,
      session_position integer,
      session_ends_at text,
      unique (account_id, thumbprint)
    )`,
    'create index registrations_of_account on registrations (account_id, created_at, id)',
    'create index registrations_active on registrations (account_id, created_at, id) where revoked_at is null',
    'create index registrations_revoked on registrations (account_id, created_at, id) where revoked_at is not null',
    'create index registrations_by_id on registrations (account_id, id)',
    'create index registrations_by_email on registrations (account_id, user_email_key, id)',
    'create index registrations_by_name on registrations (account_id, user_name_key, id)',
    'create index registrations_by_seen on registrations (account_id, last_seen_at, id)',
    'create index registrations_of_user on registrations (user_id)',
    'create index registrations_of_device on registrations (device_id)',
    'create index registrations_by_session_end on registrations (account_id, session_ends_at)',
    // A device that asks to be enrolled, until a person says yes or no.
    `create table device_enrolments (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      user_code text not null,
      thumbprint text not null,
      public_jwk text not null,
      hardware_id text,
      name text not null,
      facts text not null,
      status text not null,
      registration_id text,
      polled_at text,
      ip text not null,
      created_at text not null,
      expires_at text not null,
      unique (account_id, user_code)
    )`,
    'create index device_enrolments_by_end on device_enrolments (expires_at)',
    `create table posture_rules (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      name text not null,
      type text not null,
      description text not null,
      match text not null,
      input text not null,
      schedule text,
      expiration text,
      created_at text not null,
      updated_at text not null,
      unique (account_id, name)
    )`,
    'create index posture_rules_of_account on posture_rules (account_id, created_at, id)',
    `create table access_tags (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      name text not null,
      created_at text not null,
      updated_at text not null,
      unique (account_id, name)
    )`,
    `create table application_tags (
      application_id text not null references applications (id) on delete cascade,
      tag_id text not null references access_tags (id),
      account_id text not null references accounts (id) on delete cascade,
      ordinal integer not null,
      primary key (application_id, tag_id)
    )`,
    'create index application_tags_of_tag on application_tags (tag_id)',
    // Of the request that an entry of the audit log came by; entries that were there before do not say.
    'alter table audit_entries add column actor_token_name text',
    'alter table audit_entries add column method text',
    'alter table audit_entries add column uri text',
    'alter table audit_entries add column status_code integer',
    'alter table audit_entries add column user_agent text',
    'alter table audit_entries add column zone_id text',
    'alter table audit_entries add column zone_name text',
    'drop index audit_entries_by_time',
    'create index audit_entries_in_order on audit_entries (account_id, at, position, id)',
    'create index audit_entries_of_resource on audit_entries (resource_id, at, position, id)',
    'create index audit_entries_of_actor on audit_entries (actor_id, at, position, id)',
  ],
  sqlite: [
    `create virtual table physical_devices_search using fts5 (
      search_text, content='physical_devices', content_rowid='ordinal', tokenize='trigram case_sensitive 1'
    )`,
    `create trigger physical_devices_search_insert after insert on physical_devices begin
      insert into physical_devices_search (rowid, search_text) values (new.ordinal, new.search_text);
    end`,
    `create trigger physical_devices_search_delete after delete on physical_devices begin
      insert into physical_devices_search (physical_devices_search, rowid, search_text)
      values ('delete', old.ordinal, old.search_text);
    end`,
    `create trigger physical_devices_search_update after update of search_text on physical_devices begin
      insert into physical_devices_search (physical_devices_search, rowid, search_text)
      values ('delete', old.ordinal, old.search_text);
      insert into physical_devices_search (rowid, search_text) values (new.ordinal, new.search_text);
    end`,
  ],
  postgres: ['create index physical_devices_search on physical_devices using gin (search_text gin_trgm_ops)'],
};
