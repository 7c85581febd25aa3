import assert from 'node:assert/strict';
import { createUser } from '../../src/access/users/users.ts';
import { operator } from '../../src/kernel/actor.ts';
import { timestamp } from '../../src/kernel/clock.ts';
import { ApiError } from '../../src/kernel/errors.ts';
import type { SessionToken } from '../../src/protocol/claims.ts';
import type { Subject } from '../../src/protocol/feed.ts';
import { fingerprintsOf } from '../../src/protocol/revocation-table.ts';
import { commitAct } from '../../src/removal/act.ts';
import { type RefusedReason, SignInRefused } from '../../src/sign-in/refused.ts';
import type { SessionLineage } from '../../src/sign-in/store.ts';
import type { DatabaseKind } from '../support/postgres.ts';
import { assertRecorded, countSessions, newestRevocation } from './records.ts';
import { interleave, type Outcome, openStage, type Player } from './stepper.ts';
import { type Mutant, NO_RIGHTS_ASKED, type Person, person, type Started, type Steps } from './steps.ts';
import { createWorld, type World } from './world.ts';

/** What a step of a sign-in had come to when the race was over. */
interface Credential {
  readonly started?: Started;
  readonly session?: SessionLineage;
  readonly code?: string;
  readonly token?: SessionToken;
}

/** A step of a sign-in that mints something, and what has to be there before it. */
export interface Mint {
  readonly name: string;
  readonly before: (steps: Steps, who: Person) => Promise<Credential>;
  readonly mint: (steps: Steps, before: Credential, who: Person) => Promise<Credential>;
  /** As what it is refused when a removal was first. */
  readonly refusedAs: readonly RefusedReason[];
}

const signedIn = async (steps: Steps, who: Person) => {
  const started = await steps.start(who);
  return { started, session: await steps.finish(started) };
};

export const mints = {
  state: {
    name: 'the state of a sign-in',
    before: async () => ({}),
    mint: async (steps, _before, who) => ({ started: await steps.start(who) }),
    refusedAs: [],
  },
  session: {
    name: 'a session',
    before: async (steps, who) => ({ started: await steps.start(who) }),
    mint: async (steps, { started }) => ({ session: await steps.finish(present(started)) }),
    // After this one the person is sent to the provider again by itself.
    refusedAs: ['superseded'],
  },
  handOff: {
    name: 'a hand-off code',
    before: signedIn,
    mint: async (steps, { session }) => ({ code: await steps.handOff(present(session)) }),
    refusedAs: ['session_ended'],
  },
  token: {
    name: 'an application token',
    before: async (steps, who) => {
      const before = await signedIn(steps, who);
      return { ...before, code: await steps.handOff(before.session) };
    },
    mint: async (steps, { code }) => ({ token: await steps.redeem(present(code)) }),
    refusedAs: ['session_ended', 'hand_off_invalid'],
  },
  again: {
    name: 'a second token for the same application',
    before: async (steps, who) => {
      const before = await signedIn(steps, who);
      await steps.redeem(await steps.handOff(before.session));
      return { ...before, code: await steps.handOff(before.session) };
    },
    mint: async (steps, { code }) => ({ token: await steps.redeem(present(code)) }),
    refusedAs: ['session_ended', 'hand_off_invalid'],
  },
} satisfies Record<string, Mint>;

export function present<T>(value: T | undefined): T {
  assert.ok(value !== undefined);
  return value;
}

export const removals = {
  delete: async (steps: Steps, who: Person) =>
    steps.remove(present((await steps.idOf(who.email)) ?? undefined)),
  revoke: (steps: Steps, who: Person) => steps.revoke(who.email),
};

export type Removal = (steps: Steps, who: Person, before: Credential) => Promise<unknown>;

interface Race {
  readonly mint: Mint;
  readonly removal: Removal;
  /** The removal begins, and the mint answers. */
  readonly removalLeads?: boolean;
}

/** One schedule of two callers: how many statements the first is ahead, and how many the second then does. */
interface Schedule {
  readonly lead: number;
  readonly reply: number;
}

export const WHOLE = 1000;

/** Runs a mint against a removal by one schedule, and judges what came of it. */
async function race(
  world: World,
  [minter, remover]: readonly [Player, Player],
  { mint, removal, removalLeads = false }: Race,
  { schedule, who }: { schedule: Schedule; who: Person },
): Promise<{ violation: string | null; leadOf: number }> {
  const before = await mint.before(world.steps, who);
  const minted = minter.play(() => mint.mint(world.over(minter.database), before, who));
  const removed = remover.play(() => removal(world.over(remover.database), who, before));
  await interleave(removalLeads ? [remover, minter] : [minter, remover], schedule);
  const leadOf = (removalLeads ? remover : minter).statements;
  return {
    violation: await judge(world, { mint, before, minted: await minted, removed: await removed, who }),
    leadOf,
  };
}

