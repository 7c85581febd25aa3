import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBeside } from './beside.ts';

test('work that fails, at once or later, is told of, and nothing else is', async () => {
  const faults: unknown[] = [];
  const beside = createBeside((error) => faults.push(error));
  const done: string[] = [];
  beside.run(async () => Promise.reject(new Error('later')));
  beside.run(() => {
    throw new Error('at once');
  });
  beside.run(async () => void done.push('fine'));
  assert.deepEqual(done, []);
  await beside.ended();
  assert.deepEqual(done, ['fine']);
  assert.deepEqual(faults.map(String).sort(), ['Error: at once', 'Error: later']);
});

test('the end waits for what is under way', async () => {
  const beside = createBeside(() => {});
  const gate = Promise.withResolvers<void>();
  const seen: string[] = [];
  beside.run(async () => {
    await gate.promise;
    seen.push('work');
  });
  const ended = beside.ended().then(() => seen.push('end'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(seen, []);
  gate.resolve();
  await ended;
  assert.deepEqual(seen, ['work', 'end']);
});
