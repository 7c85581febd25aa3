import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Client } from 'pg';
import { databases, type TestDatabase } from '../../test/support/postgres.ts';
import { type Lock, LockedError, lockFolder, lockPostgres } from './lock.ts';

function lock({ url, folder }: TestDatabase, holder: string): Promise<Lock> {
  return url === null
    ? (async () => lockFolder(path.join(folder, 'serve.lock'), holder))()
    : lockPostgres(url, holder);
}

function refusedBy(holder: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof LockedError, String(error));
    assert.match(error.message, holder);
    return true;
  };
}

for (const { name, create } of databases) {
  describe(`the lock of a server (${name})`, () => {
    test('is one server’s, and whoever comes second is told whose', async () => {
      await using place = await create();
      const held = await lock(place, 'portcullis on 127.0.0.1:8787, pid 1');
      await assert.rejects(
        lock(place, 'second'),
        refusedBy(/in use by portcullis on 127\.0\.0\.1:8787, pid 1$/),
      );
      await assert.rejects(lock(place, 'third'), refusedBy(/pid 1$/));
      await held.release();
      const next = await lock(place, 'portcullis, the next');
      await assert.rejects(lock(place, 'second'), refusedBy(/in use by portcullis, the next$/));
      await next.release();
    });

    test('can be had at once by whoever comes after a release, again and again', async () => {
      await using place = await create();
      for (let round = 0; round < 20; round++) await (await lock(place, `round ${round}`)).release();
    });

    test('is of one database alone', async () => {
      await using here = await create();
      await using there = await create();
      const locks = [await lock(here, 'here'), await lock(there, 'there')];
      for (const held of locks) await held.release();
    });

    test('ends with its process, however that ends', async () => {
      await using place = await create();
      const child = await lockInProcess(place);
      await assert.rejects(lock(place, 'second'), refusedBy(/in use by another process$/));
      child.kill('SIGKILL');
      await once(child, 'exit');
      await (await lockWhenFree(place)).release();
    });
  });
}

test('on PostgreSQL whoever loses the lock is told, once it is lost and not before', async () => {
  const place = await databases.find(({ name }) => name === 'postgres')?.create();
  assert.ok(place?.url);
  await using _place = place;
  const held = await lockPostgres(place.url, 'the holder');
  const lost = Promise.withResolvers<string>();
  held.onLost(() => lost.resolve('lost'));
  const other = new Client(place.url);
  await other.connect();
  const ended =
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'the holder'";
  assert.equal((await other.query(ended)).rowCount, 1);
  assert.equal(await lost.promise, 'lost');
  const released = await lockWhenFree(place);
  released.onLost(() => assert.fail('a lock that is given back is not lost'));
  await released.release();
  await other.end();
});

test('a lock file that is none is named for what it is, and nobody blamed for it', async () => {
  const place = await databases.find(({ name }) => name === 'sqlite')?.create();
  assert.ok(place);
  await using _place = place;
  const file = path.join(place.folder, 'serve.lock');
  await writeFile(file, 'this is no database, and it is longer than the header of one: '.repeat(20));
  assert.throws(
    () => lockFolder(file, 'somebody'),
    (error) =>
      error instanceof Error && !(error instanceof LockedError) && /not a database/.test(error.message),
  );
});

/** Asks until the server has noticed that the connection of the former holder is gone. */
async function lockWhenFree(place: TestDatabase): Promise<Lock> {
  for (;;) {
    try {
      return await lock(place, 'after');
    } catch (error) {
      if (!(error instanceof LockedError)) throw error;
    }
  }
}

/** Holds the lock in a process of its own. */
async function lockInProcess({ url, folder }: TestDatabase): Promise<ChildProcess> {
  const module = JSON.stringify(new URL('./lock.ts', import.meta.url));
  const call =
    url === null
      ? `lockFolder(${JSON.stringify(path.join(folder, 'serve.lock'))}, 'another process')`
      : `lockPostgres(${JSON.stringify(url)}, 'another process')`;
  const script = `const { lockFolder, lockPostgres } = await import(${module});
    await ${call};
    process.stdout.write('held');
    await new Promise((resolve) => setInterval(resolve, 2 ** 30));`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}
