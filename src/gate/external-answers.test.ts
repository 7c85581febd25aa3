import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { applicationState } from '../../test/support/gate-parts.ts';
import { createRevocationIndex } from '../protocol/revocation-index.ts';
import type { SessionState } from '../protocol/state.ts';
import { type About, createExternalAnswers } from './external-answers.ts';
import type { ExternalCall } from './external-call.ts';
import { createGateState } from './state.ts';

const QUESTION = { evaluate_url: 'https://a.example/', keys_url: 'https://a.example/keys' };
const OTHER = { ...QUESTION, keys_url: 'https://b.example/keys' };

function sessionOf(name: string, more: Partial<SessionState> = {}): SessionState {
  return {
    ...{ nonce: name, user_id: `user-${name}`, email: `${name}@example.com`, provider_id: 'p', issuer: 'i' },
    ...{ subject: name, expires_at: 1, rev: [1, 1], claims: { groups: ['staff'] }, amr: ['pwd'], ...more },
  };
}

const time = { now: 1_000_000 };
const state = createGateState();
state.load({
  accountId: 'acme',
  revocations: createRevocationIndex({ epoch: 1, position: 1, floor: 0 }),
  states: [],
});
const account = state.account('acme') ?? assert.fail();
const wiki = applicationState();

function about(session: SessionState, more: Partial<About> = {}): About {
  const destination = { account, application: wiki, upstream: null };
  return { destination, visitor: { kind: 'user', session }, ip: '192.0.2.1', now: time.now, ...more };
}

describe('what services of others say', () => {
  const calls: ExternalCall[] = [];
  const failures: unknown[] = [];
  let says: () => Promise<{ success: boolean; expiresAt: number }>;
  const make = () =>
    createExternalAnswers({
      clock: { now: () => time.now },
      onFailure: (error) => void failures.push(error),
      call: (call) => {
        calls.push(call);
        return says();
      },
    });
  beforeEach(() => {
    calls.length = 0;
    failures.length = 0;
    says = async () => ({ success: true, expiresAt: Number.MAX_SAFE_INTEGER });
  });

  test('is not known before it was asked, and is neither yes nor no after it failed', async () => {
    const answers = make();
    const ana = sessionOf('ana');
    assert.equal(answers.recall(about(ana), QUESTION), undefined);
    says = async () => {
      time.now += 5000;
      throw new Error('away');
    };
    await answers.ask(about(ana), [QUESTION]);
    assert.equal(answers.recall(about(ana), QUESTION), null);
    assert.equal(failures.length, 1);
    time.now += 5000;
    assert.equal(answers.recall(about(ana), QUESTION), undefined, 'a failure is not kept for long');
  });

  test('is kept for a minute, or until the answer ends', async () => {
    const answers = make();
    const ana = sessionOf('ana');
    await answers.ask(about(ana), [QUESTION]);
    time.now += 59_999;
    assert.equal(answers.recall(about(ana), QUESTION), true);
    time.now += 1;
    assert.equal(answers.recall(about(ana), QUESTION), undefined);
    says = async () => ({ success: false, expiresAt: time.now + 10_000 });
    await answers.ask(about(ana), [QUESTION]);
    time.now += 9999;
    assert.equal(answers.recall(about(ana), QUESTION), false);
    time.now += 1;
    assert.equal(answers.recall(about(ana), QUESTION), undefined);
    await answers.ask(about(ana), [QUESTION]);
    time.now -= 1;
    assert.equal(
      answers.recall(about(ana), QUESTION),
      undefined,
      'a clock that goes back keeps nothing longer',
    );
    time.now += 1;
  });

  test('is of one identity as it is, one application, one address and one question', async () => {
    const answers = make();
    const ana = sessionOf('ana');
    await answers.ask(about(ana), [QUESTION]);
    const elsewhere = { account, application: applicationState({ id: 'other' }), upstream: null };
    for (const [what, asked, question] of [
      ['another person', about(sessionOf('bob')), QUESTION],
      ['the same person with other claims', about(sessionOf('ana', { claims: {} })), QUESTION],
      ['another application', about(ana, { destination: elsewhere }), QUESTION],
      ['another address', about(ana, { ip: '192.0.2.2' }), QUESTION],
      ['another question', about(ana), OTHER],
    ] as const) {
      assert.equal(answers.recall(asked, question), undefined, what);
    }
    assert.equal(answers.recall(about(ana), QUESTION), true);
  });

  test('is asked once by all who wait for the same', async () => {
    const answers = make();
    const ana = sessionOf('ana');
    const held = Promise.withResolvers<{ success: boolean; expiresAt: number }>();
    says = () => held.promise;
    const asks = [1, 2, 3].map(() => answers.ask(about(ana), [QUESTION]));
    const other = answers.ask(about(sessionOf('bob')), [QUESTION]);
    held.resolve({ success: true, expiresAt: Number.MAX_SAFE_INTEGER });
    await Promise.all([...asks, other]);
    assert.equal(calls.length, 2);
  });

  test('is asked 128 times at once for an account, and then lets nobody in', async () => {
    const answers = make();
    const held = Promise.withResolvers<{ success: boolean; expiresAt: number }>();
    says = () => held.promise;
    const people = Array.from({ length: 129 }, (_, n) => sessionOf(`person-${n}`));
    const asks = people.map((one) => answers.ask(about(one), [QUESTION]));
    assert.equal(calls.length, 128);
    await asks[128];
    assert.equal(answers.recall(about(people[128] ?? assert.fail()), QUESTION), null);
    held.resolve({ success: true, expiresAt: Number.MAX_SAFE_INTEGER });
    await Promise.all(asks);
    await answers.ask(about(sessionOf('late')), [QUESTION]);
    assert.equal(calls.length, 129, 'there is room again');
  });

  test('is told who it is about, and of no secret', async () => {
    const answers = make();
    const ana = sessionOf('ana');
    const serviceToken = {
      ...{ id: 't1', client_id: 'c1.access', name: 'robot', secret_hash: 'hash', previous: null },
      expires_at: null,
    };
    await answers.ask(about(ana), [QUESTION]);
    await answers.ask(about(ana, { visitor: { kind: 'service', serviceToken } }), [QUESTION]);
    const [person, robot] = calls.map((call) => call.about);
    assert.deepEqual(person, {
      identity: {
        ...{ email: 'ana@example.com', user_uuid: 'user-ana', idp: { id: 'p', type: null }, amr: ['pwd'] },
        ...{ groups: ['staff'], claims: { groups: ['staff'] }, account_id: 'acme', ip: '192.0.2.1' },
      },
      application: { id: 'wiki', name: 'Wiki', aud: 'aud' },
    });
    assert.deepEqual(robot?.identity, {
      ...{ service_token_id: 't1', service_token_status: true, common_name: 'c1.access' },
      ...{ account_id: 'acme', ip: '192.0.2.1' },
    });
  });
});
