import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Admission } from '../gate/admission.ts';
import { readSent, toSent } from '../gate/lent.ts';
import type { Question } from '../gate/question.ts';
import { createGateState } from '../gate/state.ts';
import { createRevocationIndex } from '../protocol/revocation-index.ts';
import { createReadThrough } from './read-through.ts';

const UNLED: Admission = { verdict: 'deny', reason: 'no_lease', destination: null };
const QUESTION: Question = {
  ...{ host: 'wiki.example', path: '/a', target: '/a?secret=1', method: 'GET', scheme: 'https' },
  ...{ navigation: true, crossSite: false, otherCookies: 'theirs=1', accessToken: null, serviceToken: null },
  cookies: new Map([
    ['CF_Authorization', ['token']],
    ['theirs', ['1']],
  ]),
  header: (name) => (name === 'x-theirs' ? 'value' : null),
  ip: '192.0.2.7',
  certificate: null,
  device: null,
  plain: true,
};
const ALLOW = {
  ...{ verdict: 'allow', reason: 'policy_allow' },
  ...{ milliseconds: 2000, application: { id: 'wiki' }, upstream: 'http://127.0.0.1:1' },
  ...{ credential: { kind: 'session' }, visitor: { kind: 'user' }, assertion: 'a', endsAt: null },
};

function scene(answer: () => Promise<unknown>, inner: Admission = UNLED) {
  const time = { now: 1000 };
  const clock = () => time.now;
  const state = createGateState();
  const revocations = createRevocationIndex({ epoch: 1, position: 0, floor: 0 });
  state.load({ accountId: 'acme', revocations, states: [] });
  const asked: object[] = [];
  const outcomes: string[] = [];
  const admissions = createReadThrough({
    admissions: { judge: (_question, act) => act(inner) },
    state,
    clocks: { monotonic: clock, boot: clock, wall: clock },
    controlPlane: {
      ask: (_path, question) => {
        asked.push(question);
        return answer();
      },
      close: () => {},
    },
    memory: { accountId: 'acme', applied: { epoch: 1, position: 0, chain: '' } },
    onOutcome: (outcome) => void outcomes.push(outcome),
  });
  const judge = async (question: Question = QUESTION) => {
    const told: Admission[] = [];
    await admissions.judge(question, (admission) => void told.push(admission));
    assert.equal(told.length, 1);
    return told[0] ?? assert.fail();
  };
  return { time, asked, outcomes, judge };
}

describe('a gate that asks a node', () => {
  test('does not ask for what it may decide by itself', async () => {
    const allowed: Admission = { verdict: 'sign_in', reason: 'no_credential', destination: null };
    const it = scene(async () => ALLOW, allowed);
    assert.equal(await it.judge(), allowed);
    assert.deepEqual(it.asked, []);
  });

  test('does not ask for what is not plain (schedule 5)', async () => {
    const it = scene(async () => ALLOW);
    assert.equal(await it.judge({ ...QUESTION, plain: false }), UNLED);
    assert.deepEqual(it.asked, []);
  });

  test('is lent the answer for its milliseconds, from before it asked', async () => {
    const it = scene(async () => {
      it.time.now += 1500;
      return ALLOW;
    });
    const admission = await it.judge();
    assert.ok(admission.verdict === 'allow' && admission.lent?.isLive());
    assert.ok((admission.lent?.remaining() ?? 0) <= 500);
    it.time.now += 600;
    assert.ok(!admission.lent?.isLive());
    assert.ok('endsAt' in admission);
    assert.equal(admission.endsAt, Number.POSITIVE_INFINITY);
  });

  test('does not use one that came too late', async () => {
    const it = scene(async () => {
      it.time.now += 2001;
      return ALLOW;
    });
    assert.equal(await it.judge(), UNLED);
    assert.deepEqual(it.outcomes, ['failed']);
  });

  for (const [what, answer] of [
    ['nothing', null],
    ['a text', 'allow'],
    ['an allow without an assertion', { ...ALLOW, assertion: undefined }],
    ['an allow for no time that is a number', { ...ALLOW, milliseconds: '2000' }],
    ['an allow for no time', { ...ALLOW, milliseconds: 0 }],
    ['another word', { ...ALLOW, verdict: 'yes' }],
  ] as const) {
    test(`an answer that is ${what} is none`, async () => {
      const it = scene(async () => answer);
      assert.equal(await it.judge(), UNLED);
    });
  }

  test('asks 64 at once and no more', async () => {
    const held = Promise.withResolvers<unknown>();
    const it = scene(() => held.promise);
    const waiting = Array.from({ length: 64 }, () => it.judge());
    assert.equal(await it.judge(), UNLED);
    assert.deepEqual(it.outcomes, ['full']);
    held.resolve(ALLOW);
    for (const one of await Promise.all(waiting)) assert.equal(one.verdict, 'allow');
    assert.equal(it.asked.length, 64);
  });

  test('sends credentials, and nothing that is between the client and the application', () => {
    const sent = JSON.stringify(toSent(QUESTION, null));
    for (const theirs of ['theirs', 'secret', 'x-theirs']) assert.ok(!sent.includes(theirs), theirs);
    const read = readSent(JSON.parse(sent));
    assert.deepEqual(read?.cookies, new Map([['CF_Authorization', ['token']]]));
    assert.equal(read?.host, QUESTION.host);
  });
});
