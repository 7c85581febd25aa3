import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { sep } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkArchitecture, type Rule, type SourceFile, type Violation } from './support/architecture.ts';
import { SLICES } from './support/architecture-rules.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

test('src keeps to the rules of its architecture', () => {
  const files = globSync('src/**/*.ts', { cwd: ROOT }).map((path) => ({
    path: path.split(sep).join('/'),
    source: readFileSync(`${ROOT}/${path}`, 'utf8'),
  }));
  assert.ok(files.length > 0, 'there is no source to check');
  assert.deepEqual(checkArchitecture(files).map(describeViolation), []);
});

test('no slice stands twice in the list, or within another', () => {
  for (const slice of SLICES) {
    assert.equal(SLICES.filter((other) => slice === other || slice.startsWith(`${other}/`)).length, 1, slice);
  }
});

/** A small tree that uses everything that is allowed; the plants below are put into it. */
const allowed: Readonly<Record<string, string>> = {
  'src/kernel/clock.ts': 'export const now = () => Date.now() + performance.now();',
  'src/kernel/crypto.ts': `import { randomBytes } from 'node:crypto';\nexport const secret = () => randomBytes(20);`,
  'src/kernel/ids.ts': `import { secret } from './crypto.ts';\nexport const newId = () => secret();`,
  'src/kernel/ids.test.ts': `import { startApp } from '../../test/support/app.ts';\nlet count = 0;\nstartApp(Date.now());`,
  'src/policy/rules.ts': `import { newId } from '../kernel/ids.ts';\nexport const rule = newId;`,
  'src/protocol/feed.ts': `import type { rule } from '../policy/rules.ts';\nexport type Entry = typeof rule;`,
  'src/database/tables.ts': `import { sql } from 'kysely';\nimport pg from 'pg';\nexport const at = (db) => db.selectFrom(sql, pg);`,
  'src/http/route.ts': `import Fastify from 'fastify';\nimport { newId } from '../kernel/ids.ts';\nexport const route = () => Fastify(newId);`,
  'src/removal/act.ts': `import { at } from '../database/tables.ts';\nexport const act = (tx) => at(tx);`,
  'src/gate/decide.ts': `import type { Entry } from '../protocol/feed.ts';\nexport const decide = (entry: Entry) => entry;`,
  'src/accounts/authority/authority.ts': 'export const may = (actor) => actor.may;',
  'src/access/users/contract.ts': `import { Type } from 'typebox';\nexport const User = Type.Object({});`,
  'src/access/users/store.ts': `import { sql } from 'kysely';\nimport { at } from '../../database/tables.ts';\nexport const users = (tx) => at(tx).selectFrom(sql);`,
  'src/access/users/users.ts': `import { may } from '../../accounts/authority/authority.ts';\nimport { act } from '../../removal/act.ts';\nimport { users } from './store.ts';\nexport const getUser = (tx) => act(may(users(tx)));`,
  'src/access/users/routes.ts': `import { route } from '../../http/route.ts';\nimport { User } from './contract.ts';\nimport { getUser } from './users.ts';\nexport const routes = [route(User, getUser)];`,
  'src/sign-in/session-store.ts': `import { sql } from 'kysely';\nexport const sessions = () => sql;`,
  'src/sign-in/sessions.ts': `import { getUser } from '../access/users/users.ts';\nimport { sessions } from './session-store.ts';\nexport const open = () => getUser(sessions());`,
  'src/config.ts': 'export const readConfig = () => process.env.PORTCULLIS_LISTEN;',
  'src/app.ts': `import { routes } from './access/users/routes.ts';\nimport { users } from './access/users/store.ts';\nimport { decide } from './gate/decide.ts';\nexport const startApp = () => [routes, users, decide];`,
  'src/main.ts': `import { readConfig } from './config.ts';\nconst { startApp } = await import('./app.ts');\nprocess.exit(startApp(readConfig()));`,
};

test('a tree that keeps to the rules passes', () => {
  assert.deepEqual(check({}).map(describeViolation), []);
});

