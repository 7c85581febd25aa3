import { setTimeout as pause } from 'node:timers/promises';
import { keepAsking, type Loop, type OpenExchange, watchExchanges } from './channels.ts';
import { providerBody } from './crowd.ts';
import type { Door, Estate } from './estate.ts';
import type { History } from './history.ts';
import { suffer } from './nemeses.ts';
import { MAIN, type SignedIn, signInto } from './people.ts';
import { createRandom } from './random.ts';
import { callRemoval, deleteUser, repointProvider } from './removals.ts';

/*
 * Schedules that are aimed at one way of being wrong each. A product that is right passes them all; a mutant
 * (mutants.ts) fails the one that is aimed at it.
 */

const ASK_EVERY = 40;

/**
 * Somebody has a stream and a WebSocket open, and asks, at every door; all doors but the first node are cut off from
 * what they follow while their leases last; then the person is removed on the first node (schedules 4 and 6).
 */
export async function removeBehindPartition(estate: Estate, history: History): Promise<void> {
  const [node] = estate.nodes;
  const [first] = estate.doors;
  if (!node || !first) throw new TypeError('an estate without nodes');
  const person = await mustSignIn(estate, history, { person: 'parted', node, door: first });
  const doors = [...new Set<Door>([...estate.nodes, ...estate.gates])];
  const open = await openEverywhere(estate, history, { person, doors });
  const cables = [
    ...estate.nodes.slice(1).map(({ cable }) => cable),
    ...estate.gates.flatMap((gate) => gate.cables),
  ];
  const touches = [...estate.nodes.slice(1), ...estate.gates].map(({ name }) => name);
  const fault = {
    name: 'part all but the first node',
    touches,
    strike: () => cables.forEach((cable) => void cable.block('there', 'back')),
    heal: () => cables.forEach((cable) => void cable.heal()),
  };
  await pause(300);
  const suffering = suffer(history, fault, estate.options.lease * 1000 * 2);
  await pause(50);
  await callRemoval(estate, history, { removal: deleteUser(person), random: createRandom(1), first: node });
  await suffering;
  await pause(500);
  await Promise.all(open.map((one) => one.stop()));
}

async function openEverywhere(
  estate: Estate,
  history: History,
  { person, doors }: { person: SignedIn; doors: readonly Door[] },
): Promise<Loop[]> {
  const exchanges = watchExchanges(estate, history);
  const open: (Loop | OpenExchange | null)[] = [];
  for (const door of doors) {
    open.push(keepAsking(history, { visitor: person, doors: [door], every: ASK_EVERY }));
    for (const channel of ['socket', 'stream', 'upload'] as const) {
      open.push(await exchanges.open(person, door, channel));
    }
  }
  return open.filter((one) => one !== null);
}

/**
 * Somebody is on their way back from a provider; the provider is pointed elsewhere, and that has returned, before the
 * browser is back (schedule 2), or so many milliseconds after it is (schedule 1). Whoever came through it then must
 * not get in.
 */
export async function repointDuringSignIn(
  estate: Estate,
  history: History,
  { person, after }: { person: string; after: number | null },
): Promise<void> {
  const [node] = estate.nodes;
  const [door] = estate.doors;
  if (!node || !door) throw new TypeError('an estate without nodes');
  const body = (claim: string) => providerBody(person, estate.provider, { email_claim_name: claim });
  const id = String((await estate.must('POST', '/access/identity_providers', body('email'))).id);
  const removal = repointProvider(id, body('mail'));
  const remove = () => callRemoval(estate, history, { removal, random: createRandom(1), first: node });
  let removing: Promise<unknown> = Promise.resolve();
  const meanwhile = async () => {
    if (after === null) await remove();
    else removing = pause(after).then(remove);
  };
  const made = await signInto(estate, history, { person, node, door, host: MAIN, idp: id, meanwhile });
  await removing;
  if (!made) return;
  const loop = keepAsking(history, { visitor: made, doors: estate.doors, every: ASK_EVERY });
  await pause(500);
  await loop.stop();
}

async function mustSignIn(
  estate: Estate,
  history: History,
  options: Parameters<typeof signInto>[2],
): Promise<SignedIn> {
  const made = await signInto(estate, history, options);
  if (!made) throw new Error(`${options.person} cannot sign in`);
  return made;
}
