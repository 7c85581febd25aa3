import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Command } from 'commander';
import { withProbeFlags } from '../../src/cli/probe-flags.ts';
import { readProbe } from '../../src/cli/probe-options.ts';

const set = { folder: '', token: '', empty: '', odd: '' };

before(async () => {
  set.folder = await mkdtemp(path.join(tmpdir(), 'portcullis-probe-'));
  for (const [name, text] of [
    ['token', 'a-token\n'],
    ['empty', '\n'],
    ['odd', 'two words\n'],
  ] as const) {
    set[name] = path.join(set.folder, name);
    await writeFile(set[name], text);
  }
});
after(() => rm(set.folder, { recursive: true }));

function read(...args: readonly string[]) {
  const command = withProbeFlags(new Command()).exitOverride();
  command.parse(args, { from: 'user' });
  return readProbe(command.opts(), command.args);
}

function problemsOf(...args: readonly string[]): readonly string[] {
  const asked = read(...args);
  return asked.ok ? assert.fail('nothing is wrong') : asked.problems;
}

function optionsOf(...args: readonly string[]) {
  const asked = read('--token-file', set.token, ...args);
  return asked.ok ? asked.options : assert.fail(asked.problems.join('\n'));
}

describe('what is refused', () => {
  test('every problem is named at once', () => {
    const problems = problemsOf(
      ...['--base-url', 'ftp://a', '--account', 'ABC', '--host', 'a b', '--gate', 'http://g/path'],
      ...['--provider-listen', 'nowhere', '--upstream-url', 'x', '--removal', 'ask', '--every', '10'],
      ...['--metrics-listen', '9465', '--timeout', '0', '--watch', '1', '--colour', 'red', 'more'],
    );
    const named = problems.map((problem) => problem.split(':', 1)[0]);
    const flags = [
      'token-file',
      'base-url',
      'account',
      'host',
      'gate http',
      'provider-listen',
      'upstream-url',
    ];
    const others = ['removal', 'every', 'metrics-listen', 'timeout', 'watch', 'colour'];
    assert.deepEqual(
      named.sort(),
      [...[...flags, ...others].map((name) => `--${name}`), 'red', 'more'].sort(),
    );
  });

  test('a token that is not in a file of its own', () => {
    for (const file of [set.empty, set.odd, path.join(set.folder, 'absent')]) {
      const [problem = '', ...more] = problemsOf('--token-file', file);
      assert.match(problem, /^--token-file: /);
      assert.deepEqual(more, []);
      assert.doesNotMatch(problem, /two words/);
    }
    assert.match(problemsOf('--token', 'a-token').join('\n'), /--token: unknown option/);
  });

  test('durations that are none, or beyond what makes sense', () => {
    for (const every of ['1', '0.5s', '999ms', '25h', '-1s', ''])
      assert.match(problemsOf('--token-file', set.token, '--every', every).join('\n'), /^--every: /, every);
  });

  test('one gate given twice, and addresses with credentials', () => {
    const twice = ['--gate', 'http://g:1', '--gate', 'http://g:1/'];
    assert.match(problemsOf('--token-file', set.token, ...twice).join('\n'), /given twice/);
    assert.equal(problemsOf('--token-file', set.token, '--base-url', 'http://a:b@c/client/v4').length, 1);
  });
});

describe('what is understood', () => {
  test('nothing but the token: one run against a server on this machine', () => {
    const options = optionsOf();
    assert.equal(options.token, 'a-token');
    assert.equal(options.baseUrl.href, 'http://127.0.0.1:8787/client/v4');
    assert.deepEqual(
      options.gates.map(({ origin }) => origin),
      ['http://127.0.0.1:8787'],
    );
    assert.deepEqual(
      [options.account, options.host, options.ca, options.every, options.removal],
      [null, null, null, null, 'delete'],
    );
    assert.deepEqual(
      [options.providerUrl, options.upstreamUrl],
      ['http://127.0.0.1:9471', 'http://127.0.0.1:9472'],
    );
    assert.deepEqual([options.timeout, options.watch], [10_000, 10_000]);
  });

  test('several gates, other addresses, and every so often', () => {
    const options = optionsOf(
      ...['--gate', 'https://10.0.0.5:8443', '--gate', 'http://[::1]:1', '--every', '1m30s'],
      ...['--provider-listen', '[::1]:9', '--upstream-url', 'http://10.0.0.9:7', '--metrics-listen', 'off'],
      ...['--host', 'Probe.Example.COM', '--removal', 'revoke'],
    );
    assert.deepEqual(
      options.gates.map(({ origin }) => origin),
      ['https://10.0.0.5:8443', 'http://[::1]:1'],
    );
    assert.deepEqual([options.every, options.metricsListen, options.removal], [90_000, null, 'revoke']);
    assert.deepEqual([options.providerUrl, options.upstreamUrl], ['http://[::1]:9', 'http://10.0.0.9:7']);
    assert.equal(options.host, 'probe.example.com');
  });
});
