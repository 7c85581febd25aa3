import { chmodSync, mkdirSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../support/free-port.ts';
import { type ApiAnswer, callApi } from './api.ts';
import { startTickingApplication, type TickingApplication } from './application.ts';
import { type Cable, layCable } from './cable.ts';
import { clockOf, type FakeClock } from './fake-clock.ts';
import { type PostgresPair, startPostgresPair } from './postgres-pair.ts';
import { type Keeper, type Managed, startKeeper } from './processes.ts';
import { type FastProvider, startFastProvider } from './provider.ts';

/** Where an application is asked for: a remote gate, or a node with its built-in one. */
export interface Door {
  readonly name: string;
  readonly port: number;
  readonly process: Managed;
  /** Keeps connections to it. */
  readonly agent: Agent;
  readonly clock: FakeClock | null;
}

export interface ClusterNode extends Door {
  /** Its connections to the database. */
  readonly cable: Cable;
}

export interface RemoteGate extends Door {
  /** Its ways to each of the nodes, the first one first. */
  readonly cables: readonly Cable[];
}

export interface EstateOptions {
  readonly nodes: number;
  /** Remote gates; with none, the nodes are the gates. */
  readonly gates: number;
  /** Seconds. */
  readonly lease: number;
  /** With a standby for which each commit waits. */
  readonly synchronous?: boolean;
  /** The clocks of the last node and the last gate can be set. */
  readonly clocks?: boolean;
  /** The checkout whose program is run; usually this one. */
  readonly root?: string;
  readonly nodeFlags?: readonly string[];
  /** Host names that the doors serve beside the usual ones are the caller's matter; this is the team domain's. */
  readonly team?: string;
}

/** Real processes on loopback: a database, nodes, gates, a provider and an application. */
export interface Estate extends AsyncDisposable {
  readonly options: EstateOptions;
  readonly folder: string;
  readonly keeper: Keeper;
  readonly accountId: string;
  readonly apiToken: string;
  readonly database: PostgresPair;
  readonly nodes: readonly ClusterNode[];
  readonly gates: readonly RemoteGate[];
  /** What people ask: the remote gates, or the nodes where there are none. */
  readonly doors: readonly Door[];
  readonly provider: FastProvider;
  readonly application: TickingApplication;
  /** One call of the API below the account on one node. Rejects if no answer comes in time. */
  api(node: ClusterNode, call: EstateCall): Promise<ApiAnswer>;
  /** The same below no account, on any node that answers; throws for whatever is no success. */
  must(method: string, path: string, body?: unknown): Promise<Record<string, unknown>>;
  /** Resolves when every node and gate says that it can decide. */
  ready(within?: number): Promise<void>;
}

export interface EstateCall {
  readonly method: string;
  /** Below /client/v4/accounts/… */
  readonly path: string;
  readonly body?: unknown;
  readonly token?: string;
  readonly retry?: number;
  /** Milliseconds. */
  readonly timeout?: number;
}

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COMPILED = join(tmpdir(), 'portcullis-test-compiled');
const CALL_WITHIN_MS = 20_000;

/** Starts it all, and ends what it started if something fails. */
export async function startEstate(options: EstateOptions): Promise<Estate> {
  await using stack = new AsyncDisposableStack();
  const keeper = stack.use(startKeeper());
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-cluster-'));
  keeper.forget(folder);
  const database = await startDatabase(keeper, folder, options);
  const [provider, application] = [await startFastProvider(), await startTickingApplication()];
  stack.use(provider);
  stack.use(application);
  const place = { folder, keeper, database, options, stack };
  const nodes: ClusterNode[] = [];
  for (let at = 1; at <= options.nodes; at += 1) nodes.push(await startNode(place, at));
  const credentials = JSON.parse(await readFile(join(folder, 'data-1', 'credentials.json'), 'utf8'));
  const parts = { accountId: credentials.account_id, apiToken: credentials.api_token, nodes };
  const must = callAnyNode(parts);
  const gates: RemoteGate[] = [];
  for (let at = 1; at <= options.gates; at += 1) gates.push(await layGate({ ...place, nodes, must }, at));
  // In threes: each of them needs a processor to start.
  for (let at = 0; at < gates.length; at += 3) {
    await Promise.all(gates.slice(at, at + 3).map((gate) => gate.process.start()));
  }
  const running = stack.move();
  return {
    ...{ options, folder, keeper, database, provider, application, gates, must, ...parts },
    doors: gates.length > 0 ? gates : nodes,
    api: (node, call) => callOnce(parts, node, call),
    ready: (within = 30_000) => allReady([...nodes, ...gates], within),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function startDatabase(keeper: Keeper, folder: string, { synchronous = false }: EstateOptions) {
  const own = join(folder, 'postgres');
  mkdirSync(own);
  chmodSync(folder, 0o755);
  return await startPostgresPair(keeper, { folder: own, synchronous });
}

interface Place {
  readonly folder: string;
  readonly keeper: Keeper;
  readonly database: PostgresPair;
  readonly options: EstateOptions;
  readonly stack: AsyncDisposableStack;
}

export const TEAM = 'team.localhost';

/** The first one makes the database and the master key; the others have the key from it. */
async function startNode({ folder, keeper, database, options, stack }: Place, at: number) {
  const name = `node-${at}`;
  const port = await freePort();
  const cable = stack.use(await layCable(`${name} to the database`, database.primaryPort));
  const clock = options.clocks && at === options.nodes ? clockOf(join(folder, `${name}.clock`)) : null;
  const args = [
    ...['serve', `--listen=127.0.0.1:${port}`, `--data=${join(folder, `data-${at}`)}`],
    ...[`--database-url=${database.urlAt(cable.port)}`, '--metrics-listen=off', '--rate-limit=off'],
    ...[`--lease=${options.lease}`, `--team-domain=${options.team ?? TEAM}`],
    ...['--trusted-proxy=127.0.0.0/8', `--master-key-file=${join(folder, 'master.key')}`],
    ...(options.nodeFlags ?? []),
  ];
  const process = manage({ folder, keeper, options }, { name, port, args, clock });
  await process.start();
  return { name, port, process, cable, clock, agent: keptAgent(stack) };
}

async function layGate(
  place: Place & { nodes: readonly ClusterNode[]; must: Estate['must'] },
  at: number,
): Promise<RemoteGate> {
  const { folder, keeper, options, stack, nodes, must } = place;
  const name = `gate-${at}`;
  const { token } = await must('POST', '/portcullis/gates', { name });
  const tokenFile = join(folder, `${name}.token`);
  await writeFile(tokenFile, String(token), { mode: 0o600 });
  const cables: Cable[] = [];
  for (let step = 0; step < nodes.length; step += 1) {
    const node = nodes[(at - 1 + step) % nodes.length];
    if (node) cables.push(stack.use(await layCable(`${name} to ${node.name}`, node.port)));
  }
  const port = await freePort();
  const planes = cables.map((cable) => `--control-plane=http://127.0.0.1:${cable.port}`);
  const args = [
    ...['gate', ...planes, `--token-file=${tokenFile}`, `--listen=127.0.0.1:${port}`],
    ...[`--data=${join(folder, `data-${name}`)}`, '--metrics-listen=off', '--trusted-proxy=127.0.0.0/8'],
  ];
  const clock = options.clocks && at === options.gates ? clockOf(join(folder, `${name}.clock`)) : null;
  const process = manage({ folder, keeper, options }, { name, port, args, clock });
  return { name, port, process, cables, clock, agent: keptAgent(stack) };
}

function manage(
  { folder, keeper, options }: Pick<Place, 'folder' | 'keeper' | 'options'>,
  { name, port, args, clock }: { name: string; port: number; args: string[]; clock: FakeClock | null },
): Managed {
  return keeper.manage({
    ...{ name, folder },
    program: globalThis.process.execPath,
    args: [join(options.root ?? ROOT, 'bin/portcullis.js'), ...args],
    env: { NODE_COMPILE_CACHE: COMPILED, ...clock?.env },
    isReady: () => isReady(port),
  });
}

function keptAgent(stack: AsyncDisposableStack): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 200 });
  stack.defer(() => agent.destroy());
  return agent;
}

