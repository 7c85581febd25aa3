import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import path from 'node:path';
import { type Cidr, contains, parseAddress, parseCidr } from './kernel/address.ts';
import { normaliseDomain, normaliseEmail } from './kernel/email.ts';
import { type Setting, type SettingName, settings } from './settings.ts';

export interface Listen {
  readonly host: string;
  readonly port: number;
}

/** Where a certificate with its chain and its private key are, both PEM. */
export interface KeyPairFiles {
  readonly cert: string;
  readonly key: string;
}

/** Everything the server is told from outside, checked and frozen. */
export interface Config {
  readonly listen: Listen;
  /** null: plain HTTP. */
  readonly tls: KeyPairFiles | null;
  readonly data: string;
  /** null: the SQLite file in the data folder. */
  readonly databaseUrl: string | null;
  readonly teamDomain: string;
  /** Whether the team domain was asked for, and so must agree with the database. */
  readonly teamDomainGiven: boolean;
  readonly publicUrl: string;
  /** Whether it, or the address it follows from, was asked for. */
  readonly publicUrlGiven: boolean;
  readonly scheme: 'http' | 'https';
  readonly adminEmail: string;
  readonly zone: string;
  readonly masterKeyFile: string;
  readonly trustedProxies: readonly Cidr[];
  readonly forwardAuthSecret: string | null;
  readonly upstreamCaFile: string | null;
  /** Milliseconds. */
  readonly upstreamTimeout: number;
  /** Milliseconds. */
  readonly idleTimeout: number;
  readonly metricsListen: Listen | null;
  readonly rateLimit: number | null;
  readonly requestLogDays: number;
  readonly requestLogLines: number;
  readonly logLevel: string;
}

export type ConfigReading =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly string[] };

type Given = Map<string, { value: string; from: string }>;

/**
 * Reads flags, environment and the --config file, in that order of precedence, and reports every problem at
 * once, unknown settings included.
 */
export function readConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
): ConfigReading {
  const problems: string[] = [];
  const flags = readFlags(argv, problems);
  const variables = readEnvironment(env, problems);
  const file = readFile(flags.get('config') ?? variables.get('config'), problems);
  const given: Given = new Map([...file, ...variables, ...flags]);
  readSecretFiles(given, problems);
  const config = interpret(given, problems);
  return problems.length > 0 ? { ok: false, problems } : { ok: true, config: Object.freeze(config) };
}

const byName: ReadonlyMap<string, Setting> = new Map(settings.map((setting) => [setting.name, setting]));

function isKnown(name: string): boolean {
  return (
    byName.has(name) ||
    name === 'config' ||
    (name.endsWith('-file') && byName.get(name.slice(0, -5))?.secret === true)
  );
}

function readFlags(argv: readonly string[], problems: string[]): Given {
  const given: Given = new Map();
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] ?? '';
    const match = /^--([a-z][a-z-]*)(?:=(.*))?$/s.exec(argument);
    const name = match?.[1];
    if (!name || !isKnown(name)) {
      problems.push(`${argument.split('=', 1)[0]}: unknown setting`);
      if (!match?.[2] && argv[at + 1]?.startsWith('--') === false) at++;
      continue;
    }
    const isSwitch = byName.get(name)?.flag === true;
    const value = match[2] ?? (isSwitch ? 'true' : argv[++at]);
    if (value === undefined) problems.push(`--${name}: a value is missing`);
    else give(given, name, { value, from: `--${name}` });
  }
  return given;
}

function give(given: Given, name: string, entry: { value: string; from: string }): void {
  const before = given.get(name);
  const value = before && byName.get(name)?.many ? `${before.value},${entry.value}` : entry.value;
  given.set(name, { ...entry, value });
}

const PREFIX = 'PORTCULLIS_';

function readEnvironment(env: Readonly<Record<string, string | undefined>>, problems: string[]): Given {
  const given: Given = new Map();
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith(PREFIX) || value === undefined) continue;
    const name = variable.slice(PREFIX.length).toLowerCase().replaceAll('_', '-');
    if (!isKnown(name)) problems.push(`${variable}: unknown setting`);
    else given.set(name, { value, from: variable });
  }
  return given;
}

