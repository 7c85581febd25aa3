import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RequestLine } from '../protocol/request-line.ts';
import type { Decision } from './decision.ts';
import { createRequestLog, type RequestLog, type SignInNote } from './request-log.ts';
import { createGateState } from './state.ts';

const AT = Date.parse('2026-01-01T00:00:00Z');

const denied: Decision = {
  requestId: 'first',
  at: AT,
  via: 'proxy',
  verdict: 'deny',
  reason: 'no_policy_matched',
  method: 'GET',
  host: 'app.example.com',
  ip: '192.0.2.1',
  accountId: 'account',
  applicationId: 'application',
  userId: null,
  email: null,
  providerId: null,
  serviceTokenId: null,
  registrationId: null,
};

const admitted: Decision = {
  ...denied,
  verdict: 'allow',
  reason: 'policy_allow',
  userId: 'user',
  email: 'person@example.com',
  providerId: 'provider',
};

const signedIn: SignInNote = {
  requestId: 'sign-in',
  accountId: 'account',
  applicationId: null,
  providerId: 'provider',
  userId: 'user',
  email: 'person@example.com',
  ip: '192.0.2.1',
  refused: null,
};

function startLog(): RequestLog {
  return createRequestLog(createGateState());
}

/** Everything that is there to be taken. */
function takeAll(log: RequestLog): RequestLine[] {
  const lines: RequestLine[] = [];
  for (let some = log.take(500); some.length > 0; some = log.take(500)) lines.push(...some);
  return lines;
}

function record(log: RequestLog, times: number, decision: (at: number) => Decision): void {
  for (let at = 0; at < times; at++) log.record(decision(at));
}

const countsOf = (lines: readonly RequestLine[]) => lines.map(({ count }) => count);

describe('who is admitted', () => {
  it('has one line a minute, handed over at once, and again when its count is final', () => {
    const log = startLog();
    log.record(admitted);
    const [line, ...more] = takeAll(log);
    assert.deepEqual([line?.count, line?.isNew, line?.requestId, more.length], [1, true, 'first', 0]);
    record(log, 7, (at) => ({ ...admitted, requestId: `later ${at}` }));
    assert.deepEqual(takeAll(log), [], 'within the minute there is nothing new');
    log.roll();
    assert.deepEqual(takeAll(log), [{ ...line, count: 8, isNew: false }]);
    log.roll();
    assert.deepEqual(takeAll(log), []);
    log.record(admitted);
    const [next] = takeAll(log);
    assert.deepEqual([next?.count, next?.isNew, next?.id === line?.id], [1, true, false]);
  });

  it('is handed over once where nothing came after, or where it was not taken before', () => {
    const log = startLog();
    record(log, 3, () => admitted);
    log.roll();
    assert.deepEqual(countsOf(takeAll(log)), [3]);
    log.roll();
    assert.deepEqual(takeAll(log), []);
  });

  for (const [name, other] of [
    ['from another address', { ip: '192.0.2.2' }],
    ['to another application', { applicationId: 'another' }],
    ['as another person', { userId: 'another', email: 'another@example.com' }],
    ['as a service token', { userId: null, email: null, providerId: null, serviceTokenId: 'token' }],
  ] as const) {
    it(`has a line of its own ${name}, and each goes on counting`, () => {
      const log = startLog();
      record(log, 6, (at) => (at % 2 === 0 ? admitted : { ...admitted, ...other }));
      const lines = takeAll(log);
      assert.deepEqual(countsOf(lines), [3, 3]);
      assert.equal(new Set(lines.map(({ id }) => id)).size, 2);
      assert.ok(lines.every(({ isKnown }) => isKnown));
    });
  }
});

