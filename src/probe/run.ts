import type { Stopwatch } from '../kernel/clock.ts';
import type { Api } from './api.ts';
import type { Application } from './application.ts';
import { holdStream, holdWebSocket, loopRequests, type Way } from './channels.ts';
import { causeOf, ProbeFailed } from './failed.ts';
import { ensureObjects, type Places, REMOVAL_WITHIN } from './objects.ts';
import { findPerson, forgetPerson, newPerson, signIn } from './person.ts';
import type { Client, ProbePerson, Provider } from './provider.ts';
import {
  CHANNELS,
  type Channel,
  createRecorder,
  type Finding,
  judge,
  type Recorder,
  type Removal,
  type Verdict,
} from './recorder.ts';
import type { Dial } from './send.ts';
import { pause, until } from './until.ts';

export type RemovalKind = 'delete' | 'revoke';

/** A gate by the name that the operator gave it. */
export interface Gate {
  readonly name: string;
  readonly dial: Dial;
}

/** All that a run needs; the same for every run of a process. */
export interface Parts {
  readonly api: Api;
  readonly control: Dial;
  readonly gates: readonly Gate[];
  readonly account: string;
  readonly team: string;
  readonly places: Places;
  readonly client: Client;
  readonly provider: Provider;
  readonly application: Application;
  readonly stopwatch: Stopwatch;
  readonly removal: RemovalKind;
  /** Milliseconds: for each step before the removal, and for the watch after it. */
  readonly timeout: number;
  readonly watch: number;
}

/** What a run found. `removal_ms` is how long the removal call took. */
export interface Outcome {
  readonly verdict: Verdict;
  readonly removal: RemovalKind;
  readonly removal_ms: number;
  readonly findings: readonly Finding[];
  /** Why the person is still in the account; null if they are not. */
  readonly left_behind: string | null;
}

/** What the network may have in flight for this long is not held against a gate; beyond it, messages are late. */
const IN_FLIGHT = 1000;
const AGAIN = 100;
const HURRY = 10_000;

/**
 * One probe: a new person signs in, uses the application through every gate, and is removed; the person is gone
 * afterwards, whatever happens. Throws ProbeFailed where it could not find out.
 */
export async function runProbe(parts: Parts, signal: AbortSignal): Promise<Outcome> {
  const { api, account, places, client } = parts;
  await ensureObjects(api, { account, places, client, signal });
  const person = newPerson();
  // What was found, or why nothing was, is never lost to a failure of the tidying up.
  const forget = () => {
    const patience = AbortSignal.timeout(signal.aborted ? HURRY : REMOVAL_WITHIN);
    return forgetPerson(api, { account, person, signal: patience }).then(() => null, failureOf);
  };
  try {
    const cookie = await signInSoon(parts, person, signal);
    const found = await probe(parts, { person, cookie, signal });
    return { ...found, left_behind: await forget() };
  } catch (error) {
    await forget();
    throw error;
  }
}

/** Gates may hear of the application and the provider a moment later, so the sign-in is tried for a while. */
async function signInSoon(parts: Parts, person: ProbePerson, signal: AbortSignal): Promise<string> {
  const { control, gates, team, places, provider, application, stopwatch, timeout } = parts;
  const [gate] = gates;
  if (!gate) throw new ProbeFailed('there is no gate to probe');
  const way = { control, gate: gate.dial, gateName: `gate ${gate.name}`, team, host: places.host, provider };
  const last: { problem?: ProbeFailed } = {};
  const cookie = await until({ stopwatch, within: timeout, every: AGAIN, signal }, async () => {
    try {
      return await signIn({ ...way, marker: application.marker, signal }, person);
    } catch (error) {
      if (!(error instanceof ProbeFailed)) throw error;
      last.problem = error;
      return null;
    }
  });
  if (cookie === null) throw last.problem ?? new ProbeFailed('nobody can sign in');
  return cookie;
}

interface SignedIn {
  readonly person: ProbePerson;
  readonly cookie: string;
  readonly signal: AbortSignal;
}

