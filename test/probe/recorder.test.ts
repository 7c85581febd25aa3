import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Attempt,
  type Channel,
  createRecorder,
  type Finding,
  judge,
  type Recorder,
} from '../../src/probe/recorder.ts';

/* The removal is called at 100 and returns at 200; a message may be in flight for 1000. */

function record(channel: Channel, play: (recorder: Recorder) => void): Finding {
  const recorder = createRecorder({ gate: 'g', channel }, { begun: 100, returned: 200 });
  play(recorder);
  return recorder.finding(1000);
}

function attempt(outcome: Attempt['outcome'], begun: number, ended = begun + 1): Attempt {
  return { begun, ended, outcome, note: 'noted' };
}

const none = { admitted_after: 0, begun_after: 0, reached_after: 0, carried_after: 0, late: 0 };

function counts(finding: Finding) {
  const { admitted_after, begun_after, reached_after, carried_after, late } = finding;
  return { admitted_after, begun_after, reached_after, carried_after, late };
}

describe('what counts as admitted after the return', () => {
  const cases: readonly (readonly [string, (recorder: Recorder) => void, Partial<typeof none>])[] = [
    ['not what began before and was admitted after', (one) => one.attempt(attempt('admitted', 199, 250)), {}],
    ['not what began at the very moment', (one) => one.attempt(attempt('admitted', 200, 250)), {}],
    [
      'not what was refused or failed',
      (one) => [attempt('refused', 201), attempt('failed', 202)].map(one.attempt),
      {},
    ],
    [
      'a request that began after and was admitted',
      (one) => one.attempt(attempt('admitted', 201)),
      { begun_after: 1 },
    ],
    ['not what the application got of before', (one) => one.reached(200), {}],
    [
      'what the application got, though the client was told otherwise',
      (one) => one.reached(201),
      { reached_after: 1 },
    ],
    [
      'once what both saw',
      (one) => {
        one.reached(201);
        one.attempt(attempt('admitted', 201));
      },
      { begun_after: 1 },
    ],
    ['not a message sent before that arrives in time', (one) => one.arrived({ at: 1200, sent: 200 }), {}],
    ['a message sent after', (one) => one.arrived({ at: 202, sent: 200.1 }), { carried_after: 1 }],
    [
      'a message sent before that arrives too late',
      (one) => one.arrived({ at: 1200.1, sent: 150 }),
      { late: 1 },
    ],
    [
      'a message of nobody that arrives too late',
      (one) => one.arrived({ at: 1201, sent: null }),
      { late: 1 },
    ],
    ['not a message of nobody that arrives in time', (one) => one.arrived({ at: 300, sent: null }), {}],
  ];
  for (const [title, play, expected] of cases) {
    test(title, () => {
      const sum = Object.values(expected).reduce((total, one) => total + one, 0);
      assert.deepEqual(counts(record('stream', play)), { ...none, ...expected, admitted_after: sum });
    });
  }

  test('nothing, while the removal has not returned', () => {
    const recorder = createRecorder({ gate: 'g', channel: 'requests' }, { begun: 100, returned: null });
    recorder.attempt(attempt('admitted', 1_000_000));
    recorder.reached(1_000_000);
    recorder.arrived({ at: 1_000_000, sent: 1_000_000 });
    assert.deepEqual(counts(recorder.finding(0)), none);
  });
});

describe('times', () => {
  test('the first refusal is the first after the call, and may come before the return', () => {
    const early = record('requests', (one) => {
      for (const begun of [97, 150, 180, 300]) one.attempt(attempt('refused', begun, begun + 2));
    });
    assert.equal(early.first_refusal_ms, -48);
    const late = record('requests', (one) => one.attempt(attempt('refused', 300, 310)));
    assert.equal(late.first_refusal_ms, 110);
    assert.equal(record('requests', (one) => one.attempt(attempt('failed', 300))).first_refusal_ms, null);
  });

  test('the cut is the last end of a connection, and there is none while one is open', () => {
    const cut = record('stream', (one) => {
      one.opened();
      one.closed(150);
      one.opened();
      one.closed(190);
    });
    assert.deepEqual([cut.cut_ms, cut.left_open], [-10, false]);
    const open = record('stream', (one) => {
      one.opened();
      one.closed(150);
      one.opened();
    });
    assert.deepEqual([open.cut_ms, open.left_open], [null, true]);
  });
});

describe('a channel is ready', () => {
  const recorderOf = (channel: Channel) =>
    createRecorder({ gate: 'g', channel }, { begun: null, returned: null });

  test('after three admitted requests in a row', () => {
    const one = recorderOf('requests');
    for (const outcome of ['admitted', 'admitted', 'refused', 'admitted', 'admitted'] as const) {
      one.attempt(attempt(outcome, 1));
      assert.equal(one.isReady(), false);
    }
    one.attempt(attempt('admitted', 1));
    assert.equal(one.isReady(), true);
  });

  test('after three messages of a connection that is still open', () => {
    const one = recorderOf('websocket');
    for (let tries = 0; tries < 4; tries++) one.attempt(attempt('admitted', 1));
    assert.equal(one.isReady(), false);
    one.opened();
    for (let messages = 0; messages < 3; messages++) {
      assert.equal(one.isReady(), false);
      one.arrived({ at: 2, sent: 1 });
    }
    assert.equal(one.isReady(), true);
    one.closed(3);
    assert.equal(one.isReady(), false);
  });
});

describe('the verdict', () => {
  const good = record('stream', (one) => one.attempt(attempt('refused', 201)));
  const silent = record('stream', (one) => one.attempt(attempt('failed', 201)));
  const early = record('stream', (one) => one.attempt(attempt('refused', 199)));
  const admitted = record('stream', (one) => one.attempt(attempt('admitted', 201)));
  const open = record('stream', (one) => {
    one.attempt(attempt('refused', 201));
    one.opened();
  });

  test('is kept only if every channel was refused after the return', () => {
    assert.equal(judge([good, good]), 'kept');
    for (const other of [silent, early]) assert.equal(judge([good, other]), 'unknown');
    assert.equal(judge([]), 'unknown');
  });

  test('is broken by one admission or one open connection, whatever else is not known', () => {
    for (const bad of [admitted, open]) {
      assert.equal(judge([good, bad]), 'BROKEN');
      assert.equal(judge([silent, bad]), 'BROKEN');
    }
  });
});
