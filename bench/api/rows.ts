import type { DeviceFacts } from '../../src/protocol/state.ts';
import type { Bulk } from './bulk.ts';
import { SYLLABLES } from './names.ts';
import { HOLDINGS } from './sizes.ts';

/** What the rows are of. */
export interface Filling {
  readonly accountId: string;
  readonly providerId: string;
  readonly users: number;
  readonly userGroups: number;
  /** The first so many users hold what is deleted with them. */
  readonly deletions: number;
}

type Filled = Filling & { readonly bulk: Bulk };

const TABLES = [
  ...['users', 'physical_devices', 'registrations', 'user_groups'],
  ...['identities', 'sessions'],
] as const;

/** So many rows go into one statement. */
const TURN = 20_000;

/**
 * Fills an account: users by the names of a small language, a device with a registration for each, user groups, and for
 * the first users everything that goes with them. The same size makes the same rows.
 */
export async function fillAccount(bulk: Bulk, account: Filling): Promise<void> {
  const filling = { ...account, bulk };
  const restore = await bulk.withoutIndexes(TABLES);
  const { users, userGroups, deletions } = filling;
  await inTurns(bulk, users, (series) => insertUsers(filling, series));
  await inTurns(bulk, users, (series) => insertDevices(filling, series, ONE_EACH(users)));
  await inTurns(bulk, users, (series) => insertRegistrations(filling, series, ONE_EACH(users)));
  await inTurns(bulk, userGroups, (series) => insertUserGroups(filling, series));
  const extra = deletions * HOLDINGS.registrations;
  await inTurns(bulk, extra, (series) => insertDevices(filling, series, OF_SOME));
  await inTurns(bulk, deletions, (series) => insertIdentities(filling, series));
  await inTurns(bulk, deletions * HOLDINGS.sessions, (series) => insertSessions(filling, series));
  await inTurns(bulk, extra, (series) => insertRegistrations(filling, series, OF_SOME));
  for (const [kind, total] of Object.entries({ users, seats: users, user_groups: userGroups })) {
    await bulk.run(`delete from totals where account_id = '${filling.accountId}' and kind = '${kind}'`);
    await bulk.run(
      `insert into totals (account_id, kind, total) values ('${filling.accountId}', '${kind}', ${total})`,
    );
  }
  await restore();
  await bulk.settle();
}

async function inTurns(bulk: Bulk, count: number, insert: (series: string) => string): Promise<void> {
  for (let from = 1; from <= count; from += TURN) {
    await bulk.run(insert(bulk.series(from, Math.min(count, from + TURN - 1))));
  }
}

const SPEECH = `'${SYLLABLES}'`;
const TIME = "'2026-01-01T00:00:00.000Z'";
/** Later than any run. */
const LATER = "'2099-01-01T00:00:00.000Z'";
const JWK = JSON.stringify({ kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) });
const FACTS: DeviceFacts = {
  ...{ type: 'linux', os_version: '6.12.48', os_version_extra: null, os_distro_name: 'debian' },
  ...{ os_distro_revision: '13', serial_number: null, model: 'model', manufacturer: 'maker' },
  ...{ mac_address: null, client_version: '0.1.0' },
};

function syllable(number: string, divisor: number): string {
  return `substr(${SPEECH}, cast(1 + 3 * (${number} / ${divisor} % 10) as integer), 3)`;
}

/** A thousand surnames and a hundred first names: a search for either finds many. */
function surname(number: string): string {
  return `${syllable(number, 1)} || ${syllable(number, 10)} || ${syllable(number, 100)}`;
}

function fullName(number: string): string {
  return `${syllable(number, 1000)} || ${syllable(number, 10_000)} || ' ' || ${surname(number)}`;
}

function email(number: string): string {
  return `${syllable(number, 1000)} || '.' || ${surname(number)} || ${number} || '@example.com'`;
}

/** Some thousands of different times. */
function time(number: string): string {
  const digits = (base: number, divisor: number, among: number) =>
    `(${base} + ${number} / ${divisor} % ${among})`;
  return `'20' || ${digits(10, 1, 16)} || '-0' || ${digits(1, 16, 9)} || '-' || ${digits(10, 144, 18)} || 'T' || ${digits(10, 2592, 14)} || ':00:00.000Z'`;
}

