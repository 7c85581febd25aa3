import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { readText } from '../../scripts/write-docs.ts';
import { probeFlags } from '../../src/cli/probe-flags.ts';
import { freePort } from '../support/free-port.ts';
import { databases, type TestDatabase } from '../support/postgres.ts';
import { readCredentials, runProgram, runToEnd, type Server, serve } from '../support/program.ts';
import { startLyingGate } from './lying-gate.ts';

/* `portcullis probe` against `portcullis serve`, each in a process of its own. */

interface Estate extends AsyncDisposable {
  readonly server: Server;
  readonly application: number;
  /** The arguments with which the probe finds the server. */
  readonly args: readonly string[];
}

async function start(database: TestDatabase): Promise<Estate> {
  const server = await serve(database, { flags: ['--rate-limit=off'] });
  const { api_token: token } = await readCredentials(database.folder);
  const file = path.join(database.folder, 'probe-token');
  await writeFile(file, `${token}\n`, { mode: 0o600 });
  const [provider, application] = [await freePort(), await freePort()];
  const args = [
    'probe',
    `--base-url=${server.origin}/client/v4`,
    `--token-file=${file}`,
    `--provider-listen=127.0.0.1:${provider}`,
    `--upstream-listen=127.0.0.1:${application}`,
    '--watch=2',
  ];
  return { server, application, args, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

for (const { name, create } of databases) {
  test(`once: kept is 0 and a table, broken is 1, not known is 2, and clean leaves nothing (${name})`, async () => {
    await using database = await create();
    await using estate = await start(database);
    const { args, server, application } = estate;

    const kept = await runToEnd(args);
    assert.equal(kept.code, 0, kept.stderr);
    assert.equal(kept.stderr, '');
    assert.match(kept.stdout, /^gate +channel +first refusal +cut +admitted after$/m);
    assert.match(kept.stdout, /\nkept\n$/);

    await using liar = await startLyingGate({ gate: server.port, application }, 'goes on with the stream');
    const broken = await runToEnd([...args, '--gate', liar.url.origin, '--json']);
    assert.equal(broken.code, 1, broken.stderr);
    const report = JSON.parse(broken.stdout) as { verdict: string; findings: { carried_after: number }[] };
    assert.equal(report.verdict, 'BROKEN');
    assert.ok(report.findings.some(({ carried_after: carried }) => carried > 0));

    const closed = `http://127.0.0.1:${await freePort()}`;
    const unknown = await runToEnd([...args, '--gate', closed, '--timeout=1']);
    assert.deepEqual([unknown.code, unknown.stdout], [2, '']);
    assert.match(unknown.stderr, new RegExp(`^could not probe: gate ${closed} does not answer: [^\n]+\n$`));

    assert.match((await runToEnd([...args, '--clean'])).stdout, /^nothing of the probe is there\n$/);
    assert.equal((await runToEnd([...args, '--keep'])).code, 0);
    const cleaned = await runToEnd([...args, '--clean']);
    assert.equal(cleaned.code, 0, cleaned.stderr);
    assert.match(cleaned.stdout, /^removed application \S+\nremoved identity provider \S+\n$/);
    assert.match((await runToEnd([...args, '--clean'])).stdout, /^nothing of the probe is there\n$/);
    assert.equal(await server.stop(), 0);
  });

  test(`continuous: metrics, failed runs counted and survived, ended by SIGTERM (${name})`, async () => {
    await using database = await create();
    await using estate = await start(database);
    const { args, server, application } = estate;
    await using liar = await startLyingGate(
      { gate: server.port, application },
      'asks the application without a verdict',
    );
    const metrics = `http://127.0.0.1:${await freePort()}/metrics`;
    await using probe = runProgram([
      ...args,
      ...[`--gate=${server.origin}`, `--gate=${liar.url.origin}`, '--every=1s', '--timeout=1', '--json'],
      `--metrics-listen=${new URL(metrics).host}`,
    ]);
    const read = async () => await (await fetch(metrics)).text();

    await probe.says('"verdict":"BROKEN"');
    const broken = await read();
    const labels = `gate="${liar.url.origin}",channel="requests"`;
    assert.match(broken, new RegExp(`^portcullis_probe_admitted_after_total\\{${labels}\\} [1-9]`, 'm'));
    const honest = `gate="${server.origin}",channel="stream"`;
    assert.match(broken, new RegExp(`^portcullis_probe_admitted_after_total\\{${honest}\\} 0$`, 'm'));
    for (const series of ['first_refusal_seconds', 'cut_seconds'])
      assert.match(broken, new RegExp(`^portcullis_probe_${series}_count\\{${honest}\\} [1-9]`, 'm'));
    assert.match(broken, /^portcullis_probe_runs_total\{verdict="broken"\} [1-9]/m);
    assert.match(broken, /^portcullis_probe_runs_total\{verdict="failed"\} 0$/m);
    assert.match(broken, /^portcullis_probe_removal_seconds_count [1-9]/m);
    assert.match(broken, /^portcullis_probe_last_run_timestamp_seconds 1\d{9}/m);

    assert.equal(await server.stop(), 0);
    await probe.says('"verdict":"failed"');
    assert.match(await read(), /^portcullis_probe_runs_total\{verdict="failed"\} [1-9]/m);

    probe.child.kill('SIGTERM');
    assert.equal(await probe.ended, 0);
    assert.equal(probe.stderr(), '');
    await assert.rejects(fetch(metrics));
  });
}

test('what is wrong with the command line is said at once, before anything is dialled or listened at', async () => {
  const { code, stdout, stderr } = await runToEnd(['probe', '--removal', 'ask', '--every=never', '--colour']);
  assert.deepEqual([code, stdout], [2, '']);
  for (const problem of [/^--token-file: is needed$/m, /^--removal: /m, /^--every: /m, /^--colour: unknown/m])
    assert.match(stderr, problem);
});

test('a port that is taken is named', async () => {
  const { databases: kinds } = { databases };
  await using database = await (kinds[0] ?? assert.fail()).create();
  await using estate = await start(database);
  const taken = `--upstream-listen=127.0.0.1:${estate.server.port}`;
  const { code, stderr } = await runToEnd([...estate.args, taken]);
  assert.equal(code, 2);
  assert.equal(stderr, `cannot listen on 127.0.0.1:${estate.server.port}: the port is taken\n`);
});

test('docs/probe.md has one line for each option, and for nothing else', () => {
  const rows = [
    ...readText('docs/probe.md').matchAll(/^\| `--([a-z-]+)(?: <([^>]+)>)?` \| (.+) \| (.+) \|$/gm),
  ];
  assert.deepEqual(
    rows.map(([, flag, value = '', usual, describe]) => ({ flag, value, usual, describe })),
    probeFlags.map(({ name: flag, value, usual, describe }) => ({
      flag,
      value: value.replaceAll('|', '\\|'),
      usual,
      describe,
    })),
  );
});
