import type { SeenIdentity } from '../access/users/sessions.ts';
import type { Tx } from '../database/database.ts';
import { endDeviceSessions } from '../devices/registrations/registrations.ts';
import { timestamp } from '../kernel/clock.ts';
import type { Vault } from '../kernel/crypto.ts';
import { ApiError, refusal } from '../kernel/errors.ts';
import { type FeedItem, revocation } from '../protocol/feed.ts';
import type { SessionState } from '../protocol/state.ts';
import { type Change, type Control, commitAct } from '../removal/act.ts';
import { signingIn } from './callback.ts';
import type { Team } from './directory.ts';
import {
  deleteOwnSessions,
  listOnDevices,
  listOwnSessions,
  listUsedApplications,
  lockOwnSessions,
  type OwnSessionRow,
} from './launcher-store.ts';
import { deleteSession } from './store.ts';

/** A session as the person whose it is sees it. */
export interface OwnSession {
  readonly nonce: string;
  /** RFC 3339 in UTC. */
  readonly since: string;
  readonly until: string;
  /** The address it was opened from; empty if that is not known. */
  readonly ip: string;
  readonly provider: string;
  /** Names of the applications that it was used for. */
  readonly used: readonly string[];
}

/** What a person sees of their own sessions, and may do with them. */
export type OwnSessions = ReturnType<typeof createOwnSessions>;

export function createOwnSessions({ control, vault }: { control: Control; vault: Vault }) {
  const { database, clock } = control;
  return {
    /** The sessions of the person that are alive, newest first. */
    async list({ accountId }: Team, { user_id: userId }: SessionState): Promise<OwnSession[]> {
      const { reader } = database;
      const rows = await listOwnSessions(reader, { accountId, userId, now: timestamp(clock.now()) });
      const used = await listUsedApplications(
        reader,
        rows.map(({ nonce }) => nonce),
      );
      return rows.map((row) => toOwnSession(row, used));
    },

    /**
     * Ends one session of the person, or all of them with the sign-ins under way, by the one primitive: it is in force
     * when this resolves. With another session than one's own go the device sessions that began from it. False if the session is nobody's, or somebody else's: nothing is ended then.
     */
    async end(
      { accountId }: Team,
      by: SessionState,
      of: { nonce: string | null; ip: string },
    ): Promise<boolean> {
      const actor = { ...signingIn(by.email, of.ip), id: by.user_id };
      const act = { accountId, actor, authorize: async () => {} };
      try {
        return await commitAct(control, act, (tx) =>
          endSessions(tx, { accountId, by, nonce: of.nonce, now: timestamp(clock.now()) }),
        );
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return false;
        throw error;
      }
    },

    /** What a form of the person's page carries, so that no other page can send it: for this session alone. */
    formToken: (team: Team, session: SessionState): string => vault.seal(placeOf(team, session), ''),

    isFormToken(team: Team, session: SessionState, token: string): boolean {
      try {
        return vault.open(placeOf(team, session), token) === '';
      } catch {
        return false;
      }
    },
  };
}

function placeOf({ accountId }: Team, { nonce }: SessionState): string {
  return `launcher/${accountId}/${nonce}`;
}

function toOwnSession(
  row: OwnSessionRow,
  used: readonly { session_nonce: string; name: string }[],
): OwnSession {
  const { ip = '' } = JSON.parse(row.identity) as Partial<SeenIdentity>;
  return {
    nonce: row.nonce,
    since: row.issued_at,
    until: row.expires_at,
    ip,
    provider: row.provider_name,
    used: used.filter(({ session_nonce: nonce }) => nonce === row.nonce).map(({ name }) => name),
  };
}

/** Only who holds a session that stands ends any; `nonce` of null is all of them. */
async function endSessions(
  tx: Tx,
  { accountId, by, nonce, now }: { accountId: string; by: SessionState; nonce: string | null; now: string },
): Promise<Change<true>> {
  const userId = by.user_id;
  const nonces = await lockOwnSessions(tx, { accountId, userId });
  if (!nonces.includes(by.nonce) || !nonces.includes(nonce ?? by.nonce)) throw refusal('notFoundAccess');
  const isOther = nonce !== null && nonce !== by.nonce;
  const onDevices = isOther ? await endOnDevices(tx, { accountId, userId, nonce, now }) : [];
  if (nonce === null) await deleteOwnSessions(tx, { accountId, userId });
  else await deleteSession(tx, accountId, nonce);
  return {
    result: true,
    // Of all: also what a sign-in under way would lead to, which has no session yet.
    items: [
      revocation(nonce === null ? { type: 'user', id: userId } : { type: 'session', id: nonce }),
      ...onDevices,
    ],
    audit: {
      action: nonce === null ? 'user.sign_out_everywhere' : 'user.sign_out',
      resource: { type: 'user', id: userId },
      metadata: nonce === null ? { sessions: nonces.length } : { session: nonce },
    },
  };
}

/**
 * Ends the device sessions that began from a session: whoever ends that of another browser does not want what was
 * done in it to go on.
 */
async function endOnDevices(
  tx: Tx,
  of: { accountId: string; userId: string; nonce: string; now: string },
): Promise<readonly FeedItem[]> {
  const nonces = await listOnDevices(tx, of);
  return (await endDeviceSessions(tx, { ...of, nonces })).items;
}