function insertUsers({ accountId, bulk }: Filled, series: string): string {
  return `insert into users (id, account_id, email, email_key, name, name_key, search_text, seat_uid, access_seat,
      gateway_seat, active_device_count, reauthenticate, created_at, updated_at, last_successful_login)
    select ${bulk.uuid('user', 'n')}, '${accountId}', mail, mail, full_name, full_name, mail || '\n' || full_name,
      ${bulk.uuid('seat', 'n')}, 1, 1, 1, 0, ${TIME}, ${TIME}, ${TIME}
    from (select n, ${email('n')} as mail, ${fullName('n')} as full_name from ${series}) one`;
}

/** Whose a device is: `m` of the n-th. */
interface Share {
  readonly kind: string;
  readonly owner: string;
}

/** Everybody has one, though not in the order of the users. */
const ONE_EACH = (users: number): Share => ({ kind: 'device', owner: `1 + (n * 7919) % ${users}` });
const OF_SOME: Share = { kind: 'further', owner: `1 + (n - 1) / ${HOLDINGS.registrations}` };

function insertDevices({ accountId, bulk }: Filled, series: string, { kind, owner }: Share): string {
  return `insert into physical_devices (id, account_id, hardware_id, name, name_key, search_text, facts, client_version,
      active_registrations, created_at, updated_at, last_seen_at, last_seen_user_id, last_seen_email,
      last_seen_registration_id, public_ip)
    select ${bulk.uuid(kind, 'n')}, '${accountId}', '${kind}' || n, '${kind} ' || n, '${kind} ' || n, '${kind} ' || n,
      '${JSON.stringify(FACTS)}', '0.1.0', 1, at, at, at, ${bulk.uuid('user', 'm')}, ${email('m')},
      ${bulk.uuid(`registration ${kind}`, 'n')}, null
    from (select n, ${owner} as m, ${time('n')} as at from ${series}) one`;
}

function insertRegistrations({ accountId, bulk }: Filled, series: string, { kind, owner }: Share): string {
  const isHeld = kind === OF_SOME.kind;
  const session = isHeld ? nonce('m', `1 + n % ${HOLDINGS.sessions}`) : 'null';
  const head = (column: string) =>
    isHeld ? `(select ${column} from feed_heads where account_id = '${accountId}')` : 'cast(null as integer)';
  return `insert into registrations (id, account_id, user_id, device_id, user_email_key, user_name_key, thumbprint,
      public_jwk, facts, created_at, updated_at, last_seen_at, revoked_at, session_nonce, session_epoch,
      session_position, session_ends_at)
    select ${bulk.uuid(`registration ${kind}`, 'n')}, '${accountId}', ${bulk.uuid('user', 'm')}, ${bulk.uuid(kind, 'n')},
      ${email('m')}, ${fullName('m')}, md5('thumbprint ${kind}' || n), '${JWK}', '${JSON.stringify(FACTS)}',
      at, at, at, null, ${session}, ${head('epoch')}, ${head('position')}, ${isHeld ? LATER : 'null'}
    from (select n, ${owner} as m, ${time('n')} as at from ${series}) one`;
}

function insertUserGroups({ accountId }: Filled, series: string): string {
  return `insert into user_groups (id, account_id, name, name_key, policies, created_on, modified_on)
    select md5('user group' || n), '${accountId}', 'Team ' || n, 'team ' || n, '[]', ${TIME}, ${TIME} from ${series}`;
}

function insertIdentities({ accountId, providerId, bulk }: Filled, series: string): string {
  return `insert into identities (id, account_id, user_id, provider_id, issuer, subject, profile, created_at, updated_at,
      claims, told_at)
    select ${bulk.uuid('identity', 'n')}, '${accountId}', ${bulk.uuid('user', 'n')}, '${providerId}', 'https://login.example.com',
      'subject ' || n, '{}', ${TIME}, ${TIME}, '{}', 0 from ${series}`;
}

function nonce(person: string, which: string): string {
  return `md5('session ' || ${person} || ' ' || (${which}))`;
}

function insertSessions({ accountId, providerId, bulk }: Filled, series: string): string {
  return `insert into sessions (nonce, account_id, user_id, identity_id, provider_id, epoch, position, identity, issued_at,
      expires_at, amr, provider_sid)
    select ${nonce('m', 'k')}, '${accountId}', ${bulk.uuid('user', 'm')}, ${bulk.uuid('identity', 'm')}, '${providerId}', epoch,
      position, '{}', ${TIME}, ${LATER}, '[]', null
    from (select 1 + (n - 1) / ${HOLDINGS.sessions} as m, 1 + n % ${HOLDINGS.sessions} as k from ${series}) one,
      feed_heads where feed_heads.account_id = '${accountId}'`;
}
