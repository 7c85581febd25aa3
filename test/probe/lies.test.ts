import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { CHANNELS, type Finding, judge } from '../../src/probe/recorder.ts';
import { exitCodeOf, type Report } from '../../src/probe/report.ts';
import { onBothDatabases } from '../support/stage.ts';
import { LIES, type Lie, startLyingGate } from './lying-gate.ts';
import { findingOf, findingsOf, optionsFor, peopleLeft, probeOnce } from './world.ts';

/* A probe that cannot find a broken promise is worth nothing: gates that lie, one way each. */

/** What each lie is found by. */
const TELLS: Readonly<Record<Lie, (finding: Finding) => boolean>> = {
  'answers with the page that it has kept': (one) => one.begun_after > 0 && one.reached_after === 0,
  'asks the application without a verdict': (one) => one.begun_after > 0,
  'lets requests through and hides the answer': (one) => one.begun_after === 0 && one.reached_after > 0,
  'goes on with the stream': (one) => one.carried_after > 0,
  'says the last of the stream again and again': (one) => one.late > 0 && one.carried_after === 0,
  'leaves the stream open': (one) => one.left_open && one.admitted_after === 0,
  // The first may begin while the call is under way.
  'opens streams anew': (one) => one.carried_after > 0,
  'goes on with the WebSocket': (one) => one.carried_after > 0,
  'lets the WebSocket speak to the application': (one) => one.carried_after > 0 && one.left_open,
  'leaves the WebSocket open': (one) => one.left_open && one.admitted_after === 0,
  'opens WebSockets anew': (one) => one.carried_after > 0,
};

const ALL = Object.keys(LIES) as Lie[];

onBothDatabases('a gate that lies is found', (stage) => {
  const set: { report?: Report; honest?: URL; liars?: ReadonlyMap<Lie, URL> } = {};
  const report = () => set.report ?? assert.fail();

  before(async () => {
    const { app } = stage;
    await using stack = new AsyncDisposableStack();
    const options = await optionsFor(app);
    const ports = { gate: app.port, application: options.upstreamListen.port };
    const liars = new Map<Lie, URL>();
    for (const lie of ALL) liars.set(lie, stack.use(await startLyingGate(ports, lie)).url);
    const honest = new URL(app.origin);
    // All in one run: what one gate does says nothing of another.
    const gates = [honest, ...liars.values()];
    Object.assign(set, { honest, liars, report: await probeOnce({ ...options, gates, timeout: 20_000 }) });
  });

  test('the run is broken, by its verdict and its exit code, and the person is gone', async () => {
    assert.equal(report().verdict, 'BROKEN', JSON.stringify(report()));
    assert.equal(exitCodeOf(report()), 1);
    assert.deepEqual(await peopleLeft(stage.app), []);
  });

  test('the honest gate among them is blamed for nothing', () => {
    const found = findingsOf(report()).filter(({ gate }) => gate === set.honest?.origin);
    assert.equal(found.length, CHANNELS.length);
    assert.equal(judge(found), 'kept', JSON.stringify(found));
  });

  for (const lie of ALL) {
    test(`${LIES[lie]}: one that ${lie}`, () => {
      const gate = set.liars?.get(lie) ?? assert.fail();
      const found = findingOf(report(), gate, LIES[lie]);
      assert.ok(TELLS[lie](found), JSON.stringify(found));
      assert.equal(judge([found]), 'BROKEN');
      const others = findingsOf(report()).filter((one) => one.gate === gate.origin && one !== found);
      assert.equal(others.length, CHANNELS.length - 1);
      assert.equal(judge(others), 'kept', JSON.stringify(others));
    });
  }
});