/** For each rule, files that break it and no other: the path, the source, and the line that is wrong. */
const plants: Readonly<Record<Rule, readonly (readonly [path: string, source: string, line?: number])[]>> = {
  place: [
    ['src/misc/helpers.ts', 'export const a = 1;'],
    ['src/helpers.ts', 'export const a = 1;'],
    ['src/access/things/things.ts', 'export const a = 1;'],
    ['src/gate/wish.ts', `import { a } from '../misc/wish.ts';\nexport const b = a;`],
  ],
  folder: [
    ['src/kernel/bad.ts', `\nimport { rule } from '../policy/rules.ts';\nexport const a = rule;`, 2],
    ['src/kernel/bad.ts', `import type { Entry } from '../protocol/feed.ts';\nexport type A = Entry;`],
    ['src/database/bad.ts', `import type { Entry } from '../protocol/feed.ts';\nexport type A = Entry;`],
    ['src/policy/bad.ts', `export const a = () => import('../database/tables.ts');`],
    ['src/gate/bad.ts', `import { at } from '../database/tables.ts';\nexport const a = at;`],
    ['src/gate/bad.ts', `import { route } from '../http/route.ts';\nexport const a = route;`],
    ['src/removal/bad.ts', `import { getUser } from '../access/users/users.ts';\nexport const a = getUser;`],
    ['src/http/bad.ts', `import { getUser } from '../access/users/users.ts';\nexport const a = getUser;`],
    ['src/access/users/sessions.ts', `import { route } from '../../http/route.ts';\nexport const a = route;`],
    ['src/access/users/other-store.ts', `import { act } from '../../removal/act.ts';\nexport const a = act;`],
    ['src/access/users/sessions.ts', `import { startApp } from '../../app.ts';\nexport const a = startApp;`],
    ['src/sign-in/login.ts', `import { decide } from '../gate/decide.ts';\nexport const a = decide;`],
    ['src/config.ts', `import { at } from './database/tables.ts';\nexport const readConfig = at;`],
    ['src/kernel/bad.ts', `import { a } from './ids.test.ts';\nexport const b = a;`],
  ],
  layer: [
    ['src/access/users/other-routes.ts', `import { users } from './store.ts';\nexport const a = users;`],
    ['src/access/users/other-store.ts', `import { getUser } from './users.ts';\nexport const a = getUser;`],
    ['src/access/users/sessions.ts', `import { routes } from './routes.ts';\nexport const a = routes;`],
    ['src/sign-in/login.ts', `import { users } from '../access/users/store.ts';\nexport const a = users;`],
    [
      'src/sign-in/login.ts',
      `import type { User } from '../access/users/contract.ts';\nexport type A = User;`,
    ],
    [
      'src/sign-in/routes.ts',
      `import { routes } from '../access/users/routes.ts';\nexport const a = routes;`,
    ],
    [
      'src/sign-in/store.ts',
      `import { getUser } from '../access/users/users.ts';\nexport const a = getUser;`,
    ],
  ],
  order: [
    [
      'src/access/users/sign-out.ts',
      `import { open } from '../../sign-in/sessions.ts';\nexport const a = open;`,
    ],
    [
      'src/accounts/zones/zones.ts',
      `import type { getUser } from '../../access/users/users.ts';\nexport type A = getUser;`,
    ],
  ],
  outside: [
    [
      'src/kernel/bad.ts',
      `import { startApp } from '../../test/support/app.ts';\nexport const a = startApp;`,
    ],
    ['src/app.ts', `export const startApp = () => import('../bench/run.ts');`],
  ],
  computed: [['src/app.ts', `export const startApp = (name: string) => import(\`./\${name}.ts\`);`]],
  circle: [
    ['src/kernel/crypto.ts', `import { newId } from './ids.ts';\nexport const secret = () => newId();`, 2],
    ['src/policy/self.ts', `import { a } from './self.ts';\nexport const b = a;`],
  ],
  'default-export': [
    ['src/kernel/bad.ts', '\nexport default function bad() {}', 2],
    ['src/kernel/bad.ts', 'const a = 1;\nexport { a as default };', 2],
    ['src/kernel/bad.test.ts', 'export default 1;'],
  ],
  'mutable-state': [
    ['src/kernel/bad.ts', 'export let count = 0;'],
    [
      'src/kernel/bad.ts',
      'function f() { let fine = 1; return fine; }\nvar count = f();\nexport const a = count;',
      2,
    ],
    [
      'src/kernel/bad.ts',
      'const cache = new Map<string, Map<string, number>>();\nexport const a = () => cache;',
    ],
    ['src/kernel/bad.ts', 'export const all: string[] = [];'],
    ['src/kernel/bad.ts', 'export const byName: Record<string, () => void> = {};'],
  ],
  barrel: [
    ['src/kernel/bad.ts', `export * from './ids.ts';\nexport { now as time } from "./clock.ts";`],
    ['src/kernel/bad.ts', `// All of it.\nimport { newId } from './ids.ts';\nexport { newId };`],
    ['src/kernel/bad.ts', `export type { A } from './ids.ts';`],
  ],
  name: [
    ['src/kernel/badName.ts', 'export const a = 1;'],
    ['src/kernel/bad_name.test.ts', ''],
    ['src/kernel/Deep/bad.ts', 'export const a = 1;'],
  ],
  environment: [
    ['src/kernel/bad.ts', 'export const a = () => process.env.HOME;'],
    ['src/main.ts', `export const a = process['env'];`],
    ['src/kernel/bad.ts', `import { env } from 'node:process';\nexport const a = env;`],
  ],
  time: [
    ['src/kernel/bad.ts', 'export const a = () =>\n  Date.now();', 2],
    ['src/kernel/bad.ts', 'export const a = () => new Date( );'],
    ['src/kernel/bad.ts', 'export const a = () => new Date;'],
    ['src/kernel/bad.ts', 'export const a = () => performance.now();'],
    ['src/kernel/bad.ts', 'export const a = () => process.hrtime.bigint();'],
    ['src/kernel/bad.ts', `import { performance as p } from 'node:perf_hooks';\nexport const a = p;`],
  ],
  chance: [
    ['src/kernel/bad.ts', `export const a = () => \`\${Math.random()}\`;`],
    [
      'src/kernel/bad.ts',
      `import { createHash, randomUUID as id } from 'node:crypto';\nexport const a = [createHash, id];`,
    ],
    ['src/kernel/bad.ts', `import * as chance from 'node:crypto';\nexport const a = chance;`],
    ['src/kernel/bad.ts', 'export const a = () => crypto.getRandomValues(new Uint8Array(1));'],
    ['src/access/keys/keys.ts', `import { generateKeyPair } from 'jose';\nexport const a = generateKeyPair;`],
  ],
  exit: [
    ['src/app.ts', 'export const startApp = () => process.exit(1);'],
    ['src/app.ts', `import { exit } from 'node:process';\nexport const startApp = exit;`],
  ],
  queries: [
    ['src/access/users/sessions.ts', `import { sql } from 'kysely';\nexport const a = sql;`],
    ['src/access/users/sessions.ts', `export const a = (tx) =>\n  tx.query.deleteFrom('users');`, 2],
    ['src/gate/bad.ts', `import type { Kysely } from 'kysely';\nexport type A = Kysely;`],
    ['src/audit/bad.ts', `export const a = (tx) => tx.insertInto('audit');`],
  ],
  drivers: [
    ['src/access/users/other-store.ts', `import pg from 'pg';\nexport const a = pg;`],
    ['src/cli/backup.ts', `export const a = () => import('node:sqlite');`],
  ],
  web: [
    [
      'src/access/users/sessions.ts',
      `import type { FastifyRequest } from 'fastify';\nexport type A = FastifyRequest;`,
    ],
    ['src/gate/bad.ts', `import cookie from '@fastify/cookie';\nexport const a = cookie;`],
  ],
};

