import { setTimeout as pause } from 'node:timers/promises';
import { type Exchanges, keepAsking, type Loop, type OpenExchange, watchExchanges } from './channels.ts';
import { type Account, createRobot, signInMany, startActor, startHealthy } from './crowd.ts';
import type { Estate } from './estate.ts';
import { type Channel, type History, MACHINE } from './history.ts';
import { type Fault, type FaultKind, makeFault, suffer } from './nemeses.ts';
import { type SignedIn, signInto } from './people.ts';
import { createRandom, type Random } from './random.ts';
import {
  callRemoval,
  deleteApiToken,
  deleteServiceToken,
  deleteUser,
  type Removal,
  revokeApplication,
  revokeUser,
} from './removals.ts';

/** What a run does. The same seed gives the same faults, targets and removals, in the same order. */
export interface RunOptions {
  readonly seed: number;
  /** The faults of each round, all at once; an empty list is a healthy round. */
  readonly rounds: readonly (readonly FaultKind[])[];
  /** How many people are removed in each round. */
  readonly batch: number;
  readonly say: (line: string) => void;
  /** Milliseconds between two requests of one loop. */
  readonly every?: number;
  /** Asked after each round: true ends the run before all rounds are done. */
  readonly isEnough?: () => boolean;
  /** Only the main application is behind the doors. */
  readonly hasOneHost?: boolean;
}

export interface RoundResult {
  readonly faults: readonly string[];
  /** How many connections were open when removals began, and how many of them were still open soon after all had returned. */
  readonly open: number;
  readonly stillOpen: number;
}

const LOOK_EVERY_MS = 50;
const A_STALL_MS = 400;

/** A machine that stands still makes leases run out, and that is nobody's fault: the history says when it did. */
function watchStalls(history: History): () => void {
  let last = history.now();
  const timer = setInterval(() => {
    const now = history.now();
    const name = `the machine stood still for ${Math.round(now - last)} ms`;
    if (now - last > A_STALL_MS) {
      history.add({ kind: 'fault', name, touches: [MACHINE], begin: last, healed: now });
    }
    last = now;
  }, LOOK_EVERY_MS);
  return () => clearInterval(timer);
}

interface World {
  readonly estate: Estate;
  readonly history: History;
  readonly account: Account;
  readonly exchanges: Exchanges;
  readonly random: Random;
  readonly every: number;
  readonly hasOneHost: boolean;
  /** Nobody of an earlier run has these names. */
  readonly prefix: string;
}

const CHANNELS: readonly Channel[] = ['socket', 'stream', 'upload'];
/** A connection that was reset is known to be so here after some turns of the loop. */
const NOTICED_WITHIN_MS = 100;
const SETTLE_MS = 300;
const AFTERWARDS_MS = 700;
const RECOVERS_WITHIN_MS = 20_000;

/** Does all rounds. What breaks an invariant is for the checker; rejects only if the harness itself cannot go on. */
export async function run(
  estate: Estate,
  history: History,
  account: Account,
  options: RunOptions,
): Promise<RoundResult[]> {
  const random = createRandom(options.seed);
  const every = options.every ?? 120;
  const exchanges = watchExchanges(estate, history);
  const { hasOneHost = false } = options;
  const prefix = `r${Math.round(history.now()).toString(36)}`;
  const world = { estate, history, account, random, every, exchanges, hasOneHost, prefix };
  const endWatch = watchStalls(history);
  const healthy = await startHealthy(estate, history, { every: 200, random });
  const results: RoundResult[] = [];
  try {
    for (const [at, kinds] of options.rounds.entries()) {
      const faults = kinds.map((kind) => makeFault(estate, random, kind));
      const names = faults.map(({ name }) => name);
      options.say(`round ${at + 1} of ${options.rounds.length}: ${names.join(', ') || 'nothing wrong'}`);
      results.push({ faults: names, ...(await doRound(world, { at, faults, batch: options.batch })) });
      await recovered(healthy, estate);
      if (options.isEnough?.()) break;
    }
  } finally {
    await healthy.stop();
    endWatch();
  }
  return results;
}

interface Round {
  readonly at: number;
  readonly faults: readonly Fault[];
  readonly batch: number;
}

