import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import type { Browser } from '../support/browser.ts';
import { type Gated, startGated } from '../support/gated.ts';
import type { Person } from '../support/openid-provider.ts';
import { databases } from '../support/postgres.ts';

const program = path.join(import.meta.dirname, '..', '..', 'bin', 'portcullis.js');
const PEOPLE = 18;
/** Killed when so many removals have been answered, with others under way. */
const KILL_AFTER = 6;

interface Somebody {
  readonly person: Person;
  readonly userId: string;
  readonly browser: Browser;
}

interface Server {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
}

/** `portcullis serve` as a process of its own, where the server of the world listened until now. */
function spawnServer({ app, database }: Gated, port = app.port): Server {
  const flags = [
    `--listen=127.0.0.1:${port}`,
    `--data=${database.folder}`,
    ...(database.url ? [`--database-url=${database.url}`] : []),
    '--metrics-listen=off',
    '--rate-limit=off',
    '--log-level=silent',
    '--trusted-proxy=127.0.0.0/8',
  ];
  const child = spawn(process.execPath, [program, 'serve', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  return { child, ended: once(child, 'exit') };
}

/** All that a server says to the operator's console. */
async function said({ child: { stderr } }: Server): Promise<string> {
  return stderr ? await text(stderr) : '';
}

async function startServer(world: Gated): Promise<Server> {
  const server = spawnServer(world);
  const complaint = said(server);
  const ready = once(server.child.stdout ?? server.child, 'data');
  await Promise.race([ready, server.ended]);
  if (server.child.exitCode !== null) throw new Error(await complaint);
  return server;
}

async function signInAll(world: Gated): Promise<Somebody[]> {
  const everybody: Somebody[] = [];
  for (let index = 0; index < PEOPLE; index += 1) {
    const person = world.person();
    const browser = await world.signedIn(person);
    everybody.push({ person, browser, userId: (await world.user(person)).id });
  }
  return everybody;
}

const isAdmitted = async (world: Gated, { browser }: Somebody) => (await world.open(browser)).status === 200;

/** Deletes the users of one list and revokes those of the other, until the server is gone. */
async function removeUntilKilled(
  { sdk, account_id }: Gated,
  { child, ended }: Server,
  { deleted, revoked }: { deleted: readonly Somebody[]; revoked: readonly Somebody[] },
): Promise<Set<Somebody>> {
  const answered = new Set<Somebody>();
  const note = (who: Somebody) => {
    answered.add(who);
    if (answered.size === KILL_AFTER) child.kill('SIGKILL');
  };
  const { users } = sdk.zeroTrust.access;
  await Promise.allSettled([
    ...deleted.map((who) => users.delete(who.userId, { account_id }).then(() => note(who))),
    ...revoked.map((who) =>
      sdk.zeroTrust.organizations.revokeUsers({ account_id, email: who.person.email }).then(() => note(who)),
    ),
  ]);
  await ended;
  return answered;
}

for (const { name, create } of databases) {
  describe(`a server that is killed while it removes people (${name})`, () => {
    test('admits nobody afterwards whose removal it had answered, and everybody whom nobody removed', {
      timeout: 60_000,
    }, async () => {
      await using world = await startGated(await create());
      const everybody = await signInAll(world);
      await world.app.close();

      const first = await startServer(world);
      for (const who of everybody) assert.equal(await isAdmitted(world, who), true);
      if (world.database.url === null) await refusedBeside(world, first);
      const third = PEOPLE / 3;
      const [deleted, revoked, kept] = [0, third, 2 * third].map((at) => everybody.slice(at, at + third));
      const answered = await removeUntilKilled(world, first, {
        deleted: deleted ?? [],
        revoked: revoked ?? [],
      });
      assert.equal(first.child.signalCode, 'SIGKILL');
      assert.ok(answered.size >= KILL_AFTER);

      const second = await startServer(world);
      for (const who of answered) assert.equal(await isAdmitted(world, who), false, who.person.email);
      for (const who of kept ?? []) assert.equal(await isAdmitted(world, who), true, who.person.email);
      await assertAudited(world, answered, deleted ?? []);
      second.child.kill('SIGTERM');
      await second.ended;
      assert.equal(second.child.exitCode, 0);
    });
  });
}

/** A second server on the same database says who is there, and leaves it alone. */
async function refusedBeside(world: Gated, { child }: Server): Promise<void> {
  const other = spawnServer(world, world.app.port + 1);
  const complaint = await said(other);
  await other.ended;
  assert.equal(other.child.exitCode, 2);
  assert.ok(
    complaint.includes(`in use by portcullis on 127.0.0.1:${world.app.port}, pid ${child.pid}`),
    complaint,
  );
}

async function assertAudited(
  world: Gated,
  answered: ReadonlySet<Somebody>,
  deleted: readonly Somebody[],
): Promise<void> {
  const entries = new Set<string>();
  for (const action of ['user.delete', 'user.revoke']) {
    const { body } = await world.app.api(
      'GET',
      `/accounts/${world.account_id}/audit_logs?per_page=1000&action.type=${action}`,
    );
    for (const entry of body.result) entries.add(`${action} ${entry.resource.id}`);
  }
  for (const who of answered) {
    const action = deleted.includes(who) ? 'user.delete' : 'user.revoke';
    assert.ok(entries.has(`${action} ${who.userId}`), `${action} of ${who.person.email}`);
  }
}
