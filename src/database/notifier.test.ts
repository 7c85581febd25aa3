import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { databases, type TestDatabase } from '../../test/support/postgres.ts';
import { type Notifier, openNotifier } from './notifier.ts';

const set: { database?: TestDatabase | undefined } = {};
before(async () => {
  set.database = await databases.find(({ name }) => name === 'postgres')?.create();
});
after(() => set.database?.drop());

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !condition(); tries += 1) await wait(20);
  assert.ok(condition());
}

async function pair(onMessage: (message: string) => void): Promise<[teller: Notifier, hearer: Notifier]> {
  const url = set.database?.url ?? assert.fail();
  const both: [Notifier, Notifier] = [openNotifier(url, () => {}), openNotifier(url, onMessage)];
  await until(() => both.every((one) => one.isHeard()));
  return both;
}

test('what is told in one turn is heard, in its order, and no query is sent into another', async (context) => {
  const warnings: string[] = [];
  const listen = (warning: Error) => void warnings.push(warning.message);
  process.on('warning', listen);
  context.after(() => process.off('warning', listen));
  const heard: string[] = [];
  const [teller, hearer] = await pair((message) => heard.push(message));
  heard.length = 0;
  const told = Array.from({ length: 50 }, (_, number) => `ack ${number}`);
  for (const message of told) teller.tell(message);
  await until(() => heard.includes('ack 49'));
  assert.deepEqual(heard, told);
  assert.deepEqual(warnings, []);
  await Promise.all([teller.close(), hearer.close()]);
});

test('what waits is told once for all who told it, and again if it is told after that', async () => {
  const heard: string[] = [];
  const [teller, hearer] = await pair((message) => heard.push(message));
  heard.length = 0;
  for (let times = 0; times < 20; times += 1) teller.tell('feed');
  await until(() => heard.length >= 2);
  teller.tell('end');
  await until(() => heard.includes('end'));
  assert.deepEqual(heard, ['feed', 'feed', 'end'], 'that which was under way, and one for the rest');
  await Promise.all([teller.close(), hearer.close()]);
});
