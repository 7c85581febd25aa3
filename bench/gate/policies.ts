import path from 'node:path';
import type { BenchContext } from '../harness/bench.ts';
import { APPLICATION_HOST, apiOf, copyEstate, type Estate } from '../harness/estate.ts';
import { SOURCE_PROGRAM, startServe } from '../harness/program.ts';
import type { Goal } from '../harness/report.ts';
import { takeTurns } from '../harness/rounds.ts';
import { enter, PER_CPU_SECOND } from './contestants.ts';
import type { World } from './world.ts';

/** How much an account has to evaluate. */
export interface Rules {
  readonly applications: number;
  readonly groups: number;
  /** In each group. */
  readonly rules: number;
}

const GOAL: Goal = { of: 'ratio', atLeast: 0.9 };

/**
 * The same sessions asked about by forward-auth where one rule decides, and where the account has as many applications,
 * groups and rules as it may have, and the application names every group: what is evaluated must not be felt. From more
 * addresses in turn than a verdict is remembered for, every request is evaluated.
 */
export async function measurePolicies(context: BenchContext, world: World): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { cores, rounds, record, say } = context;
  const { load, program, questions, sizes, usual } = world;
  const estate = await fillRules(context, world);
  const start = async ({ data }: Estate) =>
    stack.use(await startServe(program, { data, core: cores.server }));
  const [ofMany, ofOne] = await Promise.all([start(estate), start(usual)]);
  const moving = questions.slice(0, sizes.asked);
  const rows = [
    { sessions: '1 session', requests: questions.slice(0, 1), goal: GOAL },
    { sessions: `${questions.length} sessions`, requests: questions, goal: GOAL },
    {
      sessions: `${moving.length} sessions, each from another address each time`,
      requests: ADDRESSES.flatMap((address) => moving.map((question) => from(address, question))),
    },
  ];
  say('forward-auth with few rules and with as many as there may be, in turn');
  for (const { sessions, requests, goal } of rows) {
    const name = `forward-auth, ${sessions}, ${sayRules(sizes.rules)}`;
    const many = await enter(context, load, { name, server: ofMany, requests });
    const one = await enter(context, load, { name: `${sessions}, one rule`, server: ofOne, requests });
    const results = await takeTurns([many, one], rounds);
    record({
      ...{ name, unit: PER_CPU_SECOND, values: results(many) },
      versus: { name: one.name, values: results(one) },
      ...(goal ? { goal } : {}),
    });
  }
}

/** More than a gate remembers of one person. */
const ADDRESSES = Array.from({ length: 12 }, (_, n) => `198.51.100.${n + 1}`);

function from(address: string, question: string): string {
  return question.replace('192.0.2.7', address);
}

function sayRules({ applications, groups, rules }: Rules): string {
  return `${applications} applications, ${groups} groups of ${rules} rules`;
}

/** The usual world with that many applications and groups, made through the API. */
async function fillRules({ folder, say }: BenchContext, { sizes, usual }: World): Promise<Estate> {
  const { applications, groups, rules } = sizes.rules;
  say(`filling the world of policies: ${sayRules(sizes.rules)}`);
  const estate = await copyEstate(usual, path.join(folder, 'policies'));
  await using server = await startServe(SOURCE_PROGRAM, {
    ...{ data: estate.data, core: null, flags: ['--rate-limit=off'] },
  });
  const api = apiOf(server, estate);
  const ids: string[] = [];
  for (let n = 0; n < groups; n += 1) {
    const include = n === groups - 1 ? [...groupRules(n, rules - 1), EVERYBODY] : groupRules(n, rules);
    ids.push(String((await api('groups', { name: `Group ${n}`, include })).id));
  }
  const policies = policiesOf(ids);
  for (let n = 2; n < applications; n += 1) {
    const destinations = [{ type: 'public', uri: `app-${n}.localhost` }];
    const named = [{ name: 'Some', decision: 'allow', include: someOf(ids, n) }];
    await api('apps', { name: `App ${n}`, type: 'self_hosted', destinations, policies: named });
  }
  const found = Object.values(await api('apps?per_page=1000', null, 'GET')) as {
    id: string;
    domain: string;
  }[];
  const { id } = found.find(({ domain }) => domain === APPLICATION_HOST) ?? {};
  const destinations = [{ type: 'public', uri: APPLICATION_HOST }];
  const body = { name: APPLICATION_HOST, type: 'self_hosted', destinations, policies };
  await api(`apps/${id}`, body, 'PUT');
  return estate;
}

const EVERYBODY = { email_domain: { domain: 'example.com' } };

/** Two groups, or one that comes twice. */
function someOf(ids: readonly string[], n: number) {
  return [ids[n % ids.length], ids[(n * 7 + 1) % ids.length]]
    .filter((id, at, all) => all.indexOf(id) === at)
    .map((id) => ({ group: { id } }));
}

/** A deny that names a third of the groups, and an allow that names the others, of which the last has everybody. */
function policiesOf(ids: readonly string[]) {
  const named = ids.map((id) => ({ group: { id } }));
  const third = Math.floor(named.length / 3);
  const denied = named.slice(0, third);
  const allowed = named.slice(third);
  return [
    { name: 'Denied', decision: 'deny', precedence: 1, include: denied },
    {
      ...{ name: 'Allowed', decision: 'allow', precedence: 2, include: allowed },
      ...{ exclude: denied, require: [named.at(-1), EVERYBODY] },
    },
  ];
}

/** Nobody's: e-mails, domains and blocks of addresses. */
function groupRules(group: number, count: number): object[] {
  return Array.from({ length: count }, (_, n) => {
    if (n % 10 === 0) return { ip: { ip: `203.0.113.${n % 256}/32` } };
    if (n % 10 === 1) return { email_domain: { domain: `d${n}.g${group}.example.org` } };
    return { email: { email: `person${n}@g${group}.example.org` } };
  });
}
