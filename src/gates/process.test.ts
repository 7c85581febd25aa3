import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { lockedLease } from '../protocol/lease.ts';
import { createGateProcess } from './process.ts';

const AT = { epoch: 1, position: 6 };
const LENGTH = 1000;

describe('a process of a gate that is sent what it does not have', () => {
  test('gets no lease before it has said that it applied that', () => {
    const process = attached();
    process.caughtUp(AT);
    assert.equal(process.renew(), 0);
    process.ack({ ...AT, position: 5 });
    assert.equal(process.renew(), 0);
    process.ack(AT);
    assert.equal(process.renew(), LENGTH);
  });

  test('gets one also if it said so before the snapshot had ended here', () => {
    const process = attached();
    process.ack(AT);
    process.caughtUp(AT);
    assert.equal(process.renew(), LENGTH);
  });

  test('gets none by what it said on an earlier stream', () => {
    const process = attached();
    process.ack(AT);
    process.connect({ send: () => {}, close: () => {} });
    process.caughtUp(AT);
    assert.equal(process.renew(), 0);
  });

  test('gets none by what it said before everything was to be sent anew', () => {
    const process = attached();
    process.ack(AT);
    process.restart({ ...AT, position: 5 }, AT);
    process.caughtUp(AT);
    assert.equal(process.renew(), 0);
  });

  function attached() {
    const who = { processId: 'p', gateId: 'g', gateName: 'gate', accountId: 'a' };
    const process = createGateProcess(who, {
      ...{ applied: AT, lease: lockedLease, length: LENGTH },
      stopwatch: { elapsed: () => 0 },
      onChange: () => {},
    });
    process.connect({ send: () => {}, close: () => {} });
    return process;
  }
});
