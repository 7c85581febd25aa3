import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestApp, type TestApp } from '../../../test/support/app.ts';
import { databases, type TestDatabase } from '../../../test/support/postgres.ts';
import type { AuditEntryRow } from '../../database/tables.ts';
import { DAY, timestamp } from '../../kernel/clock.ts';
import { findEntries, keyOfEntry } from './audit-scan.ts';

/* Entries that have to be looked through, so many that one statement does not see them all. */

const COUNT = 100;
const EVERY = 10;
const START = Date.parse('2020-01-01T00:00:00Z');
const looking = { window: 7, mostWindows: 20 };

for (const { name, create } of databases) {
  describe(`looking through the audit log on ${name}`, () => {
    let database: TestDatabase;
    let app: TestApp;
    let accountId: string;

    before(async () => {
      database = await create();
      app = await startTestApp(database);
      accountId = app.credentials.account_id;
      const rows = Array.from({ length: COUNT }, (_, at) => entry(accountId, at));
      const { control } = app.app;
      await control.database.write((tx) => tx.query.insertInto('audit_entries').values(rows).execute());
    });
    after(async () => {
      await app?.close();
      await database?.drop();
    });

    const search = (rest: object) => ({
      filter: {
        since: timestamp(START),
        before: timestamp(START + DAY),
        tests: [{ field: 'action' as const, values: ['rare.update'] }],
      },
      direction: 'asc' as const,
      ...rest,
    });
    const find = async (rest: object, of = looking) => {
      const start = { after: null, offset: 0, limit: COUNT };
      const { reader } = app.app.control.database;
      return await findEntries(reader, { accountId }, { ...search(rest), start: { ...start, ...rest } }, of);
    };
    const numbers = (entries: readonly AuditEntryRow[]) => entries.map(({ position }) => position);
    const rare = Array.from({ length: COUNT / EVERY }, (_, at) => at * EVERY);

    it('finds each once, in either direction', async () => {
      assert.deepEqual(numbers(await find({})), rare);
      assert.deepEqual(numbers(await find({ direction: 'desc' })), [...rare].reverse());
    });

    it('stops at a full page, and goes on after it', async () => {
      for (const direction of ['asc', 'desc'] as const) {
        const inOrder = direction === 'asc' ? rare : [...rare].reverse();
        const seen: number[] = [];
        let last: AuditEntryRow | undefined;
        do {
          const page = await find({ direction, limit: 3, after: last ? keyOfEntry(last) : null });
          seen.push(...numbers(page));
          last = page.at(-1);
        } while (last && seen.length < COUNT);
        assert.deepEqual(seen, inOrder);
      }
    });

    it('counts where a page is asked for out of order', async () => {
      for (const offset of [0, 1, 2, 5, 9, 10, 50]) {
        assert.deepEqual(
          numbers(await find({ offset, limit: 4 })),
          rare.slice(offset, offset + 4),
          `${offset}`,
        );
      }
    });

    it('says so rather than leave out what it did not get to', async () => {
      const few = { window: 7, mostWindows: 3 };
      assert.deepEqual(numbers(await find({ limit: 3 }, few)), rare.slice(0, 3));
      await assert.rejects(find({ limit: 4 }, few), /more than 21 entries would have to be looked through/);
    });
  });
}

function entry(accountId: string, at: number): AuditEntryRow {
  const id = at.toString(16).padStart(32, '0');
  const nobody = {
    actor_id: null,
    actor_email: null,
    actor_ip: null,
    actor_token_id: null,
    actor_token_name: null,
  };
  const noRequest = { request_id: null, method: null, uri: null, status_code: null, user_agent: null };
  return {
    ...nobody,
    ...noRequest,
    id,
    account_id: accountId,
    position: at,
    // Three at a time, so that time alone is no order.
    at: timestamp(START + Math.floor(at / 3) * 1000),
    action: at % EVERY === 0 ? 'rare.update' : 'usual.update',
    result: 'success',
    actor_type: 'system',
    resource_type: 'thing',
    resource_id: id,
    interface: 'system',
    metadata: '{}',
    zone_id: null,
    zone_name: null,
  };
}
