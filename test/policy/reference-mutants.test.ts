import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Case } from './reference-cases.ts';
import { cases } from './reference-cases.ts';
import { MUTANTS } from './reference-mutants.ts';
import { byTheBook, type Candidate, disagreement } from './reference-property.ts';

const MOST = 4000;

test('the reference agrees with itself', () => {
  assert.equal(
    isFound((given) => byTheBook(given)),
    false,
  );
});

for (const { fault, make } of MUTANTS) {
  test(`it is found where ${fault}`, () => assert.equal(isFound(make), true));
}

function isFound(make: (given: Case) => Candidate): boolean {
  const property = fc.property(cases, (given) => disagreement(given, make(given)) === null);
  return fc.check(property, { numRuns: MOST, seed: 5, endOnFailure: true }).failed;
}