async function probe(
  parts: Parts,
  { person, cookie, signal }: SignedIn,
): Promise<Omit<Outcome, 'left_behind'>> {
  const { api, account, application, stopwatch } = parts;
  const id = await findPerson(api, { account, person, signal });
  if (id === null)
    throw new ProbeFailed(`the control plane does not know ${person.email}, who has signed in`);
  const removal: Removal = { begun: null, returned: null };
  const over = new AbortController();
  const stop = () => over.abort();
  signal.addEventListener('abort', stop);
  const { recorders, done } = startChannels(parts, { removal, cookie, signal: over.signal });
  try {
    await untilReady(parts, recorders, signal);
    application.takeStall();
    removal.begun = stopwatch.elapsed();
    await remove(parts, { id, email: person.email }, signal);
    removal.returned = stopwatch.elapsed();
    await watch(parts, { recorders, signal });
    const findings = recorders.map((one) => one.finding(IN_FLIGHT + application.takeStall()));
    const removal_ms = removal.returned - removal.begun;
    return { verdict: judge(findings), removal: parts.removal, removal_ms, findings };
  } finally {
    signal.removeEventListener('abort', stop);
    over.abort();
    await done;
  }
}

const HOW: Readonly<Record<Channel, (way: Way, recorder: Recorder) => Promise<void>>> = {
  requests: loopRequests,
  stream: holdStream,
  websocket: holdWebSocket,
};

function startChannels(
  { gates, places, team, application, stopwatch }: Parts,
  { removal, cookie, signal }: { removal: Removal; cookie: string; signal: AbortSignal },
): { recorders: Recorder[]; done: Promise<unknown> } {
  const common = { host: places.host, team, cookie, application, removal, stopwatch, signal };
  const started = gates.flatMap(({ name: gate, dial }) =>
    CHANNELS.map((channel) => {
      const recorder = createRecorder({ gate, channel }, removal);
      return { recorder, done: HOW[channel]({ ...common, gate: dial }, recorder) };
    }),
  );
  return {
    recorders: started.map(({ recorder }) => recorder),
    done: Promise.allSettled(started.map(({ done }) => done)),
  };
}

async function untilReady(
  { stopwatch, timeout }: Parts,
  recorders: readonly Recorder[],
  signal: AbortSignal,
): Promise<void> {
  const waiting = () => recorders.filter((recorder) => !recorder.isReady());
  const patience = { stopwatch, within: timeout, every: 5, signal };
  if ((await until(patience, () => (waiting().length === 0 ? true : null))) !== null) return;
  const problems = waiting().map((recorder) => {
    const { gate, channel } = recorder.finding(0);
    return `gate ${gate}: ${channel} do not get through (${recorder.lastNote()})`;
  });
  throw new ProbeFailed(problems.join('; '));
}

async function remove(
  { api, account, removal }: Parts,
  { id, email }: { id: string; email: string },
  signal: AbortSignal,
): Promise<void> {
  const at = `/accounts/${account}/access`;
  const options = { timeout: REMOVAL_WITHIN, signal };
  if (removal === 'delete') await api.call('DELETE', `${at}/users/${id}`, options);
  else await api.call('POST', `${at}/organizations/revoke_user`, { ...options, body: { email } });
}

/** Until every channel has been refused and nothing is open, and at least as long as a message may be in flight. */
async function watch(
  { stopwatch, watch: within }: Parts,
  { recorders, signal }: { recorders: readonly Recorder[]; signal: AbortSignal },
): Promise<void> {
  const isOver = () => recorders.every((recorder) => recorder.isOver());
  await pause(IN_FLIGHT, signal);
  await until({ stopwatch, within: within - IN_FLIGHT, every: 20, signal }, () => (isOver() ? true : null));
  signal.throwIfAborted();
}

/** What a run that threw is told as. */
export function failureOf(error: unknown): string {
  return error instanceof ProbeFailed ? error.message : causeOf(error);
}