describe('a planted violation is found', () => {
  for (const [rule, cases] of Object.entries(plants)) {
    for (const [path, source, line = 1] of cases) {
      test(`${rule}: ${path}: ${source.trim().split('\n')[0]}`, () => {
        const found = check({ [path]: source });
        assert.deepEqual([...new Set(found.map((one) => one.rule))], [rule]);
        if (rule !== 'circle') assert.deepEqual([found[0]?.path, found[0]?.line], [path, line]);
      });
    }
  }
});

test('what looks like a violation in a comment, a string or a template is none', () => {
  const source = `// process.env, Date.now()
/* import { at } from '../database/tables.ts'; */
export const text = "Math.random() import('../database/tables.ts')" + \`process.exit() new Date()\`;
export const pattern = /process.env/;
export const day = new Date(0);`;
  assert.deepEqual(check({ 'src/kernel/fine.ts': source }), []);
});

test('every violation is told, with file, line and sentence', () => {
  const found = check({
    'src/kernel/bad.ts': `import { at } from '../database/tables.ts';\nexport const a = Date.now() + at;\nexport let b = a;`,
  });
  assert.deepEqual(found.map(describeViolation).sort(), [
    'src/kernel/bad.ts:1 kernel imports database; of ours it may import nothing',
    'src/kernel/bad.ts:2 reads the time; only kernel/clock.ts does, take a Clock',
    'src/kernel/bad.ts:3 keeps mutable state in a module; make it where the app is put together',
  ]);
});

function check(planted: Readonly<Record<string, string>>): Violation[] {
  const files: SourceFile[] = Object.entries({ ...allowed, ...planted }).map(([path, source]) => ({
    path,
    source,
  }));
  return checkArchitecture(files);
}

function describeViolation({ path, line, says }: Violation): string {
  return `${path}:${line} ${says}`;
}
