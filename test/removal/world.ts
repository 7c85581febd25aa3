import { organizationStates } from '../../src/access/organizations/organizations.ts';
import { deleteUser, findUserIdByEmail, revokeUser } from '../../src/access/users/users.ts';
import { createAccount } from '../../src/accounts/accounts/accounts.ts';
import type { Act } from '../../src/database/act.ts';
import type { Database, Snapshot, Tx } from '../../src/database/database.ts';
import { failureOf } from '../../src/database/failures.ts';
import { migrate } from '../../src/database/migrate.ts';
import { openPostgres } from '../../src/database/postgres.ts';
import { openSqlite } from '../../src/database/sqlite.ts';
import { decide, standingSession, type Verdict } from '../../src/gate/decide.ts';
import { createGateState, type GateState } from '../../src/gate/state.ts';
import { operator } from '../../src/kernel/actor.ts';
import { timestamp } from '../../src/kernel/clock.ts';
import { createVault, sha256 } from '../../src/kernel/crypto.ts';
import { newAudienceTag, newUuid } from '../../src/kernel/ids.ts';
import type { JsonObject } from '../../src/kernel/json.ts';
import { readClaims, type SessionToken } from '../../src/protocol/claims.ts';
import { type FeedItem, revocation } from '../../src/protocol/feed.ts';
import type { Rev } from '../../src/protocol/rev.ts';
import type { ApplicationState, ProviderState } from '../../src/protocol/state.ts';
import { type Change, type Control, commitAct } from '../../src/removal/act.ts';
import { createFeed, type Feed, type Follower, type StateSource } from '../../src/removal/feed.ts';
import { type FinishedSignIn, type FinishInput, finishSignIn } from '../../src/sign-in/finish.ts';
import {
  applicationClaims,
  createHandOff,
  redeemHandOff,
  sessionClaims,
} from '../../src/sign-in/hand-off.ts';
import { sessionStates } from '../../src/sign-in/lineage.ts';
import { startSignIn } from '../../src/sign-in/start.ts';
import { deleteSession, type SessionLineage } from '../../src/sign-in/store.ts';
import type { TestDatabase } from '../support/postgres.ts';

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

/**
 * One account with a provider and an application that everyone may use, on a real database: all of what ends
 * access, below HTTP. The steps of a sign-in are those of src/sign-in, one transaction each.
 */
export interface World extends AsyncDisposable {
  readonly database: Database;
  readonly control: Control;
  readonly state: GateState;
  readonly clock: StillClock;
  readonly accountId: string;
  readonly providerId: string;
  readonly applicationId: string;
  readonly sources: readonly StateSource[];
  /** The same account seen over another database connection; the gate's memory stays one. */
  over(database: Database): Steps;
  readonly steps: Steps;
  /** Whether the gate admits with this token, now. */
  ask(token: SessionToken): Verdict;
  /** Whether the team domain still takes this session for alive. */
  stands(session: SessionLineage): boolean;
  /** A token as one that was minted from that session would be, whether or not any code would mint it. */
  forge(session: SessionLineage): SessionToken;
  /** The whole sign-in; throws the refusal of whatever step refused. */
  signIn(who: Person): Promise<{ session: SessionLineage; token: SessionToken }>;
}

/** The acts and mints of one caller. */
export type Steps = ReturnType<typeof createSteps>;

export const NO_RIGHTS_ASKED = async () => {};

export async function openDatabase({ url, file }: TestDatabase): Promise<Database> {
  const database = url === null ? openSqlite(file) : openPostgres(url);
  await migrate(database, { now: timestamp(0) });
  return database;
}

/** Another connection to the same database, as of another process. */
export function openAgain({ url, file }: TestDatabase): Database {
  return url === null ? openSqlite(file) : openPostgres(url);
}

export async function createWorld(test: TestDatabase, mutant: Mutant = { name: 'none' }): Promise<World> {
  const database = await openDatabase(test);
  const clock = createStillClock();
  const accountId = await database.write((tx) => makeAccount(tx, 'acme', timestamp(clock.now())));
  const providerId = newUuid();
  const application = newApplication();
  await database.write((tx) => insertFixtures(tx, { accountId, providerId, application }));
  const state = createGateState();
  const sources: StateSource[] = [
    organizationStates,
    fixtureStates,
    sessionStates(() => timestamp(clock.now())),
  ];
  const follower = mutant.follower?.(state) ?? state;
  const honest = createFeed({ database, follower, sources });
  const feed = mutant.feed?.(honest) ?? honest;
  await feed.start();
  const control: Control = { database, feed, clock };
  const place = { accountId, providerId, applicationId: application.id, audience: application.aud };
  const over = (other: Database) =>
    createSteps({ control: { ...control, database: other }, observer: database, clock, ...place, mutant });
  const steps = over(database);
  const world: World = {
    database,
    control,
    state,
    clock,
    accountId,
    providerId,
    applicationId: application.id,
    sources,
    over,
    steps,
    ask: (token) => askGate(state, token, clock.now()),
    stands: (session) => {
      const account = state.account(accountId);
      const claims = sessionClaims(session, { issuer: 'http://acme', now: clock.now() });
      const token = readClaims({ ...claims });
      return account !== null && token !== null && 'session' in standingSession(account, token, clock.now());
    },
    forge: (session) => {
      const head = state.account(accountId)?.revocations.head ?? { epoch: 1, position: 0 };
      return steps.toToken(session, { epoch: head.epoch, position: head.position });
    },
    signIn: (who) => signIn(steps, who),
    [Symbol.asyncDispose]: () => database.close(),
  };
  return world;
}

