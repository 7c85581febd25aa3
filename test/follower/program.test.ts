import assert from 'node:assert/strict';
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { newSecret } from '../../src/kernel/ids.ts';
import { freePort } from '../support/free-port.ts';
import { createGateByApi } from '../support/gate-keys.ts';
import { databases } from '../support/postgres.ts';
import { type Program, runProgram, runToEnd } from '../support/program.ts';
import { askGate } from '../support/remote-asks.ts';
import { deleteGate, type Followed, startFollowed, until } from '../support/remote-gate.ts';

const sqlite = databases.find(({ name }) => name === 'sqlite') ?? assert.fail();
const NOWHERE = '--control-plane=http://127.0.0.1:1';

describe('portcullis gate', () => {
  const set: { followed?: Followed; folder?: string } = {};
  const followed = () => set.followed ?? assert.fail();
  const folder = () => set.folder ?? assert.fail();
  before(async () => {
    set.followed = await startFollowed(await sqlite.create(), { serveFlags: ['--lease=2'] });
    set.folder = await mkdtemp(path.join(tmpdir(), 'portcullis-gate-'));
  });
  after(async () => {
    await set.followed?.[Symbol.asyncDispose]();
    await rm(folder(), { recursive: true, force: true });
  });

  /** A program that follows the control plane of the world; its credential is in a file. */
  const start = async (token = followed().issued.token) => {
    const port = await freePort();
    const file = path.join(folder(), 'token');
    writeFileSync(file, `${token}\n`);
    const program = runProgram([
      'gate',
      `--control-plane=http://127.0.0.1:${followed().world.app.port}`,
      `--token-file=${file}`,
      `--listen=127.0.0.1:${port}`,
      `--data=${path.join(folder(), 'data')}`,
      '--metrics-listen=off',
    ]);
    return Object.assign(program, { port });
  };

  const ready = async (program: Program & { port: number }) => {
    await program.says('is running.');
    const seen = { status: 0 };
    await until(
      () => {
        fetch(`http://127.0.0.1:${program.port}/readyz`).then(
          ({ status }) => Object.assign(seen, { status }),
          () => {},
        );
        return seen.status === 200;
      },
      () => `not ready: ${program.stdout()}${program.stderr()}`,
    );
  };

  test('names all that is wrong with its settings, and exits with 2', async () => {
    const { code, stderr, stdout } = await runToEnd(['gate', '--zone=a.example']);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    for (const name of ['--zone', '--control-plane', '--token'])
      assert.match(stderr, new RegExp(`^${name}:`, 'm'));
  });

  test('says that its credential is not accepted, and exits with 1', async () => {
    await using program = await start(newSecret('pcg'));
    assert.equal(await program.ended, 1);
    assert.match(program.stderr(), /does not accept the credential/);
  });

  test('refuses a key that others can read, and a port that is taken', async () => {
    const data = path.join(folder(), 'open');
    const args = ['gate', NOWHERE, `--token=${newSecret('pcg')}`, `--data=${data}`, '--metrics-listen=off'];
    const first = runProgram([...args, `--listen=127.0.0.1:${await freePort()}`]);
    await first.says('is running.');
    await first[Symbol.asyncDispose]();
    const key = path.join(data, 'gate-key.json');
    assert.equal(statSync(key).mode & 0o777, 0o600);
    chmodSync(key, 0o644);
    const open = await runToEnd([...args, `--listen=127.0.0.1:${await freePort()}`]);
    assert.deepEqual([open.code, /chmod 600/.test(open.stderr)], [2, true], open.stderr);
    chmodSync(key, 0o600);
    const taken = await runToEnd([...args, `--listen=127.0.0.1:${followed().gate.port}`]);
    assert.deepEqual([taken.code, /the port is taken/.test(taken.stderr)], [2, true], taken.stderr);
  });

  test('serves, says no secret, and gives its lease back at SIGTERM', async () => {
    await using program = await start();
    await ready(program);
    const { cookie, person } = await followed().signedIn();
    const answer = await askGate(followed(), '/', cookie, { port: program.port });
    assert.equal(answer.text, `hello ${person.email}`);
    program.child.kill('SIGTERM');
    assert.equal(await program.ended, 0);
    const said = program.stdout() + program.stderr();
    assert.ok(!said.includes(followed().issued.token));
    assert.match(said, /draining/);
  });

  test('ends by itself, with 1, when its credential is deleted', async () => {
    const { world } = followed();
    const issued = await createGateByApi(world.app, 'short-lived');
    await using program = await start(issued.token);
    await ready(program);
    await deleteGate(world.app, issued);
    assert.equal(await program.ended, 1);
  });
});
