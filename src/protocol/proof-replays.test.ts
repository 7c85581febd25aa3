import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProofReplays } from './proof-replays.ts';

const NOW = 1_000_000;
const LONGEST = 66_000;
const proof = (jti: string, thumbprint = 'one') => ({ thumbprint, jti });

test('a proof is taken once, and again by nobody while it could still be sent', () => {
  const replays = createProofReplays();
  assert.equal(replays.take(proof('a'), NOW), true);
  for (const later of [0, 1, 30_000, LONGEST - 1]) assert.equal(replays.take(proof('a'), NOW + later), false);
  assert.equal(replays.take(proof('a', 'other'), NOW), true);
  assert.equal(replays.take(proof('b'), NOW), true);
});

test('what no longer could be sent is forgotten', () => {
  const replays = createProofReplays();
  for (let at = 0; at < 100; at++) replays.take(proof(`p${at}`), NOW);
  replays.take(proof('last'), NOW + LONGEST);
  assert.equal(replays.size, 1);
});

test('where there is no room nothing is forgotten, and nothing taken', () => {
  const replays = createProofReplays({ all: 3 });
  for (const jti of ['a', 'b', 'c']) assert.equal(replays.take(proof(jti, jti), NOW), true);
  assert.equal(replays.take(proof('d'), NOW + 1000), false);
  for (const jti of ['a', 'b', 'c']) assert.equal(replays.take(proof(jti, jti), NOW + 1000), false);
  assert.equal(replays.size, 3);
  assert.equal(replays.take(proof('d'), NOW + LONGEST), true);
});

test('a device that fills its own room leaves that of the others', () => {
  const replays = createProofReplays({ all: 100, ofOne: 2 });
  for (const jti of ['a', 'b']) assert.equal(replays.take(proof(jti), NOW), true);
  assert.equal(replays.take(proof('c'), NOW), false);
  assert.equal(replays.take(proof('c', 'other'), NOW), true);
  assert.equal(replays.take(proof('c'), NOW + LONGEST), true);
});
