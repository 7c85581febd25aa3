import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { startTestApp, type TestApp } from './app.ts';
import { databases, type TestDatabase } from './postgres.ts';

/** The server that tests are played against, and the database that it runs on. */
export interface Stage {
  readonly app: TestApp;
  readonly database: TestDatabase;
}

/** Describes what holds on both databases: one server on each, for all tests of the body. */
export function onBothDatabases(
  title: string,
  body: (stage: Stage) => void,
  options: Parameters<typeof startTestApp>[1] = {},
): void {
  for (const { name, create } of databases) {
    describe(`${title} (${name})`, () => {
      const set: { app?: TestApp; database?: TestDatabase } = {};
      before(async () => {
        set.database = await create();
        set.app = await startTestApp(set.database, options);
      });
      after(async () => {
        await set.app?.close();
        await set.database?.drop();
      });
      body({
        get app() {
          assert.ok(set.app);
          return set.app;
        },
        get database() {
          assert.ok(set.database);
          return set.database;
        },
      });
    });
  }
}
