/*
 * The rules of test/architecture.test.ts. Paths are below src; a folder stands for all that lies in it. What
 * is not in these tables is refused, so a new folder or slice begins with a line here.
 */

/** The slices. Each may import the nouns of those above it, so their graph has no circle. */
export const SLICES: readonly string[] = [
  'iam/permission-groups',
  'iam/resource-groups',
  'iam/policies',
  'accounts/authority',
  'accounts/holdings',
  'accounts/zones',
  'accounts/accounts',
  'accounts/audit-logs',
  'accounts/logs',
  'accounts/tokens',
  'accounts/roles',
  'accounts/members',
  'accounts/memberships',
  'accounts/user',
  'iam/user-groups',
  'access/keys',
  'portcullis/gates',
  'accounts/bootstrap',
  'access/rules',
  'gateway/lists',
  'devices/posture',
  'access/custom-pages',
  'access/groups',
  'access/policies',
  'access/identity-providers',
  'access/service-tokens',
  'access/tags',
  'access/applications',
  'access/certificates',
  'devices/registrations',
  'devices/physical-devices',
  'devices/settings',
  'access/users',
  'access/seats',
  'access/policy-tests',
  'portcullis/blocked-users',
  'access/organizations',
  'access/logs',
  'sign-in',
  'cli',
];

/** What the folders that are no slices may import, beside their own files. */
export const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  kernel: [],
  database: ['kernel'],
  policy: ['kernel'],
  protocol: ['kernel', 'policy'],
  http: ['kernel', 'database'],
  audit: ['kernel', 'database', 'protocol'],
  removal: ['kernel', 'database', 'protocol', 'audit'],
  gate: ['kernel', 'policy', 'protocol'],
  // The side of a node to which remote gates attach.
  gates: ['kernel', 'database', 'protocol', 'removal', 'gate'],
  // What the process is made of besides slices: files, ports, metrics, and the gate wired to sign-in.
  server: [
    'config.ts',
    'setting-values.ts',
    'kernel',
    'database',
    'protocol',
    'removal',
    'http',
    'gate',
    'gates',
    ...SLICES,
  ],
  // A gate by itself: it follows a control plane, and knows neither database nor web framework (test/follower).
  follower: ['gate-config.ts', 'kernel', 'protocol', 'http', 'gate', 'server'],
  // A client from outside: it shares listening with the server, and nothing of how access is decided.
  probe: ['kernel', 'server'],
};

const SHARED = ['kernel', 'database', 'policy', 'protocol', 'removal', 'audit'];

export type Kind = 'contract' | 'routes' | 'noun' | 'store';

interface KindRule {
  own: readonly Kind[];
  folders: readonly string[];
  otherNouns: boolean;
}

/** The kinds of file in a slice: what each may import of its own slice, of the folders, and of other slices. */
export const KINDS: Readonly<Record<Kind, KindRule>> = {
  contract: { own: ['contract'], folders: ['kernel', 'http'], otherNouns: false },
  routes: { own: ['contract', 'noun'], folders: [...SHARED, 'http'], otherNouns: true },
  noun: { own: ['contract', 'noun', 'store'], folders: SHARED, otherNouns: true },
  store: {
    own: ['contract', 'store'],
    folders: ['kernel', 'database', 'policy', 'protocol'],
    otherNouns: false,
  },
};

/** The files directly in src, and what of ours each may import. */
export const ROOT_FILES: Readonly<Record<string, readonly string[]>> = {
  'settings.ts': ['kernel'],
  'settings-reader.ts': ['settings.ts'],
  'setting-values.ts': ['kernel', 'settings-reader.ts'],
  'config.ts': ['kernel', 'settings.ts', 'settings-reader.ts', 'setting-values.ts'],
  'gate-settings.ts': ['settings.ts'],
  'gate-config.ts': ['kernel', 'config.ts', 'gate-settings.ts', 'settings-reader.ts', 'setting-values.ts'],
  'gate-app.ts': ['gate-config.ts', 'kernel', 'protocol', 'gate', 'follower', 'server'],
  'routes.ts': ['config.ts', 'kernel', 'http', 'removal', 'server', ...SLICES],
  'web.ts': ['config.ts', 'routes.ts', ...Object.keys(FOLDERS), ...SLICES],
  'app.ts': ['config.ts', 'settings.ts', 'web.ts', ...Object.keys(FOLDERS), ...SLICES],
  'main.ts': [
    'app.ts',
    'settings.ts',
    'config.ts',
    'gate-settings.ts',
    'gate-config.ts',
    'kernel',
    'server',
    'cli',
  ],
};

