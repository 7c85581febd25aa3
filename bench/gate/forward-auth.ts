import { askOnce } from '../harness/ask-once.ts';
import type { BenchContext } from '../harness/bench.ts';
import { startServe } from '../harness/program.ts';
import type { Goal } from '../harness/report.ts';
import { takeTurns } from '../harness/rounds.ts';
import { type Server, startPeer } from '../harness/servers.ts';
import { CPU_MICROSECONDS, enter, microsecondsEach, PER_CPU_SECOND } from './contestants.ts';
import type { BareSetup } from './peers/bare.ts';
import type { BetterAuthSetup, BetterAuthTold } from './peers/better-auth.ts';
import type { OidcProviderSetup, OidcProviderTold } from './peers/oidc-provider.ts';
import type { World } from './world.ts';

const BESIDE_BARE: Goal = { of: 'ratio', atLeast: 0.75 };
const BESIDE_LIBRARIES: Goal = { of: 'ratio', atLeast: 5 };

/**
 * A decision of the gate by forward-auth, about one session and about many, beside a bare server that is given
 * the same requests and returns the same headers, and beside what others do to know whether a session lives.
 */
export async function measureForwardAuth(context: BenchContext, world: World): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { load, questions } = world;
  const { server, betterAuth: auth, oidcProvider: provider } = await startAll(context, world, stack);
  const bare = await startBare(context, { stack, server, question: questions[0] ?? '' });
  const one = questions.slice(0, 1);
  context.say('forward-auth: warming up');
  const ofOne = await enter(context, load, { name: 'forward-auth, 1 session', server, requests: one });
  await recordFirstQuestions(context, world, server);
  const name = `forward-auth, ${questions.length} sessions`;
  const ofAll = await enter(context, load, { name, server, requests: questions });
  const bareOfOne = await enter(context, load, { ...bare, requests: one });
  const bareOfAll = await enter(context, load, { ...bare, requests: questions });
  const betterAuth = await enter(context, load, auth);
  const oidcProvider = await enter(context, load, provider);
  context.say('forward-auth and its peers, in turn');
  const all = [ofOne, bareOfOne, ofAll, bareOfAll, betterAuth, oidcProvider];
  const results = await takeTurns(all, context.rounds);
  for (const [ours, theirs, goal] of [
    [ofOne, bareOfOne, BESIDE_BARE],
    [ofAll, bareOfAll, BESIDE_BARE],
    [ofAll, betterAuth, BESIDE_LIBRARIES],
    [ofAll, oidcProvider, BESIDE_LIBRARIES],
  ] as const) {
    const versus = { name: theirs.name, values: results(theirs) };
    context.record({ name: ours.name, unit: PER_CPU_SECOND, values: results(ours), versus, goal });
  }
}

const CHUNKS = 10;

/** What the caches spare: the first question about a session checks a signature and signs an assertion. */
async function recordFirstQuestions(
  { record }: BenchContext,
  { load, questions }: World,
  server: Server,
): Promise<void> {
  const size = Math.floor((questions.length - 1) / CHUNKS);
  const values: number[] = [];
  for (let chunk = 0; chunk < CHUNKS; chunk += 1) {
    const requests = questions.slice(1 + chunk * size, 1 + (chunk + 1) * size);
    values.push(microsecondsEach(await load.ask(server, { requests })));
  }
  record({ name: 'forward-auth, the first question about a session', unit: CPU_MICROSECONDS, values });
}

/** Ours, and the peers that need nothing of it. */
async function startAll(
  { cores: { server: core } }: BenchContext,
  { program, usual, questions: { length } }: World,
  stack: AsyncDisposableStack,
) {
  const betterAuthFile = new URL('./peers/better-auth.ts', import.meta.url);
  const oidcProviderFile = new URL('./peers/oidc-provider.ts', import.meta.url);
  const [server, auth, provider] = await Promise.all([
    startServe(program, { data: usual.data, core }).then((one) => stack.use(one)),
    startPeer<BetterAuthSetup, BetterAuthTold>(betterAuthFile, { core, setup: { sessions: length } }).then(
      (one) => stack.use(one),
    ),
    startPeer<OidcProviderSetup, OidcProviderTold>(oidcProviderFile, {
      core,
      setup: { tokens: length },
    }).then((one) => stack.use(one)),
  ]);
  return {
    server,
    betterAuth: { name: 'better-auth getSession', server: auth, ...auth.told },
    oidcProvider: { name: 'oidc-provider introspection', server: provider, ...provider.told },
  };
}

/** The bare server returns the headers of one of our answers. */
async function startBare(
  { cores: { server: core } }: BenchContext,
  { stack, server, question }: { stack: AsyncDisposableStack; server: Server; question: string },
) {
  const setup: BareSetup = { headers: await headersOfAnswer(server, question) };
  const bare = await startPeer(new URL('./peers/bare.ts', import.meta.url), { core, setup });
  return { name: 'bare node:http', server: stack.use(bare) };
}

/** The headers of an admission; those that node adds by itself are left to it. */
async function headersOfAnswer(server: Server, question: string): Promise<Record<string, string>> {
  const { status, headers } = await askOnce(server, question);
  if (status !== 200 || !headers['cf-access-jwt-assertion']) throw new Error(`not admitted: ${status}`);
  const { date: _, connection: __, 'keep-alive': ___, ...rest } = headers;
  return rest;
}
