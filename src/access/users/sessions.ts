import type { Reader } from '../../database/database.ts';
import { refusal } from '../../kernel/errors.ts';
import type { Claims } from '../../policy/rules.ts';
import {
  findSession,
  listFailedLogins,
  listIdentities,
  listSessionApplications,
  listSessions,
  type SessionApplicationRow,
} from './store.ts';
import { getUser } from './users.ts';

interface OfUser {
  readonly accountId: string;
  readonly userId: string;
}

/** The identity a session was opened with, as get-identity and `last_seen_identity` answer it (reference §3.1). */
export interface SeenIdentity {
  account_id: string;
  auth_status: string;
  common_name: string;
  device_id: string;
  device_sessions: Record<never, never>;
  devicePosture: Record<never, never>;
  email: string;
  /** As the provider told at this sign-in; absent of sessions that an older version opened. */
  name?: string;
  amr?: string[];
  groups?: string[];
  oidc_fields?: Claims;
  saml_attributes?: Claims;
  geo: { country?: string };
  iat: number;
  idp: { id: string; type: string };
  ip: string;
  is_gateway: boolean;
  is_warp: boolean;
  service_token_id: string;
  service_token_status: boolean;
  user_uuid: string;
  version: number;
}

/** The sessions of the user that are alive, with the applications each was used for. */
export async function activeSessions(reader: Reader, of: OfUser & { now: string }) {
  await getUser(reader, of.accountId, of.userId);
  const sessions = await listSessions(reader, of);
  const used = await listSessionApplications(
    reader,
    sessions.map((session) => session.nonce),
  );
  return sessions.map((session) => {
    const iat = seconds(session.issued_at);
    const expires = seconds(session.expires_at);
    const apps = applicationsOf(used.filter((row) => row.session_nonce === session.nonce));
    return {
      expiration: expires,
      name: session.nonce,
      metadata: { apps, expires, iat, nonce: session.nonce, ttl: expires - iat },
    };
  });
}

function applicationsOf(rows: readonly SessionApplicationRow[]) {
  return Object.fromEntries(
    rows.map(({ id, name, type, host }) => [id, { hostname: host, name, type, uid: id }]),
  );
}

/** The identity of one session of the user, and whether the session is alive. */
export async function sessionIdentity(reader: Reader, of: OfUser & { nonce: string; now: string }) {
  await getUser(reader, of.accountId, of.userId);
  const session = await findSession(reader, of);
  if (!session) throw refusal('notFoundAccess', { detail: 'session not found' });
  return { ...(JSON.parse(session.identity) as SeenIdentity), isActive: session.expires_at > of.now };
}

/** The identity of the newest sign-in; a 404 for a user who has never signed in. */
export async function lastSeenIdentity(reader: Reader, of: OfUser): Promise<SeenIdentity> {
  await getUser(reader, of.accountId, of.userId);
  const [newest] = await listIdentities(reader, of.accountId, of.userId);
  if (!newest) throw refusal('notFoundAccess', { detail: 'the user has never signed in' });
  return JSON.parse(newest.profile) as SeenIdentity;
}

/** Refused sign-ins of the user, newest first. */
export async function failedLogins(reader: Reader, of: OfUser & { now: string }) {
  await getUser(reader, of.accountId, of.userId);
  const rows = await listFailedLogins(reader, of);
  return rows.map((row) => ({
    expiration: seconds(row.expires_at),
    metadata: JSON.parse(row.metadata) as { reason: string; at: string },
  }));
}

function seconds(time: string): number {
  return Math.floor(Date.parse(time) / 1000);
}