describe('who is refused', () => {
  it('has ten lines of their own in a minute, and the last counts the rest', () => {
    const log = startLog();
    record(log, 1000, (at) => ({ ...denied, requestId: `${at}` }));
    const lines = takeAll(log);
    assert.deepEqual(countsOf(lines), [1, 1, 1, 1, 1, 1, 1, 1, 1, 991]);
    assert.equal(new Set(lines.map(({ requestId }) => requestId)).size, 10);
    log.roll();
    assert.deepEqual(takeAll(log), []);
    log.record(denied);
    assert.deepEqual(countsOf(takeAll(log)), [1]);
    assert.equal(log.takeDropped(), 0);
  });

  for (const [name, other] of [
    ['from another address', { ip: '192.0.2.2' }],
    ['for another reason', { reason: 'revoked' }],
    ['for another application', { applicationId: 'another' }],
    ['of another account', { accountId: 'another' }],
    ['who is known', { userId: 'user', email: 'person@example.com' }],
  ] as const) {
    it(`keeps apart who is refused ${name}`, () => {
      const log = startLog();
      record(log, 50, () => denied);
      log.record({ ...denied, ...other });
      assert.equal(takeAll(log).length, 11);
    });
  }

  it('is one flood, from however many addresses of one network', () => {
    const log = startLog();
    record(log, 500, (at) => ({ ...denied, ip: `2001:db8:0:1::${at.toString(16)}` }));
    record(log, 1, () => ({ ...denied, ip: '2001:db8:0:2::1' }));
    const lines = takeAll(log);
    assert.deepEqual(countsOf(lines), [1, 1, 1, 1, 1, 1, 1, 1, 1, 491, 1]);
  });

  it('is counted, by application and reason, beyond what an account may have in a minute', () => {
    const log = startLog();
    const many = (at: number) => ({ ...denied, ip: `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}` });
    record(log, 3000, many);
    log.record({ ...denied, accountId: 'another', applicationId: 'of another' });
    log.record(admitted);
    const lines = takeAll(log);
    const [known, ...unknown] = lines;
    assert.equal(known?.userId, 'user', 'who is known comes first');
    assert.equal(unknown.at(-1)?.accountId, 'another', 'the flood is nothing to another account');
    assert.equal(unknown.length, 1002);
    const { id, isNew, ...rest } = unknown[1000] ?? assert.fail();
    const nobody = { method: null, host: null, ip: null, connection: null };
    const { requestId, count } = rest;
    assert.deepEqual([isNew, requestId, count], [true, 'first', 2000]);
    assert.deepEqual(rest, { ...denied, ...nobody, count, action: 'request', isKnown: false });
    assert.equal(log.takeDropped(), 0);
    log.roll();
    record(log, 3, many);
    assert.equal(takeAll(log).length, 3, 'in the next minute there is room again');
  });

  it('says nothing where no account is known', () => {
    const log = startLog();
    const unknown = { accountId: null, applicationId: null };
    log.record({ ...denied, ...unknown, reason: 'application_unknown' });
    log.record({ ...admitted, ...unknown });
    assert.deepEqual([takeAll(log), log.takeDropped()], [[], 0]);
  });
});

describe('what finds no room', () => {
  it('is left out and counted, and takes nothing from those who are known', () => {
    const log = startLog();
    const accounts = 9;
    for (let account = 0; account < accounts; account++) {
      const of = { accountId: `account ${account}`, applicationId: `application ${account}` };
      record(log, 1000, (at) => ({ ...denied, ...of, ip: `10.0.${at >> 8}.${at & 255}` }));
    }
    record(log, 5, (at) => ({ ...admitted, userId: `user ${at}` }));
    assert.equal(log.takeDropped(), 1000 * accounts - 5000);
    assert.equal(log.takeDropped(), 0);
    const lines = takeAll(log);
    assert.equal(lines.filter(({ isKnown }) => isKnown).length, 5);
    assert.equal(lines.length, 5005);
    log.record({ ...denied, ip: '192.0.2.77' });
    assert.equal(takeAll(log).length, 1, 'what was written makes room');
  });

  it('is bounded for those who are known as well', () => {
    const log = startLog();
    for (let account = 0; account < 3; account++) {
      record(log, 10_000, (at) => ({ ...admitted, accountId: `${account}`, userId: `${account} ${at}` }));
    }
    assert.equal(log.takeDropped(), 10_000);
    assert.equal(takeAll(log).length, 20_000);
  });

  it('counts a line whose final count nobody fetched', () => {
    const log = startLog();
    log.record(admitted);
    assert.equal(log.take(1).length, 1);
    record(log, 5, () => admitted);
    log.roll();
    log.roll();
    assert.equal(log.takeDropped(), 1);
    assert.deepEqual(takeAll(log), []);
  });
});

describe('a sign-in', () => {
  it('is a login, admitted or refused', () => {
    const log = startLog();
    log.noteSignIn(signedIn, AT);
    log.noteSignIn({ ...signedIn, userId: null, email: null, refused: 'provider_refused' }, AT);
    const told = takeAll(log).map((line) => [line.action, line.via, line.verdict, line.reason, line.isKnown]);
    assert.deepEqual(told, [
      ['login', 'sign_in', 'allow', 'signed_in', true],
      ['login', 'sign_in', 'deny', 'provider_refused', false],
    ]);
  });
});

it('hands over no more than was asked for, and names each line by its time', () => {
  const log = startLog();
  record(log, 30, (at) => ({ ...denied, at: AT + at, ip: `192.0.2.${at}` }));
  const first = log.take(20);
  assert.equal(first.length, 20);
  const ids = [...first, ...log.take(20)].map(({ id }) => id);
  assert.equal(ids.length, 30);
  assert.deepEqual(ids, [...ids].sort());
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
});
