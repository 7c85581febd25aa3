import path from 'node:path';
import { askOnce } from '../harness/ask-once.ts';
import type { BenchContext } from '../harness/bench.ts';
import { startServe } from '../harness/program.ts';
import { type Contestant, type Results, takeTurns } from '../harness/rounds.ts';
import { type Server, startPeer } from '../harness/servers.ts';
import { type Asked, enter, megabytesPerCpuSecond, PER_CPU_SECOND } from './contestants.ts';
import type { BareProxySetup } from './peers/bare-proxy.ts';
import { nginxVersion, startNginx } from './peers/nginx.ts';
import type { World } from './world.ts';

/** What is fetched through the proxies, and for how many sessions at most. */
const FETCHED = [
  { target: '/small', what: '1 KB', sessions: 1000, unit: PER_CPU_SECOND },
  { target: '/large', what: '1 MB', sessions: 20, unit: 'MB per CPU second', value: megabytesPerCpuSecond },
] as const;

/**
 * The built-in proxy, which decides about each request, beside proxies that decide nothing: one on node:http and
 * nginx. Where the built-in proxy does not answer there is nothing to record.
 */
export async function measureProxy(context: BenchContext, world: World): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { program, usual } = world;
  const ours = stack.use(await startServe(program, { data: usual.data, core: context.cores.server }));
  const { status } = await askOnce(ours, world.proxied('/small')[0] ?? '');
  if (status !== 200) return context.say(`no proxy rows: the built-in proxy answers ${status}`);
  const file = new URL('./peers/bare-proxy.ts', import.meta.url);
  const { server: core } = context.cores;
  const setup: BareProxySetup = { upstream: world.upstream.port };
  const bare = stack.use(await startPeer(file, { core, setup }));
  const nginx = await startNginxIn(context, world, stack);
  for (const fetched of FETCHED) await compare(context, world, { ours, bare, nginx, fetched });
}

async function startNginxIn(
  { folder, cores: { server: core }, say }: BenchContext,
  { upstream }: World,
  stack: AsyncDisposableStack,
): Promise<Server | null> {
  if (nginxVersion() !== null) {
    return stack.use(await startNginx(path.join(folder, 'nginx'), { upstream: upstream.port, core }));
  }
  say('nginx is not on this machine: its rows say so');
  return null;
}

async function compare(
  context: BenchContext,
  { load, proxied }: World,
  {
    ours,
    bare,
    nginx,
    fetched: { what, target, sessions, unit, ...rest },
  }: { ours: Server; bare: Server; nginx: Server | null; fetched: (typeof FETCHED)[number] },
): Promise<void> {
  context.say(`proxies, ${what}, in turn`);
  const requests = proxied(target).slice(0, sessions);
  const start = (name: string, server: Server) =>
    // The application runs on the core of the load.
    enter(context, load, { name, server, requests, awake: false, ...rest } satisfies Asked);
  const gate = await start(`built-in proxy, ${what}`, ours);
  const onNode = await start('bare node:http proxy', bare);
  const onNginx = nginx && (await start('nginx', nginx));
  const results = await takeTurns([gate, onNode, ...(onNginx ? [onNginx] : [])], context.rounds);
  const record = (versus: { name: string; values: readonly number[] | null }) =>
    context.record({ name: gate.name, unit, values: results(gate), versus });
  record(peerOf(results, onNode));
  record(onNginx ? peerOf(results, onNginx) : { name: 'nginx', values: null });
}

function peerOf(results: Results, contestant: Contestant) {
  return { name: contestant.name, values: results(contestant) };
}