async function doRound(world: World, { at, faults, batch }: Round) {
  const { estate, history, random } = world;
  const names = Array.from({ length: batch }, (_, n) => `${world.prefix}-p${at}-${n}`);
  const people = await signInMany(estate, history, { people: names, random });
  const loops = people.flatMap((visitor) => askAround(world, visitor));
  const opened = await Promise.all(people.map((person) => openOne(world, person)));
  const planned = people.map((person) => plan(world, person));
  const others = await otherRemovals(world, at, loops);
  await pause(SETTLE_MS);
  const isOpen = (exchange: OpenExchange | null) => exchange?.isOpen() === true;
  const open = opened.filter(isOpen).length;
  const span = faults.length > 0 ? estate.options.lease * random.between(1500, 2500) : 200;
  const suffering = faults.map((fault) => suffer(history, fault, span));
  const removing = [...planned, ...others].map(async (work) => {
    await pause(random.between(0, span));
    await work();
  });
  await Promise.all([...suffering, ...removing]);
  await pause(NOTICED_WITHIN_MS);
  const stillOpen = opened.filter(isOpen).length;
  await pause(AFTERWARDS_MS);
  await Promise.all([...loops, ...opened].map((one) => one?.stop()));
  return { open, stillOpen };
}

/** Two doors, each with a loop of its own: one that hangs does not keep the other waiting. */
function askAround({ estate, history, random, every }: World, visitor: SignedIn): Loop[] {
  const doors = new Set([random.pick(estate.doors), random.pick(estate.doors)]);
  return [...doors].map((door) => keepAsking(history, { visitor, doors: [door], every }));
}

async function openOne({ estate, exchanges, random }: World, person: SignedIn): Promise<OpenExchange | null> {
  return await exchanges.open(person, random.pick(estate.doors), random.pick(CHANNELS));
}

/** One removal of a person: alone, on two nodes at once, or while they are signing in again. */
function plan(world: World, person: SignedIn): () => Promise<void> {
  const { random } = world;
  const removal = random.chance(0.6) ? deleteUser(person) : revokeUser(person);
  const kind = random.next();
  if (kind < 0.12) return () => removeTwice(world, removal);
  if (kind < 0.3) return () => removeWhileSigningIn(world, person, removal);
  return () => remove(world, removal);
}

async function remove({ estate, history, random }: World, removal: Removal): Promise<void> {
  await callRemoval(estate, history, { removal, random });
}

async function removeTwice(world: World, removal: Removal): Promise<void> {
  await Promise.all([remove(world, removal), remove(world, removal)]);
}

/** The provider has approved before the removal is called; the browser comes back at any time around it. */
async function removeWhileSigningIn(world: World, { person }: SignedIn, removal: Removal): Promise<void> {
  const { estate, history, random } = world;
  const { promise: approved, resolve } = Promise.withResolvers<void>();
  const place = { person, node: random.pick(estate.nodes), door: random.pick(estate.doors) };
  const meanwhile = async () => {
    resolve();
    await pause(random.between(0, 60));
  };
  const signingIn = signInto(estate, history, { ...place, meanwhile });
  await Promise.race([approved, signingIn]);
  await remove(world, removal);
  const again = await signingIn;
  if (!again) return;
  const loops = askAround(world, again);
  await pause(AFTERWARDS_MS);
  await Promise.all(loops.map((loop) => loop.stop()));
}

/** Beside people: a program, now and then everybody of an application, and an authority that is being used. */
async function otherRemovals(world: World, at: number, loops: Loop[]): Promise<(() => Promise<void>)[]> {
  const { estate, history, account, random } = world;
  const robot = await createRobot(estate, history, { name: `${world.prefix}-robot-${at}` });
  for (const door of estate.doors.slice(0, 3)) {
    loops.push(keepAsking(history, { visitor: robot, doors: [door], every: world.every }));
  }
  const actor = await startActor(estate, history, { name: `${world.prefix}-actor-${at}`, random });
  loops.push(actor);
  const works = [
    () => remove(world, deleteServiceToken(robot.tokenId)),
    () => remove(world, deleteApiToken(actor.tokenId)),
  ];
  if (at % 2 === 0 && !world.hasOneHost) {
    const second = account.secondId;
    const people = [1, 2].map((n) => `${world.prefix}-s${at}-${n}`);
    const some = await signInMany(estate, history, { people, random, second });
    loops.push(...some.flatMap((visitor) => askAround(world, visitor)));
    works.push(() => remove(world, revokeApplication(second)));
  }
  return works;
}

/** Everything is ready and everybody who should be is admitted, or it took too long, which the checker will say. */
async function recovered(healthy: { admittedEverywhere(): Promise<boolean> }, estate: Estate): Promise<void> {
  const until = performance.now() + RECOVERS_WITHIN_MS;
  await estate.ready(RECOVERS_WITHIN_MS).catch(() => {});
  while (!(await healthy.admittedEverywhere()) && performance.now() < until) await pause(100);
}
