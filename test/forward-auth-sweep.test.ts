import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { valuesOf } from './support/application.ts';
import { type BehindProxy, type Front, startBehind } from './support/behind-proxy.ts';
import { caddy } from './support/caddy.ts';
import { tokenIn } from './support/forge.ts';
import { haproxy } from './support/haproxy.ts';
import { type HostileRequest, hostileRequests, isPlain, MARK, toBytes } from './support/hostile-requests.ts';
import { createInspector, type Inspector, ownerOf, type Told } from './support/inspector.ts';
import { nginx } from './support/nginx.ts';
import { Wire } from './support/wire.ts';

/*
 * Ten thousand hostile requests, the same through each proxy. Whatever reaches the application must do so with a
 * valid credential, with exactly the identity that belongs to it, and at a path that no reading takes out of the
 * application that was judged; and no two proxies may disagree about whose it is.
 */

const COUNT = 10_000;
/** SWEEP_SEED=random, or the number that a failed run has printed. */
const SEED = seedOf(process.env.SWEEP_SEED);
const CONNECTIONS = 6;
const PROXIES = [nginx, caddy, haproxy];

/** What became of a request: whose it was when it reached the application, and the status that the client saw. */
interface Outcome {
  readonly told: Told | null;
  readonly status: number;
}

describe(`a sweep of ${COUNT} hostile requests, seed ${SEED}`, () => {
  const here = PROXIES.filter((proxy) => proxy.isMissing() === false);
  const requests = hostileRequests(COUNT, SEED);
  const outcomes = new Map<string, readonly Outcome[]>();
  let world: BehindProxy;
  let inspect: Inspector;
  let cookies: Readonly<Record<HostileRequest['holder'], string | null>>;

  before(async () => {
    if (here.length === 0) return;
    world = await startBehind(here);
    inspect = await createInspector(world);
    const [{ site }] = world.fronts as [Front];
    const ana = `CF_Authorization=${tokenIn(await world.signIn('ana', site), site)}`;
    const ben = `CF_Authorization=${tokenIn(await world.signIn('ben', site, '/admin'), site)}`;
    const garbage = `${ana.slice(0, -8)}AAAAAAAA`;
    cookies = { ana, ben, both: `${ana}; ${ben}`, nobody: null, garbage };
  });
  after(async () => await world?.[Symbol.asyncDispose]());

  for (const proxy of PROXIES) {
    test(`through ${proxy.name} nothing passes but what may`, {
      skip: proxy.isMissing(),
    }, async (context) => {
      const front = world.fronts.find((one) => one.proxy === proxy) ?? assert.fail();
      const statuses = await sendAll(front);
      const told = await lookAtArrived();
      const found = requests.map((_, at) => ({ told: told.get(at) ?? null, status: statuses[at] ?? 0 }));
      outcomes.set(proxy.name, found);
      describeOutcomes(context, found);
      for (const [at, one] of requests.entries()) {
        if (isPlain(one) && mayAsk(one)) assert.ok(found[at]?.told, `${one.target} was not served`);
      }
      const reached = [...told.values()];
      for (const aud of Object.values(world.aud)) {
        assert.ok(
          reached.filter((one) => one.aud === aud).length > 100,
          'too little arrived to mean anything',
        );
      }
    });
  }

  test('no two proxies disagree about whose a request is', { skip: here.length < 2 }, () => {
    for (const [at, one] of requests.entries()) {
      const reached = [...outcomes].flatMap(([name, found]) => {
        const told = found[at]?.told;
        return told ? [{ name, whose: `${told.email} ${told.aud}` }] : [];
      });
      assert.ok(new Set(reached.map(({ whose }) => whose)).size <= 1, JSON.stringify([one, reached]));
    }
  });

  /** Over a few connections that are kept alive; the status of each answer, 0 for none. */
  async function sendAll({ port, site }: Front): Promise<number[]> {
    const statuses: number[] = [];
    const { host } = new URL(site);
    const connection = async (first: number) => {
      using wire = new Wire(port);
      for (let at = first; at < requests.length; at += CONNECTIONS) {
        const one = requests[at] ?? assert.fail();
        const cookie = cookies[one.holder];
        const answer = await wire.ask(toBytes(one, { host, cookie, mark: at }), one.method.toUpperCase());
        statuses[at] = answer?.status ?? 0;
        assert.doesNotMatch(answer?.head ?? '', /^(?:cf-access-|cookie:)/im, nameOf(one));
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, (_, first) => connection(first)));
    return statuses;
  }

  /** Every request that reached the application, by its number; fails on one that should not have. */
  async function lookAtArrived(): Promise<Map<number, Told>> {
    const told = new Map<number, Told>();
    for (const arrived of world.application.arrived.splice(0)) {
      const marks = valuesOf(arrived, MARK);
      const at = Number(marks[0]);
      const one = requests[at];
      assert.ok(marks.length === 1 && one, `nobody sent ${arrived.method} ${arrived.target}`);
      assert.ok(!told.has(at), `it arrived twice: ${nameOf(one)}`);
      const found = await inspect(arrived).catch((cause) => assert.fail(`${nameOf(one)}: ${cause.message}`));
      assert.equal(found.email, `${one.holder}@example.com`, nameOf(one));
      assert.equal(found.aud, one.holder === 'ben' ? world.aud.admin : world.aud.root, nameOf(one));
      told.set(at, found);
    }
    return told;
  }
});

function mayAsk({ holder, target }: HostileRequest): boolean {
  return ownerOf(target) === 'admin' ? holder === 'ben' : holder === 'ana';
}

function nameOf(one: HostileRequest): string {
  return JSON.stringify(one).slice(0, 500);
}

function describeOutcomes(context: TestContext, outcomes: readonly Outcome[]): void {
  const reached = outcomes.filter(({ told }) => told !== null).length;
  const counts = new Map<number, number>();
  for (const { told, status } of outcomes) {
    if (told === null) counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  const refused = [...counts].sort().map(([status, count]) => `${count} × ${status || 'no answer'}`);
  context.diagnostic(`seed ${SEED}: ${reached} reached the application; refused: ${refused.join(', ')}`);
}

function seedOf(text: string | undefined): number {
  if (text === 'random') return Date.now() % 2 ** 31;
  return text === undefined ? 20_261_121 : Number(text);
}