function readFile(file: { value: string } | undefined, problems: string[]): Given {
  const given: Given = new Map();
  if (!file) return given;
  const parsed = readJsonFile(file.value, problems);
  for (const [name, value] of Object.entries(parsed ?? {})) {
    const from = `${name} in ${file.value}`;
    const text = Array.isArray(value) ? value.join(',') : value;
    if (!isKnown(name) || name === 'config') problems.push(`${from}: unknown setting`);
    else if (!['string', 'number', 'boolean'].includes(typeof text))
      problems.push(`${from}: must be a text, number or boolean`);
    else given.set(name, { value: String(text), from });
  }
  return given;
}

function readJsonFile(file: string, problems: string[]): object | null {
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed;
    problems.push(`--config ${file}: must be a JSON object`);
  } catch (error) {
    problems.push(`--config ${file}: ${(error as Error).message}`);
  }
  return null;
}

/** `x-file` gives `x` the content of a file, without the newline at its end. */
function readSecretFiles(given: Given, problems: string[]): void {
  for (const { name } of settings.filter((setting) => 'secret' in setting)) {
    const file = given.get(`${name}-file`);
    if (!file) continue;
    if (given.has(name)) {
      problems.push(`${file.from}: ${name} is given directly as well`);
      continue;
    }
    try {
      given.set(name, { value: readFileSync(file.value, 'utf8').replace(/\r?\n$/, ''), from: file.from });
    } catch (error) {
      problems.push(`${file.from}: ${(error as Error).message}`);
    }
  }
}

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];
const LOOPBACK = [parseCidr('127.0.0.0/8'), parseCidr('::1/128')].filter((block) => block !== null);

function interpret(given: Given, problems: string[]): Config {
  const ask = <T>(name: SettingName, usual: string, read: (text: string) => T | null, hint: string): T => {
    const entry = given.get(name);
    const value = read(entry?.value ?? usual);
    // A problem ends the start, so what stands in its place is never used.
    if (value === null) problems.push(`${entry?.from ?? `--${name}`}: ${hint}`);
    return value as T;
  };
  const listen = ask('listen', '127.0.0.1:8787', readListen, 'must be host:port') ?? {
    host: '127.0.0.1',
    port: 8787,
  };
  const data = ask('data', './data', readPath, 'must be a folder') ?? '.';
  const trustedProxies = ask('trusted-proxy', '', readCidrs, 'must be addresses or CIDR blocks') ?? [];
  const tls = readKeyPair(given, problems);
  const publicUrl = ask(
    'public-url',
    originOf(listen, tls ? 'https' : 'http'),
    readOrigin,
    'must be an http or https origin without a path',
  );
  refuseOpenHttp(given, listen, trustedProxies, problems);
  if (tls && /^http:/.test(publicUrl))
    problems.push(`${given.get('public-url')?.from}: must be https, since --tls-cert is given`);
  const scheme =
    tls || given.has('public-url') ? schemeOf(publicUrl) : isLoopback(listen.host) ? 'http' : 'https';
  return {
    listen,
    tls,
    data,
    trustedProxies,
    publicUrl,
    publicUrlGiven: given.has('public-url') || given.has('listen'),
    databaseUrl: ask('database-url', 'sqlite', readDatabaseUrl, 'must be a postgres:// URL') || null,
    teamDomain: ask(
      'team-domain',
      `team.localhost:${listen.port}`,
      (text) => readHost(text, scheme),
      'must be a host, with a port if needed',
    ),
    teamDomainGiven: given.has('team-domain'),
    scheme,
    adminEmail: ask('admin-email', 'admin@example.com', normaliseEmail, 'must be an e-mail address'),
    zone: ask('zone', 'localhost', normaliseDomain, 'must be a domain name'),
    masterKeyFile: ask('master-key-file', path.join(data, 'master.key'), readPath, 'must be a file'),
    forwardAuthSecret:
      ask('forward-auth-secret', '', readLongSecret, 'must have at least 32 characters') || null,
    upstreamCaFile: ask('upstream-ca-file', 'none', readOptionalPath, 'must be a file') || null,
    upstreamTimeout: ask('upstream-timeout', '60', readSeconds, 'must be seconds, from 1 to 86400'),
    idleTimeout: ask('idle-timeout', '3600', readSeconds, 'must be seconds, from 1 to 86400'),
    metricsListen:
      ask('metrics-listen', '127.0.0.1:9464', readOptionalListen, 'must be host:port or off') || null,
    rateLimit: ask('rate-limit', '1200', readRateLimit, 'must be a whole number from 1 up, or off') || null,
    requestLogDays: ask('request-log-days', '30', readDays, 'must be a whole number from 1 to 9999'),
    requestLogLines: ask('request-log-lines', '1000000', readCount, 'must be a whole number from 1 up'),
    logLevel: ask(
      'log-level',
      'info',
      (text) => (LEVELS.includes(text) ? text : null),
      `must be one of ${LEVELS.join(', ')}`,
    ),
  };
}