export async function makeAccount(tx: Tx, name: string, now: string): Promise<string> {
  const place = { name, zoneName: `${name}.example`, authDomain: `${name}.localhost`, now };
  return (await createAccount(tx, place)).accountId;
}

export const HOST = 'app.example.com';

/** The verdict on a request to the application, as forward-auth comes to it. */
export function askGate(state: GateState, token: SessionToken, now: number): Verdict {
  const destination = state.route(HOST, '/');
  return destination ? decide(destination, token, now) : { verdict: 'deny', reason: 'application_unknown' };
}

function newApplication(): ApplicationState {
  const everyone = {
    id: newUuid(),
    name: 'everyone',
    decision: 'allow' as const,
    precedence: 1,
    include: [{ everyone: {} }],
    exclude: [],
    require: [],
    session_duration: null,
  };
  return {
    id: newUuid(),
    aud: newAudienceTag(),
    name: 'wiki',
    type: 'self_hosted',
    session_duration: null,
    destinations: [{ host: HOST, path: '' }],
    policies: [everyone],
    allowed_idps: [],
    auto_redirect_to_identity: false,
    http_only_cookie: true,
    same_site_cookie: null,
  };
}

async function insertFixtures(
  tx: Tx,
  {
    accountId,
    providerId,
    application,
  }: { accountId: string; providerId: string; application: ApplicationState },
): Promise<void> {
  const now = timestamp(0);
  await insertProviderRow(tx, { accountId, id: providerId });
  await tx.query
    .insertInto('applications')
    .values({
      id: application.id,
      account_id: accountId,
      aud: application.aud,
      name: application.name,
      type: application.type,
      session_duration: null,
      settings: JSON.stringify(application),
      created_at: now,
      updated_at: now,
    })
    .execute();
}

/** A provider that nobody will ever reach: below HTTP its answers are given by the test. */
export async function insertProviderRow(
  tx: Tx,
  { accountId, id }: { accountId: string; id: string },
): Promise<void> {
  const now = timestamp(0);
  const row = { id, account_id: accountId, type: 'oidc', name: id, issuer: `http://${id}`, config: '{}' };
  await tx.query
    .insertInto('identity_providers')
    .values({ ...row, client_secret: '', created_at: now, updated_at: now })
    .execute();
}

/** What the slices of providers and applications tell gates, from the rows above. */
async function fixtureStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  const providers = await snapshot.query
    .selectFrom('identity_providers')
    .select(['id', 'type', 'name'])
    .where('account_id', '=', accountId)
    .execute();
  const applications = await snapshot.query
    .selectFrom('applications')
    .select(['id', 'settings'])
    .where('account_id', '=', accountId)
    .execute();
  return [
    ...providers.map((row) => providerItem(row.id, row satisfies ProviderState)),
    ...applications.map(
      ({ id, settings }): FeedItem => ({
        kind: 'application',
        id,
        state: JSON.parse(settings) as JsonObject,
      }),
    ),
  ];
}

function providerItem(id: string, state: ProviderState | null): FeedItem {
  return { kind: 'provider', id, state: state && { ...state } };
}

const vault = createVault(Buffer.alloc(32, 7));

function createSteps(options: {
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
    const told = { issuer: 'http://acme', audience, duration: 24 * 3_600_000, now: clock.now() };
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
          ...changed,
        },
        providerType: 'oidc',
        linkByEmail: false,
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
        revokeUser(tx, { accountId, email, devices: false, warpSessionReauth: false }),
      ),

    remove: (id: string, repeat?: Act['repeat']): Promise<object> =>
      commitAct(control, repeat ? { ...act, repeat } : act, (tx) => deleteUser(tx, { accountId, id })),

    idOf: (email: string): Promise<string | null> => findUserIdByEmail(observer.reader, accountId, email),

    revokeSubject: (subject: Parameters<typeof revocation>[0]): Promise<true> =>
      commitAct(control, act, async () => ({
        result: true as const,
        items: [revocation(subject)],
        audit: { action: 'test.revoke', resource: { type: subject.type, id: subject.id } },
      })),

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

async function signIn(steps: Steps, who: Person) {
  const session = await steps.finish(await steps.start(who));
  const token = await steps.redeem(await steps.handOff(session));
  return { session, token };
}
