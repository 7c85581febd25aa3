import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Client } from 'pg';
import { type DatabaseKind, databases, type TestDatabase } from '../../test/support/postgres.ts';
import { type Lock, LockedError, lockFolder, lockPostgres } from './lock.ts';

function lock({ url, folder }: TestDatabase, holder: string): Promise<Lock> {
  return url === null
    ? (async () => lockFolder(path.join(folder, 'serve.lock'), holder))()
    : lockPostgres(url, holder);
}

/** As in lock.ts: version 0.1 takes it alone. */
const SERVE_LOCK = 7_012_612;

const [sqlite, postgres] = ['sqlite', 'postgres'].map(
  (kind) => databases.find(({ name }) => name === kind) ?? assert.fail(),
) as [DatabaseKind, DatabaseKind];

/** A connection beside. */
async function connect({ url }: TestDatabase, name = 'beside'): Promise<Client & AsyncDisposable> {
  const client = new Client({ connectionString: url ?? '', application_name: name });
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

async function takeAlone(client: Client): Promise<boolean> {
  const { rows } = await client.query(`select pg_try_advisory_lock(${SERVE_LOCK}) as held`);
  return rows[0]?.held === true;
}

/** The connections of the holder. */
async function holders(client: Client): Promise<number[]> {
  const { rows } = await client.query(
    `select a.pid from pg_stat_activity a join pg_locks l using (pid)
     where a.application_name = 'the holder' and l.locktype = 'advisory' and l.granted`,
  );
  return rows.map(({ pid }) => pid as number);
}

/** Asks until it is so. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let left = 1000; left > 0; left--) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail('it never came');
}

function refusedBy(holder: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof LockedError, String(error));
    assert.match(error.message, holder);
    return true;
  };
}

describe('the lock of a server on SQLite', () => {
  test('is one server’s, and whoever comes second is told whose', async () => {
    await using place = await sqlite.create();
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

  test('ends with its process, however that ends', async () => {
    await using place = await sqlite.create();
    const child = await lockInProcess(place);
    await assert.rejects(lock(place, 'second'), refusedBy(/in use by another process$/));
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (await lockWhenFree(place)).release();
  });
});

describe('the lock of the nodes on PostgreSQL', () => {
  test('is shared by all of them, and refused to whoever wants it alone as long as one is left', async () => {
    await using place = await postgres.create();
    await using alone = await connect(place);
    const first = await lock(place, 'the first node');
    const second = await lock(place, 'the second node');
    assert.equal(await takeAlone(alone), false);
    await first.release();
    assert.equal(await takeAlone(alone), false);
    await second.release();
    await until(() => takeAlone(alone));
  });

  test('is refused while a server of version 0.1 has it alone, whose name is told', async () => {
    await using place = await postgres.create();
    await using alone = await connect(place, 'portcullis 0.1, pid 1');
    assert.equal(await takeAlone(alone), true);
    await assert.rejects(lock(place, 'a node'), refusedBy(/in use by portcullis 0\.1, pid 1$/));
    await alone.query('select pg_advisory_unlock_all()');
    await (await lock(place, 'a node')).release();
  });

  test('ends with its process, however that ends', async () => {
    await using place = await postgres.create();
    await using alone = await connect(place);
    const child = await lockInProcess(place);
    assert.equal(await takeAlone(alone), false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await until(() => takeAlone(alone));
  });

  test('is had again after its connection was cut, and not by one that gave it back', async () => {
    await using place = await postgres.create();
    await using alone = await connect(place);
    const held = await lock(place, 'the holder');
    for (let round = 0; round < 2; round++) {
      const [former] = await holders(alone);
      await alone.query('select pg_terminate_backend($1)', [former]);
      await until(async () => {
        const [now] = await holders(alone);
        return now !== undefined && now !== former;
      });
    }
    assert.equal(await takeAlone(alone), false);
    await held.release();
    await until(() => takeAlone(alone));
    assert.deepEqual(await holders(alone), []);
  });

  test('is asked for in vain while somebody else took it meanwhile, and had when they are gone', async () => {
    await using place = await postgres.create();
    await using alone = await connect(place);
    const held = await lock(place, 'the holder');
    const [former] = await holders(alone);
    await alone.query(`select pg_terminate_backend($1), pg_advisory_lock(${SERVE_LOCK})`, [former]);
    assert.deepEqual(await holders(alone), []);
    await alone.query('select pg_advisory_unlock_all()');
    await until(async () => (await holders(alone)).length === 1);
    await held.release();
  });
});

for (const { name, create } of databases) {
  describe(`the lock of a server (${name})`, () => {
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
  });
}

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
