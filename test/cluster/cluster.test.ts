import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { nginx } from '../support/nginx.ts';
import { removeBehindPartition, repointDuringSignIn } from './aimed.ts';
import { recoveries } from './checker.ts';
import { type Account, prepareAccount } from './crowd.ts';
import { type Estate, startEstate, TEAM } from './estate.ts';
import { clocksCannotBeSet } from './fake-clock.ts';
import { createHistory } from './history.ts';
import { judge } from './judge.ts';
import type { FaultKind } from './nemeses.ts';
import { MAIN } from './people.ts';
import { run } from './rounds.ts';

/*
 * Two nodes on a PostgreSQL with a synchronous standby, and two gates, all of them real processes, while things go
 * wrong. What is seen is checked against the invariants of the removal protocol; the long run is
 * `npm run bench -- cluster`. To repeat a run: CLUSTER_SEED.
 */

const LEASE = 1;
const seed = Number(process.env.CLUSTER_SEED ?? Date.now() % 1_000_000);

describe(`a cluster in which things go wrong (seed ${seed})`, () => {
  const set: { estate?: Estate; account?: Account } = {};
  const world = () => {
    assert.ok(set.estate && set.account);
    return { estate: set.estate, account: set.account };
  };
  before(async () => {
    set.estate = await startEstate({ nodes: 2, gates: 2, lease: LEASE, synchronous: true, clocks: true });
    set.account = await prepareAccount(set.estate);
  });
  after(async () => await set.estate?.[Symbol.asyncDispose]());

  test('removes for good behind a partition, and during a sign-in', async () => {
    const { estate } = world();
    const history = createHistory();
    await removeBehindPartition(estate, history);
    await estate.ready();
    await repointDuringSignIn(estate, history, { person: 'early', after: null });
    await repointDuringSignIn(estate, history, { person: 'late', after: 20 });
    const checked = await judge(estate, history, seed);
    assert.ok((checked.get(1) ?? 0) > 0);
  });

  const rounds: FaultKind[][] = [['freeze gate'], ['part node from database', 'part gate'], ['kill node']];
  test('admits nobody who was removed, and everybody else, whatever is cut, frozen or killed', async () => {
    await doRounds([[], ...rounds]);
  });

  test('and when a clock is set', { skip: clocksCannotBeSet() }, async () => {
    await doRounds([['node clock', 'gate clock']]);
  });

  test('and behind nginx with the configuration in docs/', { skip: nginx.isMissing() }, async () => {
    const { estate, account } = world();
    const [gate] = estate.gates;
    assert.ok(gate);
    const port = await freePort();
    const [application, gateUpstream] = [new URL(estate.application.origin).host, `127.0.0.1:${gate.port}`];
    const places = { folder: estate.folder, team: TEAM, application: MAIN, port, gateUpstream };
    await using _ = await nginx.start({ ...places, applicationUpstream: application });
    const history = createHistory();
    const behind = { ...estate, doors: [{ ...gate, name: 'nginx', port }] };
    const options = { seed, rounds: [[]], batch: 8, hasOneHost: true, say: () => {} };
    const [round] = await run(behind, history, account, options);
    assert.deepEqual([round?.open, round?.stillOpen], [8, 0]);
    const checked = await judge(estate, history, seed);
    assert.ok((checked.get(1) ?? 0) >= 8);
  });

  test('and when the standby of the database takes over', async () => {
    await doRounds([['fail over']]);
  });

  async function doRounds(faults: FaultKind[][]): Promise<void> {
    const { estate, account } = world();
    const history = createHistory();
    await run(estate, history, account, { seed, rounds: faults, batch: 6, say: () => {} });
    const checked = await judge(estate, history, seed);
    // What was never possible was not tested.
    for (const invariant of [1, 2, 3, 7, 8, 9]) assert.ok((checked.get(invariant) ?? 0) > 0, `${invariant}`);
    for (const { name, milliseconds } of recoveries(history.events)) {
      assert.ok(milliseconds < 10_000, `${name}: ${milliseconds} ms`);
    }
  }
});
