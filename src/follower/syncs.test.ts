import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import { createBackOff } from './back-off.ts';
import { createSyncs } from './syncs.ts';

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('questions whether everything was sent', () => {
  test('rejects while there is no node, and when it goes', async () => {
    const syncs = createSyncs();
    await assert.rejects(syncs.ask(), /no control plane/);
    syncs.begin(() => {});
    const asked = [syncs.ask(), syncs.ask()];
    syncs.end();
    for (const one of asked) await assert.rejects(one, /gone/);
    await assert.rejects(syncs.ask());
  });

  test('whoever asks while one is under way is not answered by that one', async () => {
    const syncs = createSyncs();
    const said: number[] = [];
    syncs.begin((nonce) => void said.push(nonce));
    const done: string[] = [];
    const ask = (name: string) => syncs.ask().then(() => void done.push(name));
    const asked = [ask('first'), ask('late'), ask('also late')];
    assert.equal(said.length, 1);
    syncs.take(said[0] ?? 0);
    await settle();
    assert.deepEqual(done, ['first']);
    assert.equal(said.length, 2);
    syncs.take(said[0] ?? 0);
    await settle();
    assert.deepEqual(done, ['first'], 'an answer to the former question');
    syncs.take(said[1] ?? 0);
    await Promise.all(asked);
    assert.equal(said.length, 2, 'each of them asked by itself');
  });

  test('waits two seconds and no more, and then asks for whoever waits behind', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const syncs = createSyncs();
      const said: number[] = [];
      syncs.begin((nonce) => void said.push(nonce));
      const first = assert.rejects(syncs.ask(), /in time/);
      mock.timers.tick(1500);
      const second = syncs.ask();
      mock.timers.tick(600);
      await first;
      assert.equal(said.length, 2);
      syncs.take(said[1] ?? 0);
      await second;
    } finally {
      mock.timers.reset();
    }
  });
});

describe('how long a gate waits before it tries again', () => {
  test('longer each time, up to two seconds, and less than it could by chance', () => {
    const most = createBackOff(() => 1);
    assert.deepEqual(
      Array.from({ length: 8 }, () => most.next()),
      [50, 100, 200, 400, 800, 1600, 2000, 2000],
    );
    const least = createBackOff(() => 0);
    assert.deepEqual(
      Array.from({ length: 3 }, () => least.next()),
      [50, 50, 100],
    );
    least.reset();
    assert.equal(least.next(), 50);
  });

  test('two gates do not wait equally long', () => {
    const [one, other] = [createBackOff(), createBackOff()];
    const waits = (backOff: typeof one) => Array.from({ length: 20 }, () => backOff.next());
    assert.notDeepEqual(waits(one), waits(other));
  });
});
