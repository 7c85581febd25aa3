import type { Migration } from '../migration.ts';

/** What many nodes and remote gates need: leases and acks, a chained feed, epochs, gate credentials. */
export const cluster: Migration = {
  id: 2,
  name: 'cluster',
  // Version 0.1 knows no leases: it would decide without one.
  runsWith: 2,
  statements: [
    // The hash of everything up to here that had items, and the position at which it last changed.
    "alter table feed_heads add column chain text not null default ''",
    'alter table feed_heads add column chained integer not null default 0',
    "alter table feed_entries add column chain text not null default ''",
    // JSON: the epochs that are over, as `[{"epoch":1,"ended":7}]`; a reading in one counts up to `ended`.
    "alter table feed_heads add column formers text not null default '[]'",
    // The epoch of `application_position`; `epoch` is the session's, which may be a former one.
    'alter table hand_offs add column application_epoch integer not null default 0',
    // One row: which database this is, and what it was found to be. Its own object id is part of that, so this table
    // is never made anew.
    `create table cluster (
      id integer primary key,
      system_identifier text not null,
      timeline text not null,
      synchronous integer not null,
      restored_at text
    )`,
    // A node's right to decide. `renewals` grows with each renewal; nobody compares the clocks of two machines.
    `create table node_leases (
      id text primary key,
      name text not null,
      version text not null,
      renewals integer not null,
      lease_ms integer not null
    )`,
    // Up to where a node, and every gate that it answers for, has applied the feed of an account.
    `create table node_acks (
      node_id text not null references node_leases (id) on delete cascade,
      account_id text not null references accounts (id) on delete cascade,
      epoch integer not null,
      position integer not null,
      waited_for text not null,
      primary key (node_id, account_id)
    )`,
    // A removal that has committed, and when it was in force everywhere; what a receipt will be made of.
    `create table removals (
      account_id text not null references accounts (id) on delete cascade,
      epoch integer not null,
      position integer not null,
      node_id text,
      committed_at text not null,
      in_force_at text,
      waited_for text,
      primary key (account_id, epoch, position)
    )`,
    'create index removals_pending on removals (committed_at) where in_force_at is null',
    `create table gates (
      id text primary key,
      account_id text not null references accounts (id) on delete cascade,
      name text not null,
      name_key text not null,
      secret_hash text not null unique,
      created_at text not null,
      unique (account_id, name)
    )`,
    'create index gates_of_account on gates (account_id, created_at, id)',
    // The keys with which gates tell applications of their visitors.
    `create table gate_keys (
      kid text not null,
      gate_id text not null references gates (id) on delete cascade,
      account_id text not null references accounts (id) on delete cascade,
      public_jwk text not null,
      created_at text not null,
      seen_at text not null,
      primary key (gate_id, kid)
    )`,
    'create index gate_keys_of_account on gate_keys (account_id, kid)',
    // The processes that are attached now, and to which node. None is without its key.
    `create table gate_processes (
      id text primary key,
      gate_id text not null references gates (id) on delete cascade,
      kid text not null,
      account_id text not null references accounts (id) on delete cascade,
      node_id text not null references node_leases (id) on delete cascade,
      host text not null,
      version text not null,
      attached_at text not null,
      foreign key (gate_id, kid) references gate_keys (gate_id, kid)
    )`,
    'create index gate_processes_of_gate on gate_processes (gate_id, kid)',
  ],
};