async function isReady(port: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(2000) });
  await answer.arrayBuffer();
  return answer.status === 200;
}

async function allReady(doors: readonly Door[], within: number): Promise<void> {
  const until = performance.now() + within;
  for (const { name, port, process } of doors) {
    while (!(await isReady(port).catch(() => false))) {
      if (performance.now() > until) throw new Error(`${name} is not ready again:\n${await process.log()}`);
      await pause(50);
    }
  }
}

interface Parts {
  readonly accountId: string;
  readonly apiToken: string;
  readonly nodes: readonly ClusterNode[];
}

async function callOnce(
  { accountId, apiToken }: Parts,
  { port, agent }: ClusterNode,
  { method, path, body, token = apiToken, retry = 0, timeout = CALL_WITHIN_MS }: EstateCall,
): Promise<ApiAnswer> {
  const target = `/client/v4/accounts/${accountId}${path}`;
  return await callApi({ port, agent, method, target, body, token, retry, timeout });
}

/** Asked again where the answer says so, as the SDK does. */
function callAnyNode(parts: Parts): Estate['must'] {
  return async (method, path, body) => {
    for (let retry = 0; ; retry += 1) {
      const node = parts.nodes[retry % parts.nodes.length];
      if (!node) throw new TypeError('no nodes');
      const answer = await callOnce(parts, node, { method, path, body, retry }).catch(String);
      if (typeof answer !== 'string' && answer.status < 300) return answer.result;
      const isOver = typeof answer !== 'string' && answer.status < 500;
      const said = typeof answer === 'string' ? answer : `${answer.status} ${answer.text}`;
      if (isOver || retry === MOST_RETRIES) throw new Error(`${method} ${path}: ${said}`);
      await pause(300);
    }
  };
}

const MOST_RETRIES = 12;
