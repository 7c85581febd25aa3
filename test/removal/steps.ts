import { updateProvider } from '../../src/access/identity-providers/identity-providers.ts';
import { deleteUser, revokeUser } from '../../src/access/users/user-removals.ts';
import { findUserIdByEmail } from '../../src/access/users/users.ts';
import type { Act } from '../../src/database/act.ts';
import type { Database, Tx } from '../../src/database/database.ts';
import { failureOf } from '../../src/database/failures.ts';
import { operator } from '../../src/kernel/actor.ts';
import { timestamp } from '../../src/kernel/clock.ts';
import { createVault, sha256 } from '../../src/kernel/crypto.ts';
import { newUuid } from '../../src/kernel/ids.ts';
import { readClaims, type SessionToken } from '../../src/protocol/claims.ts';
import { revocation } from '../../src/protocol/feed.ts';
import type { Rev } from '../../src/protocol/rev.ts';
import { type Change, type Control, commitAct } from '../../src/removal/act.ts';
import type { Feed, Follower } from '../../src/removal/feed.ts';
import { type FinishedSignIn, type FinishInput, finishSignIn } from '../../src/sign-in/finish.ts';
import { applicationClaims, createHandOff, redeemHandOff } from '../../src/sign-in/hand-off.ts';
import { startSignIn } from '../../src/sign-in/start.ts';
import { deleteSession, type SessionLineage } from '../../src/sign-in/store.ts';

/** A clock that stands still until it is moved. */
export interface StillClock {
  now(): number;
  move(milliseconds: number): void;
}

export function createStillClock(): StillClock {
  const clock = { time: Date.UTC(2026, 10, 20, 12) };
  return {
    now: () => clock.time,
    move: (by) => {
      clock.time += by;
    },
  };
}

/** A person as the identity provider knows them. */
export interface Person {
  readonly email: string;
  readonly subject: string;
}

export function person(name: string): Person {
  return { email: `${name}@example.com`, subject: `subject of ${name}` };
}

/** A sign-in that is at the provider. */
export interface Started {
  readonly person: Person;
  readonly stateId: string;
  /** Where the feed stood, as the state was written down. */
  readonly rev: Rev;
}

/**
 * Where the production code can be made wrong, to prove that the tests notice. Nothing given: production.
 */
export interface Mutant {
  readonly name: string;
  readonly follower?: (follower: Follower) => Follower;
  readonly feed?: (feed: Feed) => Feed;
  readonly finish?: (tx: Tx, input: FinishInput) => Promise<Change<FinishedSignIn>>;
}

/** The acts and mints of one caller. */
export type Steps = ReturnType<typeof createSteps>;

export const NO_RIGHTS_ASKED = async () => {};

const vault = createVault(Buffer.alloc(32, 7));

