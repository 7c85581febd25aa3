import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { codeOf, importsOf } from '../support/source-text.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Whatever is loaded with a file: files of ours and packages. What it imports later, when it needs it, does not count. */
function loadedWith(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const source = readFileSync(`${ROOT}/${file}`, 'utf8');
  const code = codeOf(source);
  const isLater = (line: number) => /\bimport\s*\(/.test(code.split('\n')[line - 1] ?? '');
  for (const { specifier, typeOnly, line } of importsOf(source, code)) {
    if (typeOnly || isLater(line) || specifier === null || specifier.startsWith('node:')) continue;
    if (specifier.startsWith('.')) loadedWith(posix.join(posix.dirname(file), specifier), seen);
    else seen.add(specifier);
  }
  return seen;
}

const packagesOf = (file: string) => [...loadedWith(file)].filter((name) => !name.startsWith('src/')).sort();

test('a gate by itself loads no database, no web framework and no OpenID client', () => {
  assert.deepEqual(packagesOf('src/cli/gate.ts'), ['ipaddr.js', 'jose', 'pino', 'prom-client', 'ws']);
  const files = [...loadedWith('src/cli/gate.ts')].filter((name) =>
    /^src\/(?:database|removal|access|accounts|sign-in)\//.test(name),
  );
  assert.deepEqual(files, []);
});

test('what reads the command line loads neither of the two that it chooses from', () => {
  assert.deepEqual(packagesOf('src/main.ts'), ['commander', 'ipaddr.js']);
});

test('a device loads no database, no web framework, and nothing of how access is decided', () => {
  assert.deepEqual(packagesOf('src/cli/device.ts'), []);
  const files = [...loadedWith('src/cli/device.ts')].filter((name) =>
    /^src\/(?:database|removal|access|accounts|sign-in|gate|http|policy)\//.test(name),
  );
  assert.deepEqual(files, []);
});

test('the test above would notice: the control plane loads them', () => {
  const packages = packagesOf('src/cli/serve.ts');
  for (const one of ['fastify', 'kysely', 'typebox']) assert.ok(packages.includes(one), one);
});
