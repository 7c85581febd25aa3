import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../bin/portcullis.js', import.meta.url));

for (const version of ['12.22.12', '20.20.2', '23.11.1']) {
  test(`on Node ${version} it says in one line which Node is needed, and starts nothing`, () => {
    const pretend = `Object.defineProperty(process, 'versions', { value: { node: '${version}' } })`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`, PROGRAM, '--version'],
      { encoding: 'utf8' },
    );
    assert.equal(stderr, `portcullis needs Node.js 24 or newer; this is Node.js ${version}\n`);
    assert.equal(stdout, '');
    assert.equal(status, 1);
  });
}