/** The steps of a sign-in, and the acts that end access, over one database connection. */
export function createSteps(options: {
  control: Control;
  observer: Database;
  clock: StillClock;
  accountId: string;
  providerId: string;
  applicationId: string;
  audience: string;
  mutant: Mutant;
}) {
  const { control, observer, clock, accountId, providerId, applicationId, audience, mutant } = options;
  const { database } = control;
  const finishing = mutant.finish ?? finishSignIn;
  const act = { accountId, actor: operator, authorize: NO_RIGHTS_ASKED };

  const toToken = (session: SessionLineage, applicationRev: Rev): SessionToken => {
    const redeemed = { session, applicationRev, applicationId, returnTo: '/' };
    const told = {
      issuer: 'http://acme',
      audience,
      duration: 24 * 3_600_000,
      binding: null,
      now: clock.now(),
    };
    const token = readClaims({ ...applicationClaims(redeemed, told) });
    if (!token) throw new Error('the claims of a token cannot be read');
    return token;
  };

  return {
    control,
    toToken,

    async start(who: Person, { fresh = true }: { fresh?: boolean } = {}): Promise<Started> {
      const started = await database.write((tx) =>
        startSignIn(tx, vault, {
          accountId,
          providerId,
          applicationId,
          returnTo: '/',
          freshLogin: fresh,
          browserHash: sha256('browser'),
          now: clock.now(),
        }),
      );
      const stateId = sha256(started.state);
      return { person: who, stateId, rev: await revOfState(observer, stateId) };
    },

    /** The callback: again, as the service does, where two of them met. */
    async finish({ stateId, person: who }: Started, changed: Partial<FinishInput['proven']> = {}) {
      const input: FinishInput = {
        accountId,
        stateId,
        proven: {
          issuer: `http://${providerId}`,
          subject: who.subject,
          email: who.email,
          emailVerified: true,
          name: null,
          authTime: clock.now() / 1000,
          claims: {},
          amr: [],
          sid: null,
          ...changed,
        },
        providerType: 'oidc',
        linkByEmail: false,
        acceptsStaleLogin: false,
        sessionDuration: 24 * 3_600_000,
        now: clock.now(),
        ip: '127.0.0.1',
      };
      for (let left = 3; ; left -= 1) {
        try {
          return (await commitAct(control, act, (tx) => finishing(tx, input))).session;
        } catch (error) {
          const failure = failureOf(error);
          if (left <= 1 || (failure !== 'unique' && failure !== 'foreign_key')) throw error;
        }
      }
    },

    handOff: (session: SessionLineage): Promise<string> =>
      database.write((tx) =>
        createHandOff(tx, {
          accountId,
          sessionNonce: session.nonce,
          applicationId,
          browserHash: sha256('browser'),
          returnTo: '/',
          now: clock.now(),
        }),
      ),

    async redeem(code: string): Promise<SessionToken> {
      const browserHash = sha256('browser');
      const redeemed = await database.write((tx) =>
        redeemHandOff(tx, { accountId, code, browserHash, now: clock.now() }),
      );
      return toToken(redeemed.session, redeemed.applicationRev);
    },

    /** What signing out does. */
    signOut: (nonce: string): Promise<boolean> =>
      commitAct(control, act, async (tx) => ({
        result: await deleteSession(tx, accountId, nonce),
        items: [revocation({ type: 'session', id: nonce })],
        audit: { action: 'user.sign_out', resource: { type: 'session', id: nonce } },
      })),

    revoke: (email: string): Promise<true> =>
      commitAct(control, act, (tx) =>
        revokeUser(tx, {
          accountId,
          email,
          devices: false,
          warpSessionReauth: false,
          now: timestamp(control.clock.now()),
        }),
      ),

    remove: (id: string, repeat?: Act['repeat']): Promise<object> =>
      commitAct(control, repeat ? { ...act, repeat } : act, (tx) =>
        deleteUser(tx, { accountId, id, now: timestamp(control.clock.now()) }),
      ),

    idOf: (email: string): Promise<string | null> => findUserIdByEmail(observer.reader, accountId, email),

    revokeSubject: (subject: Parameters<typeof revocation>[0]): Promise<true> =>
      commitAct(control, act, async () => ({
        result: true as const,
        items: [revocation(subject)],
        audit: { action: 'test.revoke', resource: { type: subject.type, id: subject.id } },
      })),

    /** Points the provider to somewhere it never was. */
    repoint: () => {
      const at = `https://${newUuid()}.test`;
      const urls = { auth_url: `${at}/auth`, token_url: `${at}/token`, certs_url: `${at}/keys` };
      const claims = { scopes: ['openid'], email_claim_name: 'email', claims: [] };
      const flags = { link_by_email: false, accept_stale_login: false, answers_with_issuer: true };
      const settings = { client_id: 'c', ...urls, ...claims, ...flags };
      const examined = { name: 'elsewhere', type: 'oidc', issuer: at, secret: 'secret', settings };
      const of = { accountId, id: providerId, examined, vault, now: timestamp(clock.now()) };
      return commitAct(control, act, (tx) => updateProvider(tx, of));
    },

    /** An act that ends nothing. */
    nothing: (): Promise<true> =>
      commitAct(control, act, async () => ({
        result: true as const,
        audit: { action: 'test.nothing', resource: { type: 'account', id: accountId } },
      })),
  };
}

/** The state's own reading, as it stands in the database. */
async function revOfState(observer: Database, stateId: string): Promise<Rev> {
  return await observer.reader.query
    .selectFrom('sign_in_states')
    .select(['epoch', 'position'])
    .where('id', '=', stateId)
    .executeTakeFirstOrThrow();
}

/** A sign-in from its beginning to a token. */
export async function signIn(steps: Steps, who: Person) {
  const session = await steps.finish(await steps.start(who));
  const token = await steps.redeem(await steps.handOff(session));
  return { session, token };
}