/** Files directly in src that a slice may import. */
export const ROOT_FILES_FOR: Readonly<Record<string, readonly string[]>> = {
  cli: [
    'config.ts',
    'settings.ts',
    'setting-values.ts',
    'app.ts',
    'gate-config.ts',
    'gate-app.ts',
    'follower',
    'server',
    'probe',
  ],
};

/** Something that only some files may touch: as code, or as names of a module. */
export interface Reserved {
  says: string;
  /** Of paths below src. */
  allowed: readonly RegExp[];
  pattern?: RegExp;
  /** '*' is anything of the module, types included; the name 'whole' is a namespace or default import. */
  modules: Readonly<Record<string, '*' | readonly string[]>>;
}

export type ReservedRule = 'environment' | 'time' | 'chance' | 'exit' | 'queries' | 'drivers' | 'web';

const STORES = /(?:^|\/)(?:[a-z0-9-]+-)?store\.ts$/;
const KEYS = ['generateKey', 'generateKeySync', 'generateKeyPair', 'generateKeyPairSync', 'generatePrime'];
const CHANCE = [
  'randomBytes',
  'randomInt',
  'randomUUID',
  'randomFill',
  'randomFillSync',
  'getRandomValues',
  ...KEYS,
];

export const RESERVED: Readonly<Record<ReservedRule, Reserved>> = {
  environment: {
    says: 'reads the environment; only config.ts does',
    allowed: [/^config\.ts$/],
    pattern: /\bprocess\??\.env\b|\bprocess\[/g,
    modules: { 'node:process': ['env'] },
  },
  time: {
    says: 'reads the time; only kernel/clock.ts does, take a Clock',
    allowed: [/^kernel\/clock\.ts$/],
    pattern:
      /\bDate\.now\b|\bDate\(\s*\)|\bnew\s+Date\b(?!\s*\()|\bperformance\.(?:now|timeOrigin)\b|\bprocess\.(?:hrtime|uptime)\b/g,
    modules: { 'node:perf_hooks': '*', 'node:process': ['hrtime', 'uptime'] },
  },
  chance: {
    says: 'reads randomness; only kernel/crypto.ts does',
    allowed: [/^kernel\/crypto\.ts$/],
    pattern: /\bMath\.random\b|\bcrypto\.(?:random\w+|getRandomValues|generate\w+|subtle\.generateKey)\b/g,
    modules: {
      'node:crypto': [...CHANCE, 'webcrypto', 'whole'],
      jose: ['generateKeyPair', 'generateSecret'],
    },
  },
  exit: {
    says: 'ends the process; only main.ts does',
    allowed: [/^main\.ts$/],
    pattern: /\bprocess\.(?:exit|reallyExit|abort)\b/g,
    modules: { 'node:process': ['exit', 'abort'] },
  },
  queries: {
    says: 'builds queries; only store.ts and src/database do',
    allowed: [/^database\//, STORES],
    pattern: /\.(?:selectFrom|insertInto|updateTable|deleteFrom|mergeInto|replaceInto)\b/g,
    modules: { kysely: '*' },
  },
  drivers: {
    says: 'knows a driver; only src/database does',
    allowed: [/^database\//],
    modules: { pg: '*', 'node:sqlite': '*' },
  },
  web: {
    says: 'knows the web framework; only src/http, src/server, routes.ts, web.ts and app.ts do',
    allowed: [/^http\//, /^server\//, /^app\.ts$/, /^web\.ts$/, /(?:^|\/)(?:[a-z0-9-]+-)?routes\.ts$/],
    modules: { fastify: '*', '@fastify': '*' },
  },
};

export const FILE_NAME = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test)?\.ts$/;
export const FOLDER_NAME = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;
