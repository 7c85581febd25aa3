import { PERMISSIONS, tokenWith } from './actors.ts';
import { askOnce, keepAsking, type Loop, type Visitor } from './channels.ts';
import type { Estate } from './estate.ts';
import type { Credential, History } from './history.ts';
import { MAIN, SECOND, type SignedIn, signInto } from './people.ts';
import type { FastProvider } from './provider.ts';
import type { Random } from './random.ts';
import { rootOf } from './removals.ts';

/** What the account has: made once, at the beginning. */
export interface Account {
  readonly providerId: string;
  readonly mainId: string;
  readonly secondId: string;
}

const CLIENT = { client_id: 'portcullis', client_secret: 'a secret of the harness' };

/** The body of an identity provider; it comes without a path for another issuer only. */
export function providerBody(name: string, { endpoints }: FastProvider, more: object = {}) {
  return { name, type: 'oidc', config: { ...CLIENT, ...endpoints, ...more } };
}

export async function prepareAccount(estate: Estate): Promise<Account> {
  const { must, provider } = estate;
  const { id } = await must('POST', '/access/identity_providers', providerBody('First', provider));
  const main = await createApplication(estate, MAIN);
  const second = await createApplication(estate, SECOND);
  return { providerId: String(id), mainId: main, secondId: second };
}

async function createApplication({ must, application }: Estate, host: string): Promise<string> {
  const { id } = await must('POST', '/access/apps', {
    name: host,
    type: 'self_hosted',
    destinations: [{ type: 'public', uri: host, upstream: application.origin }],
    policies: [
      { name: 'Everyone', decision: 'allow', include: [{ everyone: {} }] },
      { name: 'Programs', decision: 'non_identity', include: [{ any_valid_service_token: {} }] },
    ],
  });
  return String(id);
}

/** A new service token, as whoever shows it. */
export async function createRobot(
  { must }: Estate,
  history: History,
  { name, isHealthy = false }: { name: string; isHealthy?: boolean },
): Promise<Visitor & { readonly tokenId: string }> {
  const made = await must('POST', '/access/service_tokens', { name });
  const tokenId = String(made.id);
  const now = history.now();
  const credential: Credential = {
    kind: 'credential',
    id: name,
    ...{ isHealthy, born: now, rev: null },
    roots: [{ of: rootOf.serviceToken(tokenId), since: now }],
  };
  history.add(credential);
  const headers = {
    'cf-access-client-id': String(made.client_id),
    'cf-access-client-secret': String(made.client_secret),
  };
  return { credential, host: MAIN, headers, tokenId };
}

/** People and a program who are never removed, asking at every door all the time. */
export async function startHealthy(
  estate: Estate,
  history: History,
  { every, random }: { every: number; random: Random },
): Promise<Loop & { admittedEverywhere(): Promise<boolean> }> {
  const visitors: Visitor[] = [
    await createRobot(estate, history, { name: 'healthy-robot', isHealthy: true }),
  ];
  for (const person of ['healthy-ana', 'healthy-ben', 'healthy-eva']) {
    const door = random.pick(estate.doors);
    const node = random.pick(estate.nodes);
    const made = await signInto(estate, history, { person, node, door, isHealthy: true });
    if (!made) throw new Error(`${person} cannot sign in`);
    visitors.push(made);
  }
  const loops = estate.doors.map((door, at) => {
    const visitor = visitors[at % visitors.length] as Visitor;
    return keepAsking(history, { visitor, doors: [door], every });
  });
  const [first] = visitors;
  return {
    stop: async () => {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
    admittedEverywhere: async () => {
      if (!first) return false;
      const asked = estate.doors.map((door) => askOnce(history, { visitor: first, door }));
      return (await Promise.all(asked)).every(({ isAdmitted }) => isAdmitted);
    },
  };
}

/** Signs that many people in, some at a time; those who could are answered. */
export async function signInMany(
  estate: Estate,
  history: History,
  { people, random, second }: { people: readonly string[]; random: Random; second?: string },
): Promise<SignedIn[]> {
  const waiting = [...people];
  const made: SignedIn[] = [];
  const next = async () => {
    for (let person = waiting.shift(); person !== undefined; person = waiting.shift()) {
      const place = { node: random.pick(estate.nodes), door: random.pick(estate.doors) };
      const where = second === undefined ? {} : { host: SECOND, application: second };
      const one = await signInto(estate, history, { person, ...place, ...where });
      if (one) made.push(one);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  return made;
}

const AT_ONCE = 6;

/** A token of the API that may do one thing, and does it again and again. */
export async function startActor(
  estate: Estate,
  history: History,
  { name, random }: { name: string; random: Random },
): Promise<Loop & { readonly tokenId: string }> {
  const { tokenId, value } = await tokenWith(estate, name, PERMISSIONS);
  const object = await estate.must('POST', '/access/service_tokens', { name: `of ${name}` });
  const state = { isOver: false, running: Promise.resolve() };
  const act = async (at: number) => {
    const node = random.pick(estate.nodes);
    const begin = history.now();
    const path = `/access/service_tokens/${object.id}`;
    const call = { method: 'PUT', path, token: value, body: { name: `${name} ${at}` }, timeout: 6000 };
    const status = await estate.api(node, call).then(
      (answer) => answer.status,
      () => 0,
    );
    history.add({ kind: 'act', actor: tokenId, node: node.name, begin, end: history.now(), status });
  };
  const run = async () => {
    for (let at = 0; !state.isOver; at += 1) {
      await act(at);
      await new Promise((done) => setTimeout(done, 30));
    }
  };
  state.running = run();
  return {
    tokenId,
    stop: async () => {
      state.isOver = true;
      await state.running;
    },
  };
}
