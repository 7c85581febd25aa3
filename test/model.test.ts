import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { scopes, seeded, wideScopes } from '../scripts/model-runs.ts';

/* What can be said of the model without running spin: `npm run model` does that. */

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (file: string) => readFileSync(`${ROOT}/${file}`, 'utf8');
const models = { 'cluster.pml': read('docs/model/cluster.pml'), 'mint.pml': read('docs/model/mint.pml') };
const readme = read('docs/model/README.md');

test('each invariant that is for the model is named in it, and asserted somewhere', () => {
  const text = Object.values(models).join('\n');
  for (const number of [1, 2, 3, 4, 5, 6]) {
    assert.match(text, new RegExp(`#define S${number}\\(c\\) assert\\(c\\) /\\* invariant ${number}:`));
    assert.match(text, new RegExp(`^ +(?:.*; )?S${number}\\((?!c\\))`, 'm'));
  }
});

test('whatever a run defines is asked for in its model', () => {
  const unknown = [...scopes, ...wideScopes, ...seeded].flatMap(({ model, defines }) =>
    defines
      .map((one) => one.replace(/=.*/, ''))
      .filter((name) => !new RegExp(`^#if.*\\b${name}\\b`, 'm').test(models[model])),
  );
  assert.deepEqual(unknown, []);
});

test('each seeded bug has its trace, which ends where the invariant breaks, and nothing else has one', () => {
  for (const { name, breaks } of seeded) {
    const lines = read(`docs/model/traces/${name}.txt`).trimEnd().split('\n');
    assert.ok(lines.length > 4, name);
    assert.equal(lines.at(-1), `Here invariant ${breaks} is broken.`, name);
  }
  const kept = readdirSync(`${ROOT}/docs/model/traces`).sort();
  assert.deepEqual(kept, seeded.map(({ name }) => `${name}.txt`).sort());
});

test('a trace that breaks the promise says that the removal has returned', () => {
  const silent = seeded
    .filter(({ breaks }) => breaks === 1)
    .filter(({ name }) => !/^remov(?:er|al) +returns$/m.test(read(`docs/model/traces/${name}.txt`)));
  assert.deepEqual(silent, []);
});

test('docs/model/README.md names every run, and only code that exists', () => {
  const runs = [...scopes, ...wideScopes, ...seeded].map(({ name }) => name);
  assert.deepEqual(
    runs.filter((name) => !readme.includes(`| ${name} |`)),
    [],
  );
  const files = [...readme.matchAll(/`(src\/[\w./-]+)`/g)].map(([, file = '']) => file);
  assert.ok(files.length > 10);
  assert.deepEqual(
    files.filter((file) => !existsSync(`${ROOT}/${file}`)),
    [],
  );
});
