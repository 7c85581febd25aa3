import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { sql } from 'kysely';
import { operator } from '../../src/kernel/actor.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { revocation } from '../../src/protocol/feed.ts';
import { aloneControl, commitAct } from '../../src/removal/act.ts';
import { startTestApp } from '../support/app.ts';
import { databases, type TestDatabase } from '../support/postgres.ts';
import { openStorage } from '../support/storage.ts';

interface Line {
  readonly position: number;
  readonly node_id: string | null;
  readonly in_force_at: string | null;
  readonly waited_for: string | null;
}

async function readBook(database: TestDatabase): Promise<Line[]> {
  await using storage = openStorage(database);
  const { rows } =
    await sql<Line>`select position, node_id, in_force_at, waited_for from removals order by position`.execute(
      storage.reader.query as never,
    );
  return rows;
}

/** The book when nothing in it is open any more. */
async function closedBook(database: TestDatabase): Promise<Line[]> {
  for (const until = performance.now() + 15_000; performance.now() < until; await wait(50)) {
    const lines = await readBook(database);
    if (lines.length > 0 && lines.every(({ in_force_at }) => in_force_at !== null)) return lines;
  }
  return assert.fail(`still open: ${JSON.stringify(await readBook(database))}`);
}

for (const { name, create } of databases) {
  describe(`the book of removals (${name})`, () => {
    test('has each removal, when it was in force, and nothing of what is none', async () => {
      await using database = await create();
      await using app = await startTestApp(database);
      const { account_id } = app.credentials;
      const { access } = app.sdk().zeroTrust;
      const user = await access.users.create({ account_id, email: 'ada@example.com', name: 'Ada' });
      assert.deepEqual(await readBook(database), [], 'somebody came, and nobody was removed');
      await access.users.delete(user.id ?? '', { account_id });
      const [line, ...more] = await closedBook(database);
      assert.deepEqual(more, []);
      assert.equal(line?.waited_for, '[]');
    });

    test('is finished by the next server where nobody lives who waited (schedule 6)', async () => {
      await using database = await create();
      const first = await startTestApp(database, { flags: ['--lease=1'] });
      const accountId = first.credentials.account_id;
      await first.close();
      await using storage = openStorage(database);
      const control = aloneControl({ database: storage, clock: systemClock });
      // A process that dies between its commit and its answer leaves exactly this behind.
      await commitAct(control, { accountId, actor: operator, authorize: async () => {} }, async () => ({
        result: null,
        items: [revocation({ type: 'user', id: 'gone' })],
        audit: { action: 'test.revoke', resource: { type: 'user', id: 'gone' } },
      }));
      assert.deepEqual(
        (await readBook(database)).map(({ in_force_at }) => in_force_at),
        [null],
      );
      await using app = await startTestApp(database, { flags: ['--lease=1'] });
      assert.equal((await closedBook(database)).length, 1);
      assert.equal((await fetch(`${app.origin}/readyz`)).status, 200);
    });
  });
}
