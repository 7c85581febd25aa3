import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cases } from './reference-cases.ts';
import { byTheBook, disagreement, inEarnest } from './reference-property.ts';

test('quick', (t) => {
  const n = Number(process.env.RUNS ?? 3000);
  const t0 = process.cpuUsage();
  fc.assert(
    fc.property(cases, (c) => assert.equal(disagreement(c, byTheBook(c)), null)),
    { numRuns: n },
  );
  const t1 = process.cpuUsage(t0);
  t.diagnostic(`book ${t1.user / n} us per run`);
  fc.assert(
    fc.property(cases, (c) => assert.equal(disagreement(c, inEarnest(c)), null)),
    { numRuns: n },
  );
  t.diagnostic(`real ${(process.cpuUsage(t0).user - t1.user) / n} us per run`);
});
