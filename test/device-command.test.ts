import assert from 'node:assert/strict';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser } from './support/browser.ts';
import { answerDevice, DEVICE, deviceForm, pressDevice } from './support/device-in-hand.ts';
import { freePort } from './support/free-port.ts';
import { type Gated, gatedOnBothDatabases } from './support/gated.ts';
import { signIn } from './support/openid-provider.ts';
import { type Program, runProgram, runToEnd } from './support/program.ts';

/* `portcullis device …` in a process of its own, against a server, with a person in a browser. */

gatedOnBothDatabases('portcullis device', (world) => {
  let home = '';
  before(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'portcullis-device-'));
  });
  after(async () => await rm(home, { recursive: true, force: true }));

  const env = () => ({ HOME: home });
  const run = (...args: string[]) => runToEnd(['device', ...args], { env: env() });
  const file = (name: string) => path.join(home, `${name}.json`);
  const profile = (name: string) => `--profile=${file(name)}`;

  /** Enrols, with somebody who answers. */
  const enroll = async (name: string, browser: Browser, decision = 'enrol') => {
    await using program = runProgram(
      ['device', 'enroll', '--team', world().team, '--name', name, profile(name)],
      { env: env() },
    );
    const user_code = await codeOf(program);
    const page = await answerDevice(world(), { browser, user_code, decision });
    assert.equal(page.status, 200, page.text);
    const code = await program.ended;
    return { code, stdout: program.stdout(), stderr: program.stderr() };
  };

  test('refuses what it cannot do, in one line, and leaves nothing behind', async () => {
    const port = await freePort();
    const wrong: [RegExp, ...string[]][] = [
      [/required option '--team <url>'/, 'enroll'],
      [/^--team: must be an https origin/, 'enroll', '--team', 'team.example.com'],
      [/^--team: must be an https origin/, 'enroll', '--team', 'https://team.example.com/path'],
      [/^--team: must be an https origin/, 'enroll', '--team', 'ftp://team.example.com'],
      [/^--team: http is for this machine alone/, 'enroll', '--team', 'http://team.example.com'],
      [/unknown option/, 'enroll', '--team', 'https://team.example.com', '--surprise'],
      [/unknown command/, 'dance'],
      [/^this device is not enrolled: there is no .*nothing\.json\n$/, 'status'],
      [/^this device is not enrolled/, 'login'],
      [/^this device is not enrolled/, 'report'],
      [/^this device is not enrolled/, 'remove'],
      [/^this device is not enrolled/, 'proof', 'GET', 'https://app.example.com/'],
      [/missing required argument/, 'proof', 'GET'],
    ];
    for (const [says, command, ...args] of wrong) {
      const told = await run(command ?? '', ...args, profile('nothing'));
      assert.deepEqual([told.code, told.stdout], [2, ''], told.stderr);
      assert.match(told.stderr, says);
    }
    assert.deepEqual(await readdir(home), []);
    const away = await run('enroll', '--team', `http://127.0.0.1:${port}`, profile('away'));
    assert.deepEqual([away.code, away.stdout], [2, '']);
    assert.match(away.stderr, /^http:\/\/127\.0\.0\.1:\d+ cannot be reached: [^\n]+\n$/);
    const nobody = await run('enroll', '--team', world().app.origin, profile('nobody'));
    assert.deepEqual([nobody.code, nobody.stdout], [2, '']);
    assert.match(nobody.stderr, /is no team domain of Portcullis/);
  });

  test('says that the clock is wrong, and by how much', async () => {
    const there = new Date(Date.now() + 600_000).toUTCString();
    const server = createServer((_request, response) =>
      response
        .writeHead(401, { 'content-type': 'application/json', date: there })
        .end('{"error":"x","error_description":"x","reason":"proof_too_old"}'),
    );
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const told = await run('enroll', '--team', `http://localhost:${port}`, profile('slow'));
    server.close();
    assert.equal(told.code, 2);
    assert.match(
      told.stderr,
      /^the clock of this device is slow by (?:59\d|60\d) s: set it and try again\n$/,
    );
  });

  test('takes nothing for an answer that is not ours, whatever its status', async () => {
    const server = createServer((_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}'),
    );
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const enrolled = await run('enroll', '--team', `http://localhost:${port}`, profile('foreign'));
    const others = [
      await run('login', profile('foreign')),
      await run('status', profile('foreign')),
      await run('report', profile('foreign')),
    ];
    server.close();
    for (const told of [enrolled, ...others]) {
      const said = [told.code, told.stdout, told.stderr];
      assert.deepEqual(said, [2, '', 'the team domain answers what is not understood\n']);
    }
  });

  test('removes the key itself where its profile is a link', async () => {
    const [target, link] = [file('target'), file('link')];
    await using program = runProgram(['device', 'enroll', '--team', world().team, profile('target')], {
      env: env(),
    });
    await codeOf(program);
    program.child.kill('SIGTERM');
    assert.equal(await program.ended, 1);
    await symlink(target, link);
    const removed = await run('remove', profile('link'));
    assert.equal(removed.code, 0, removed.stderr);
    await assert.rejects(stat(target), { code: 'ENOENT' });
    assert.equal((await run('proof', 'GET', 'https://app.example.com/', profile('link'))).code, 2);
  });

  test('writes its key into no file that waits for it', async () => {
    const folder = path.join(home, 'shared');
    await mkdir(folder);
    const [loot, key] = [path.join(folder, 'loot'), path.join(folder, 'device.json')];
    await writeFile(loot, '');
    await symlink(loot, `${key}.new`);
    await using program = runProgram(['device', 'enroll', '--team', world().team, `--profile=${key}`], {
      env: env(),
    });
    const user_code = await codeOf(program);
    const browser = await world().signedIn(world().person());
    assert.equal((await answerDevice(world(), { browser, user_code })).status, 200);
    assert.equal(await program.ended, 0, program.stderr());
    assert.equal(await readFile(loot, 'utf8'), '');
    assert.ok((await lstat(key)).isFile());
    assert.deepEqual(await readdir(folder), ['device.json', 'device.json.new', 'loot']);
  });

  test('ends when it is told to, or the person refuses, and keeps its key for the next time', async () => {
    await using program = runProgram(['device', 'enroll', '--team', world().team, profile('stopped')], {
      env: env(),
    });
    await codeOf(program);
    const key = await readFile(file('stopped'), 'utf8');
    assert.equal((await stat(file('stopped'))).mode & 0o777, 0o600);
    program.child.kill('SIGINT');
    assert.equal(await program.ended, 1);
    assert.match(program.stderr(), /^stopped: this device was not enrolled/);
    assert.equal(await readFile(file('stopped'), 'utf8'), key);
    const browser = await world().signedIn(world().person());
    const refused = await enroll('stopped', browser, 'refuse');
    assert.deepEqual([refused.code, refused.stderr], [1, 'the person refused to enrol this device\n']);
    assert.equal(await readFile(file('stopped'), 'utf8'), key);
    const unknown = await run('status', profile('stopped'));
    assert.deepEqual(
      [unknown.code, unknown.stderr],
      [1, 'this device is not enrolled: portcullis device enroll\n'],
    );
  });

  test('enrols, tells who it is, reports, signs in again, and forgets its key', async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    const done = await enroll('walk', browser);
    assert.equal(done.code, 0, done.stderr);
    assert.match(
      done.stdout,
      new RegExp(
        `\\nThis device is enrolled for ${person.email} at ${world().team}\\. You are signed in on it until `,
      ),
    );
    const kept = JSON.parse(await readFile(file('walk'), 'utf8')) as {
      registration_id: string;
      key: { d: string };
    };
    assert.ok(!done.stdout.includes(kept.key.d));
    const status = await run('status', profile('walk'));
    assert.equal(status.code, 0, status.stderr);
    for (const part of [person.email, kept.registration_id, 'walk', 'signed in      yes'])
      assert.ok(status.stdout.includes(part), status.stdout);
    const report = await run('report', profile('walk'));
    assert.deepEqual([report.code, report.stdout], [0, 'Reported.\n'], report.stderr);
    const elsewhere = await run('enroll', '--team', 'https://team.example.com', profile('walk'));
    assert.equal(elsewhere.code, 2);
    assert.match(elsewhere.stderr, /^this device is enrolled at http:\/\/team\.localhost/);
    await world().app.api('POST', `/accounts/${world().account_id}/access/organizations/revoke_user`, {
      body: { email: person.email, warp_session_reauth: true },
    });
    const ended = await run('status', profile('walk'));
    assert.deepEqual(
      [ended.code, ended.stderr],
      [1, 'the person has to sign in on this device again: portcullis device login\n'],
    );
    await using login = runProgram(['device', 'login', profile('walk')], { env: env() });
    const address = `${world().team}${DEVICE}?user_code=${await codeOf(login)}`;
    const shown = await signIn(browser, address, { login: person.sub });
    assert.match(shown.text, /Sign in on walk\?/, 'it keeps the name that it was given');
    await pressDevice(world(), browser, { ...deviceForm(shown), decision: 'enrol' });
    assert.equal(await login.ended, 0, login.stderr());
    assert.equal((await run('status', profile('walk'))).code, 0);
    const removed = await run('remove', profile('walk'));
    assert.equal(removed.code, 0);
    assert.ok(removed.stdout.includes(kept.registration_id), removed.stdout);
    assert.equal((await run('status', profile('walk'))).code, 2);
  });

  test('proves a request to an application until revoke_user revokes it, in each spelling of devices', async () => {
    const { account_id, app, site } = world();
    await allowDevices(world());
    const person = world().person();
    const browser = await world().signedIn(person);
    assert.equal((await enroll('proving', browser)).code, 0);
    const open = async (method = 'GET') => {
      const proof = await run('proof', method, `${site}/`, '--header', profile('proving'));
      assert.deepEqual([proof.code, proof.stderr], [0, '']);
      const [, name = '', value = ''] = /^([\w-]+): (\S+)\n$/.exec(proof.stdout) ?? assert.fail(proof.stdout);
      const headers = { [name]: value };
      const once = await world().browser().get(`${site}/`, headers);
      const twice = await world().browser().get(`${site}/`, headers);
      return [once.status, twice.status, once.text] as const;
    };
    const spellings = [
      { query: '?devices=true', body: {} },
      { query: '', body: { devices: true } },
      { query: '', body: { body_devices: true } },
    ];
    for (const { query, body } of spellings) {
      assert.deepEqual(await open(), [200, 302, `hello ${person.email}`], 'good once');
      assert.equal((await open('POST'))[0], 302, 'a proof of another method');
      const arrived = world().arrived.length;
      const revoked = await app.api(
        'POST',
        `/accounts/${account_id}/access/organizations/revoke_user${query}`,
        { body: { email: person.email, ...body } },
      );
      assert.equal(revoked.status, 200);
      assert.equal((await open())[0], 302, `at the next request ${query}${JSON.stringify(body)}`);
      assert.equal(world().arrived.length, arrived, 'nothing reached the application');
      const { registration_id } = JSON.parse(await readFile(file('proving'), 'utf8')) as {
        registration_id: string;
      };
      const told = await run('login', profile('proving'));
      assert.deepEqual([told.code, told.stderr], [1, 'an administrator has revoked this device\n']);
      await app.api('POST', `/accounts/${account_id}/devices/registrations/unrevoke?id=${registration_id}`);
      assert.equal((await open())[0], 302, 'allowed again, it still has to be signed in on');
      await using login = runProgram(['device', 'login', profile('proving')], { env: env() });
      const address = `${world().team}${DEVICE}?user_code=${await codeOf(login)}`;
      const shown = await signIn(browser, address, { login: person.sub });
      await pressDevice(world(), browser, { ...deviceForm(shown), decision: 'enrol' });
      assert.equal(await login.ended, 0, login.stderr());
    }
  });

  test('keeps its key below the home of whoever runs it, where nobody else can read it', async () => {
    await using program = runProgram(['device', 'enroll', '--team', world().team], { env: env() });
    await codeOf(program);
    program.child.kill('SIGTERM');
    assert.equal(await program.ended, 1);
    const place = path.join(home, '.config', 'portcullis');
    assert.deepEqual(
      [(await stat(place)).mode & 0o777, (await stat(path.join(place, 'device.json'))).mode & 0o777],
      [0o700, 0o600],
    );
    assert.deepEqual(await readdir(place), ['device.json']);
    const open = file('open');
    await writeFile(open, await readFile(path.join(place, 'device.json')), { mode: 0o644 });
    const told = await run('proof', 'GET', 'https://app.example.com/', profile('open'));
    assert.deepEqual([told.code, told.stdout], [2, '']);
    assert.match(told.stderr, /can be read by others: chmod 600 it/);
    await writeFile(open, '{"version":1}');
    assert.equal((await run('remove', profile('open'))).code, 2);
  });
});

/** The organization and its application take the device session of a person as their sign-in. */
async function allowDevices({ app, account_id, application }: Gated): Promise<void> {
  const base = `/accounts/${account_id}/access`;
  const organization = await app.api('PUT', `${base}/organizations`, {
    body: { allow_authenticate_via_warp: true },
  });
  assert.equal(organization.status, 200, JSON.stringify(organization.body));
  const { result } = (await app.api('GET', `${base}/apps/${application.id}`)).body;
  const { name, type, domain } = result;
  const changed = await app.api('PUT', `${base}/apps/${application.id}`, {
    body: {
      ...{ name, type, domain, allow_authenticate_via_warp: true },
      policies: [{ name: 'Everyone', decision: 'allow', include: [{ everyone: {} }] }],
    },
  });
  assert.equal(changed.status, 200, JSON.stringify(changed.body));
}

/** The code that it shows, once it does. */
async function codeOf(program: Program): Promise<string> {
  await program.says('and compare the code');
  for (;;) {
    const [code] = /\b[B-Z]{4}-[B-Z]{4}\b/.exec(program.stdout().split('compare the code')[1] ?? '') ?? [];
    if (code) return code;
    await program.says('\n');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