/** What is wrong with the world after both have ended; null if nothing is. */
async function judge(
  world: World,
  run: {
    mint: Mint;
    before: Credential;
    minted: Outcome<Credential>;
    removed: Outcome<unknown>;
    who: Person;
  },
): Promise<string | null> {
  const removedAt =
    'value' in run.removed ? await newestRevocation(world, run.who, run.before.session) : null;
  if (removedAt !== null) await assertRecorded(world, removedAt);
  if ('error' in run.removed && !(run.removed.error instanceof ApiError)) throw run.removed.error;
  if ('error' in run.minted) {
    if (!(run.minted.error instanceof SignInRefused)) throw run.minted.error;
    const { reason } = run.minted.error;
    if (!run.mint.refusedAs.includes(reason)) return `the mint was refused as ${reason}`;
  }
  const got = { ...run.before, ...('value' in run.minted ? run.minted.value : {}) };
  const started = present(got.started);
  const isCovered = removedAt !== null && started.rev.position < removedAt;
  const token = await carryOn(world.steps, got);
  const admitted = token !== null && world.ask(token).verdict === 'allow';
  if (!isCovered) return admitted ? null : 'a sign-in that nobody revoked was refused';
  if (admitted) return 'a token of the old lineage was admitted';
  if (got.session && world.stands(got.session)) return 'a session of the old lineage stands';
  if (got.session && world.ask(world.forge(got.session)).verdict === 'allow')
    return 'a token forged from the old session was admitted';
  if (got.token && indexAdmits(world, got.token, present(got.session)))
    return 'the index of revocations alone would admit the token';
  return (await countSessions(world, started, got.session)) === 0
    ? null
    : 'a session of the old lineage is in the database';
}

/** Goes on from what there is to a token, by the ordinary steps; null where one of them refuses. */
async function carryOn(steps: Steps, got: Credential): Promise<SessionToken | null> {
  if (got.token) return got.token;
  try {
    const session = got.session ?? (await steps.finish(present(got.started)));
    return await steps.redeem(got.code ?? (await steps.handOff(session)));
  } catch (error) {
    if (error instanceof SignInRefused) return null;
    throw error;
  }
}

function indexAdmits(world: World, token: SessionToken, session: SessionLineage): boolean {
  const account = present(world.state.account(world.accountId) ?? undefined);
  const subjects: Subject[] = [
    { type: 'user', id: session.user_id },
    { type: 'email', id: session.email_key },
    { type: 'session', id: session.nonce },
  ];
  return account.revocations.stands(token.rev, fingerprintsOf(subjects));
}

interface Played {
  readonly schedules: number;
  readonly violations: readonly string[];
}

/** Of a person who is going to race: what they did before. */
export const pasts = {
  'is not known yet': async () => {},
  'has signed in before': async (world: World, who: Person) => void (await world.signIn(who)),
  'was entered by an administrator': async ({ control, accountId }: World, { email }: Person) => {
    const act = { accountId, actor: operator, authorize: NO_RIGHTS_ASKED };
    await commitAct(control, act, (tx) => createUser(tx, { accountId, email, now: timestamp(0) }));
  },
};

/**
 * Every schedule in which one of the two is ahead by any number of statements, the other then goes on by as
 * many as `replies` say or as it can, and then each goes as far as it gets.
 */
export async function playAll(
  create: DatabaseKind['create'],
  { mint, removal }: Race,
  options: { past?: keyof typeof pasts; replies?: readonly number[]; mutant?: Mutant } = {},
): Promise<Played> {
  const { past = 'has signed in before', replies = [WHOLE], mutant } = options;
  await using database = await create();
  await using world = await createWorld(database, mutant);
  await using stage = await openStage(present(database.url ?? undefined));
  const players = [stage.player('mint'), stage.player('removal')] as const;
  const violations: string[] = [];
  let schedules = 0;
  for (const removalLeads of [false, true]) {
    for (let lead = 0, total = 1; lead <= total; lead += 1) {
      for (const reply of replies) {
        schedules += 1;
        const who = person(`person-${schedules}`);
        await pasts[past](world, who);
        const played = { mint, removal, removalLeads };
        const { violation, leadOf } = await race(world, players, played, { schedule: { lead, reply }, who });
        const first = removalLeads ? 'the removal' : 'the mint';
        if (violation) violations.push(`${first} ahead by ${lead}, answered by ${reply}: ${violation}`);
        total = leadOf;
      }
    }
  }
  return { schedules, violations };
}
