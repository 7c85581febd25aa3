import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { type GateConfig, readGateConfig } from './gate-config.ts';
import { gateSettings } from './gate-settings.ts';
import { newSecret } from './kernel/ids.ts';

const TOKEN = newSecret('pcg');
const NEEDED = ['--control-plane=https://access.example', `--token=${TOKEN}`];

function problemsOf(argv: readonly string[], env: Record<string, string> = {}): readonly string[] {
  const reading = readGateConfig(argv, env);
  return reading.ok ? [] : reading.problems;
}

function configOf(argv: readonly string[], env: Record<string, string> = {}): GateConfig {
  const reading = readGateConfig(argv, env);
  assert.ok(reading.ok, reading.ok ? '' : reading.problems.join('\n'));
  return reading.config;
}

describe('settings of a gate that are refused', () => {
  test('everything that is missing or unknown is named at once', () => {
    const problems = problemsOf(['--database-url=sqlite', '--listen=here'], { PORTCULLIS_ZONE: 'a.example' });
    assert.deepEqual(
      problems.map((problem) => problem.split(':')[0]).sort(),
      ['--control-plane', '--database-url', '--listen', '--token', 'PORTCULLIS_ZONE'].sort(),
    );
  });

  for (const origin of ['access.example', 'ftp://access.example', 'https://access.example/path', '']) {
    test(`a control plane that is no origin: ${origin || 'nothing'}`, () => {
      const problems = problemsOf([`--control-plane=${origin}`, `--token=${TOKEN}`]);
      assert.deepEqual(problems, ['--control-plane: must be an http or https origin without a path']);
    });
  }

  test('a control plane beyond loopback by http', () => {
    const [problem = '', ...more] = problemsOf(['--control-plane=http://10.0.0.1', `--token=${TOKEN}`]);
    assert.match(problem, /^--control-plane: http is for loopback alone/);
    assert.deepEqual(more, []);
  });

  test('one of several control planes that is refused', () => {
    assert.equal(problemsOf([...NEEDED, '--control-plane=http://10.0.0.1']).length, 1);
  });

  for (const token of ['', 'a password', `${TOKEN.slice(0, -1)}x`, newSecret('cfut')]) {
    test(`a credential that is none of a gate: ${token.slice(0, 10)}…`, () => {
      const problems = problemsOf(['--control-plane=https://a.example', `--token=${token}`]);
      assert.deepEqual(problems, ['--token: is not the credential of a gate']);
    });
  }

  test('a listener beyond loopback without TLS', () => {
    assert.match(problemsOf([...NEEDED, '--listen=0.0.0.0:80'])[0] ?? '', /beyond loopback without TLS/);
  });

  test('a credential that is given twice', () => {
    assert.match(problemsOf([...NEEDED, '--token-file=/nowhere'])[0] ?? '', /given directly as well/);
  });
});

describe('settings of a gate', () => {
  test('what is not given', () => {
    const config = configOf(NEEDED);
    assert.deepEqual(config.listen, { host: '127.0.0.1', port: 8788 });
    assert.deepEqual(config.metricsListen, { host: '127.0.0.1', port: 9465 });
    assert.equal(config.data, path.resolve('gate-data'));
    assert.deepEqual(config.controlPlanes, ['https://access.example']);
    assert.equal(config.controlPlaneCaFile, null);
    assert.ok(Object.isFrozen(config));
  });

  test('the credential from a file, without the newline at its end', () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'portcullis-gate-')), 'token');
    writeFileSync(file, `${TOKEN}\n`);
    assert.equal(configOf(['--control-plane=https://a.example', `--token-file=${file}`]).token, TOKEN);
  });

  test('the environment has the names that it has for the server', () => {
    const env = { PORTCULLIS_CONTROL_PLANE: 'https://a.example,https://b.example', PORTCULLIS_TOKEN: TOKEN };
    const config = configOf([], { ...env, PORTCULLIS_UPSTREAM_TIMEOUT: '5' });
    assert.deepEqual(config.controlPlanes, ['https://a.example', 'https://b.example']);
    assert.equal(config.upstreamTimeout, 5000);
  });

  for (const origin of ['http://127.0.0.1:8787', 'http://[::1]:8787', 'http://localhost:1']) {
    test(`http to loopback: ${origin}`, () => {
      const config = configOf([`--control-plane=${origin}`, `--token=${TOKEN}`]);
      assert.deepEqual(config.controlPlanes, [origin]);
    });
  }

  test('http beyond it for whoever says so', () => {
    configOf(['--control-plane=http://10.0.0.1', `--token=${TOKEN}`, '--insecure-http']);
  });

  test('none is there twice', () => {
    const names = gateSettings.map(({ name }) => name);
    assert.deepEqual(names, [...new Set(names)]);
  });
});
