import assert from 'node:assert/strict';
import { existsSync, globSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { generateDocuments, readText } from '../scripts/write-docs.ts';
import { probeFlags } from '../src/cli/probe-flags.ts';
import { gateSettings } from '../src/gate-settings.ts';
import { ignored } from '../src/http/envelope.ts';
import { catalogue } from '../src/kernel/errors.ts';
import { type Setting, settings } from '../src/settings.ts';
import { deviceProblems } from '../src/sign-in/device-problem.ts';
import { FOLDERS, SLICES } from './support/architecture-rules.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readText('package.json')) as {
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
};
const generated = await generateDocuments();
const documents = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...globSync('docs/**/*.md', { cwd: ROOT }),
];
const published = [...documents, ...globSync('docs/**/*', { cwd: ROOT }).filter(isFile)];

describe('what is written from the code is what the code says (npm run docs)', () => {
  for (const { file, text } of generated) {
    test(file, () => assert.equal(readText(file), text));
  }
});

describe('what a document names exists', () => {
  for (const file of documents) {
    const text = readText(file);
    test(`${file}: links and their anchors`, () => {
      assert.deepEqual(
        linksOf(text).filter((link) => !leadsSomewhere(file, link)),
        [],
      );
    });
    test(`${file}: files and folders`, () => {
      assert.deepEqual(
        filesOf(text).filter((name) => !existsSync(join(ROOT, name))),
        [],
      );
    });
    test(`${file}: npm scripts`, () => {
      assert.deepEqual(
        scriptsOf(text).filter((name) => !Object.hasOwn(manifest.scripts, name)),
        [],
      );
    });
    test(`${file}: flags and variables`, () => {
      assert.deepEqual(
        flagsOf(text).filter((name) => !FLAGS.has(name)),
        [],
      );
      assert.deepEqual(
        matchesOf(text, /\bPORTCULLIS_[A-Z_]*[A-Z]\b/g).filter((name) => !VARIABLES.has(name)),
        [],
      );
    });
    test(`${file}: error codes`, () => {
      assert.deepEqual(
        matchesOf(text, /(?<=`)\d{4,5}(?=`)/g).filter((code) => !CODES.has(code)),
        [],
      );
    });
  }
});

test('every setting and every error code is in its document', () => {
  const flags = flagsOf(readText('docs/configuration.md'));
  assert.deepEqual(
    [...settings, ...gateSettings].filter(({ name }) => !flags.includes(`--${name}`)),
    [],
  );
  const codes = matchesOf(readText('docs/errors.md'), /(?<=`)\d{4,5}(?=`)/g);
  assert.deepEqual(
    [...CODES].filter((code) => code !== IGNORED && !codes.includes(code)),
    [],
  );
});

test('docs/dependencies.md has one line for each runtime dependency, and for nothing else', () => {
  const table = readText('docs/dependencies.md').split('\n## ')[0] ?? '';
  const lines = [...table.matchAll(/^\| `([^`]+)` \| (.+) \|$/gm)];
  assert.deepEqual(
    lines.map(([, name]) => name),
    Object.keys(manifest.dependencies).sort(),
  );
  const sources = globSync('src/**/*.ts', { cwd: ROOT }).map(readText).join('\n');
  assert.deepEqual(
    lines.filter(([, name]) => !sources.includes(`from '${name}'`) && !sources.includes(`import('${name}')`)),
    [],
  );
});

test('docs/architecture.md says what each folder may import, and names every slice', () => {
  const text = readText('docs/architecture.md');
  const rows = new Map(
    [...text.matchAll(/^\| `src\/([a-z]+)` \| .+ \| (.+) \|$/gm)].map(([, name, may]) => [name, may]),
  );
  for (const [folder, may] of Object.entries(FOLDERS)) {
    const folders = may.filter((one) => !SLICES.includes(one));
    const slices = may.length > folders.length ? ['the slices'] : [];
    assert.equal(rows.get(folder), [...folders, ...slices].join(', ') || 'nothing of ours', folder);
  }
  assert.deepEqual(
    SLICES.filter((slice) => !text.includes(`\`src/${slice}\``)),
    [],
  );
});

test('docs/devices.md has every refusal that a device meets', () => {
  const rows = Object.entries(deviceProblems).map(
    ([reason, [status, error, text]]) => `| \`${reason}\` | ${status} | \`${error}\` | ${text} |`,
  );
  const lines = readText('docs/devices.md').split('\n');
  assert.deepEqual(
    rows.filter((row) => !lines.includes(row)),
    [],
  );
});

test('no document names a place on one machine or a registry', () => {
  for (const file of published) {
    const text = readText(file);
    const paths = matchesOf(text, /(?<![\w.\-/>:}])\/(?:work|root|home|Users|tmp|var|mnt|opt)\/\S*/g);
    const hosts = matchesOf(text, /\b(?:registry\.[a-z.]+|[a-z.]*npmjs\.[a-z]+|[a-z.]*artifactory[a-z.]*)/gi);
    assert.deepEqual([...paths, ...hosts], [], file);
  }
});

const IGNORED = String(ignored('').code);
const CODES = new Set([IGNORED, ...Object.values(catalogue).map(({ code }) => String(code))]);

/** Flags of our commands; those of other programs that the documents show are named one by one. */
const OURS = [...settings, ...gateSettings].flatMap(({ name, secret }: Setting) =>
  secret ? [name, `${name}-file`] : [name],
);
const OTHERS = [
  '--approve',
  '--config',
  '--email',
  '--keep',
  '--test',
  '--adapter',
  '--quick',
  '--json',
  '--seed',
  // portcullis device
  '--header',
  '--name',
  '--profile',
  '--team',
];
const PROBE = probeFlags.map(({ name }) => name);
const FLAGS = new Set([...[...OURS, ...PROBE].map((name) => `--${name}`), ...OTHERS]);
const VARIABLES = new Set(
  ['config', ...OURS].map((name) => `PORTCULLIS_${name.toUpperCase().replaceAll('-', '_')}`),
);

function matchesOf(text: string, pattern: RegExp): string[] {
  return [...new Set(text.match(pattern))];
}

function flagsOf(text: string): string[] {
  return matchesOf(text, /(?<![\w-])--[a-z][a-z-]*[a-z]/g);
}

/** Targets of links within the repository. */
function linksOf(text: string): string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((one) => !/^[a-z]+:/.test(one));
}

function leadsSomewhere(file: string, link: string): boolean {
  const [target = '', anchor] = link.split('#');
  const to = target === '' ? file : normalize(join(dirname(file), target));
  if (!existsSync(join(ROOT, to))) return false;
  return anchor === undefined || headingsOf(readText(to)).includes(anchor);
}

/** Anchors of the headings, as GitHub makes them. */
function headingsOf(text: string): string[] {
  const titles = [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => title.toLowerCase());
  return titles.map((title) => title.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'));
}

/** What stands in backticks and begins with a folder of the repository; a pattern must match something. */
function filesOf(text: string): string[] {
  return matchesOf(text, /(?<=`)(?:src|test|docs|scripts|demo|bench|bin|\.ci)\/[\w./-]*(?=`)/g);
}

function scriptsOf(text: string): string[] {
  const run = [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name = '']) => name);
  const short = [...text.matchAll(/\bnpm (start|test)\b/g)].map(([, name = '']) => name);
  return [...new Set([...run, ...short])];
}

function isFile(name: string): boolean {
  return statSync(join(ROOT, name)).isFile();
}