/** Passwords-equivalent credentials must not cross a network in the clear by accident. */
function refuseOpenHttp(given: Given, listen: Listen, trusted: readonly Cidr[], problems: string[]): void {
  const insecure = given.get('insecure-http');
  if (insecure && insecure.value !== 'true' && insecure.value !== 'false') {
    problems.push(`${insecure.from}: must be true or false`);
  }
  const hasTls = given.has('tls-cert') || given.has('tls-key');
  if (isLoopback(listen.host) || hasTls || trusted.length > 0 || insecure?.value === 'true') return;
  problems.push(
    `--listen ${listen.host}:${listen.port}: beyond loopback without TLS: give --tls-cert and --tls-key, name the proxy that ends TLS with --trusted-proxy, or say --insecure-http`,
  );
}

/** Both files or neither; what is in them is read when the server starts. */
function readKeyPair(given: Given, problems: string[]): KeyPairFiles | null {
  const cert = given.get('tls-cert');
  const key = given.get('tls-key');
  for (const file of [cert, key]) if (file?.value === '') problems.push(`${file.from}: must be a file`);
  if (cert && !key) problems.push(`${cert.from}: needs --tls-key as well`);
  if (key && !cert) problems.push(`${key.from}: needs --tls-cert as well`);
  return cert && key ? { cert: path.resolve(cert.value), key: path.resolve(key.value) } : null;
}

function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  const address = parseAddress(host);
  return address !== null && contains(LOOPBACK, address);
}

function originOf({ host, port }: Listen, scheme: 'http' | 'https'): string {
  return `${scheme}://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

function schemeOf(origin: string | null): 'http' | 'https' {
  return origin?.startsWith('https:') ? 'https' : 'http';
}

function readListen(text: string): Listen | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s/]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  return host && port >= 1 && port <= 65_535 ? { host, port } : null;
}

function readOptionalListen(text: string): Listen | '' | null {
  return text === 'off' ? '' : readListen(text);
}

/** An empty path would be the folder that the server happens to be started in. */
function readPath(text: string): string | null {
  return text === '' ? null : path.resolve(text);
}

function readOptionalPath(text: string): string | null {
  return text === 'none' ? '' : readPath(text);
}

/** In milliseconds. */
function readSeconds(text: string): number | null {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 86_400 ? Number(text) * 1000 : null;
}

function readCidrs(text: string): Cidr[] | null {
  const parts = text.split(',').filter((part) => part.trim() !== '');
  const blocks = parts.map((part) => parseCidr(part.trim())).filter((block) => block !== null);
  return blocks.length === parts.length ? blocks : null;
}

function readOrigin(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !['http:', 'https:'].includes(url.protocol)) return null;
  return url.pathname === '/' && !url.search && !url.hash && !url.username ? url.origin : null;
}

/** A host in lower case, in the form a browser sends it: ASCII, the port only if it is not the scheme's own. */
function readHost(text: string, scheme: 'http' | 'https'): string | null {
  const url = URL.canParse(`${scheme}://${text}`) ? new URL(`${scheme}://${text}`) : null;
  if (url?.pathname !== '/' || url.search || url.username || !/^[^/?#@]+$/.test(text)) return null;
  return url.host;
}

function readDatabaseUrl(text: string): string | null {
  if (text === 'sqlite') return '';
  return URL.canParse(text) && ['postgres:', 'postgresql:'].includes(new URL(text).protocol) ? text : null;
}

function readLongSecret(text: string): string | null {
  return text === '' || text.length >= 32 ? text : null;
}

function readRateLimit(text: string): number | null {
  return text === 'off' ? 0 : readCount(text);
}

function readDays(text: string): number | null {
  return /^[1-9]\d{0,3}$/.test(text) ? Number(text) : null;
}

function readCount(text: string): number | null {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : null;
}
