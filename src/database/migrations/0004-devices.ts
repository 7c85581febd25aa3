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
    'alter table users add column gateway_seat integer not null default 0',
    'alter table users add column active_device_count integer not null default 0',
    `create table physical_devices (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      hardware_id text,
      name text not null,
      search_text text not null,
      facts text not null,
      active_registrations integer not null,
      created_at text not null,
      updated_at text not null,
      last_seen_at text,
      last_seen_user_id text,
      last_seen_email text,
      last_seen_registration_id text,
      public_ip text,
      unique (account_id, hardware_id)
    )`,
    'create index physical_devices_of_account on physical_devices (account_id, created_at, id)',
    `create table registrations (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      user_id text not null references users (id) on delete cascade,
      device_id text not null references physical_devices (id) on delete cascade,
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
      primary key (application_id, tag_id)
    )`,
    'create index application_tags_of_tag on application_tags (tag_id)',
  ],
};
