import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { databases } from './support/postgres.ts';
import { startFollowed } from './support/remote-gate.ts';
import { askGate } from './support/remote-asks.ts';

test('big snapshot', { timeout: 200_000 }, async () => {
  const sqlite = databases.find(({ name }) => /sqlite/i.test(name)) ?? assert.fail();
  await using followed = await startFollowed(await sqlite.create());
  const { world } = followed;
  const { cookie } = await followed.signedIn();
  console.log('before', (await askGate(followed, '/', cookie)).status);
  const base = `/accounts/${world.account_id}/gateway/lists`;
  const n = Number(process.env.LISTS ?? 22);
  for (let i = 0; i < n; i++) {
    const items = Array.from({ length: 5000 }, (_, k) => ({ value: `${'x'.repeat(60)}.${i}.${k}@${'d'.repeat(50)}.${'e'.repeat(50)}.com` }));
    const t = performance.now();
    const { status, body } = await world.app.api('POST', base, { body: { name: `l${i}`, type: 'EMAIL', items } });
    if (i < 2 || status >= 300) console.log('POST', status, Math.round(performance.now() - t), 'ms', JSON.stringify(items).length, status >= 300 ? JSON.stringify(body).slice(0, 300) : '');
  }
  console.log('same gate still', (await askGate(followed, '/', cookie)).status, followed.gate.gate.unready());
  const fresh = await followed.another();
  const t0 = performance.now();
  for (let i = 0; i < 20 && fresh.gate.unready() !== null; i++) await wait(500);
  console.log('fresh gate', fresh.gate.unready(), Math.round(performance.now() - t0));
  console.log(fresh.log.filter(({ level }) => Number(level) >= 30).map((l) => JSON.stringify(l).slice(0, 200)).slice(0, 12).join('\n'));
  console.log('rss', process.memoryUsage().rss >> 20);
});
