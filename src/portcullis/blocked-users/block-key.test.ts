import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normaliseEmail } from '../../kernel/email.ts';
import { blockKey, blockKeysOf } from './block-key.ts';

function isKeptOut(email: string, blocked: string): boolean {
  const [candidate, key] = [normaliseEmail(email), normaliseEmail(blocked)];
  assert.ok(candidate && key);
  return blockKeysOf(candidate).includes(blockKey(key));
}

const keptOut: readonly (readonly [email: string, blocked: string])[] = [
  ['ann@example.com', 'Ann@EXAMPLE.com'],
  ['ann+2@example.com', 'ann@example.com'],
  ['ann+2+3@example.com', 'ann@example.com'],
  ['ann+@example.com', 'ann@example.com'],
  ['ann＋2@example.com', 'ann@example.com'],
  ['Änn@example.com', 'änn@example.com'],
  ['änn@example.com', 'Änn@example.com'],
  ['ＡＮＮ+2@example.com', 'ann@example.com'],
  ['ﬁona@example.com', 'fiona@example.com'],
  ['\u212Aurt@example.com', 'kurt@example.com'],
  ['ΝΊΚΟΣ@example.com', 'νίκος@example.com'],
  ['ann\u034F@example.com', 'ann@example.com'],
  ['ann\uFE0F@example.com', 'ann@example.com'],
  ['ann+a@example.com', 'ANN+A@example.com'],
  ['+a@example.com', '+a@example.com'],
];
for (const [email, blocked] of keptOut) {
  test(`${email} is kept out by a block of ${blocked}`, () => assert.equal(isKeptOut(email, blocked), true));
}

const others: readonly (readonly [email: string, blocked: string])[] = [
  ['ann@example.com', 'ann+2@example.com'],
  ['ann+3@example.com', 'ann+2@example.com'],
  ['anna@example.com', 'ann@example.com'],
  ['ann@example.org', 'ann@example.com'],
  ['+b@example.com', '+a@example.com'],
  ['änn@example.com', 'ann@example.com'],
];
for (const [email, blocked] of others) {
  test(`${email} is another than ${blocked}`, () => assert.equal(isKeptOut(email, blocked), false));
}
