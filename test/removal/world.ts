import { organizationStates } from '../../src/access/organizations/organizations.ts';
import { createAccount } from '../../src/accounts/accounts/accounts.ts';
import type { Database, Snapshot, Tx } from '../../src/database/database.ts';
import { migrate } from '../../src/database/migrate.ts';
import { openPostgres } from '../../src/database/postgres.ts';
import { openSqlite } from '../../src/database/sqlite.ts';
import { decide, type Verdict } from '../../src/gate/decide.ts';
import { standingSession } from '../../src/gate/find-visitor.ts';
import { createGateState, type GateState } from '../../src/gate/state.ts';
import { timestamp } from '../../src/kernel/clock.ts';
import { newAudienceTag, newUuid } from '../../src/kernel/ids.ts';
import type { JsonObject } from '../../src/kernel/json.ts';
import { readClaims, type SessionToken } from '../../src/protocol/claims.ts';
import type { FeedItem } from '../../src/protocol/feed.ts';
import type { ApplicationState, ProviderState } from '../../src/protocol/state.ts';
import { aloneControl, type Control } from '../../src/removal/act.ts';
import { createFeed, type StateSource } from '../../src/removal/feed.ts';
import { sessionClaims } from '../../src/sign-in/hand-off.ts';
import { sessionStates } from '../../src/sign-in/lineage.ts';
import type { SessionLineage } from '../../src/sign-in/store.ts';
import { applicationState, asking } from '../support/gate-parts.ts';
import type { TestDatabase } from '../support/postgres.ts';
import {
  createSteps,
  createStillClock,
  type Mutant,
  type Person,
  type Steps,
  type StillClock,
  signIn,
} from './steps.ts';

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
  /** The same through another provider, whose row is there. */
  through(providerId: string): Steps;
  /** Whether the gate admits with this token, now. */
  ask(token: SessionToken): Verdict;
  /** Whether the team domain still takes this session for alive. */
  stands(session: SessionLineage): boolean;
  /** A token as one that was minted from that session would be, whether or not any code would mint it. */
  forge(session: SessionLineage): SessionToken;
  /** The whole sign-in; throws the refusal of whatever step refused. */
  signIn(who: Person): Promise<{ session: SessionLineage; token: SessionToken }>;
}

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
  const control = aloneControl({ database, feed, clock });
  const place = { accountId, providerId, applicationId: application.id, audience: application.aud };
  const over = (other: Database) =>
    createSteps({ control: { ...control, database: other }, observer: database, clock, ...place, mutant });
  const steps = over(database);
  const through = (other: string) =>
    createSteps({ control, observer: database, clock, ...place, providerId: other, mutant });
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
    through,
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
  if (!destination) return { verdict: 'deny', reason: 'application_unknown' };
  const verdict = decide(destination, { kind: 'session', token, binding: null }, asking(now));
  if (verdict.verdict === 'undecided') throw new Error('a policy that asks elsewhere');
  return verdict;
}

function newApplication(): ApplicationState {
  return applicationState({
    id: newUuid(),
    aud: newAudienceTag(),
    name: 'wiki',
    destinations: [{ host: HOST, path: '', upstream: null }],
  });
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
