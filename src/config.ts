import { isIP } from 'node:net';
import { homedir } from 'node:os';
import path from 'node:path';
import type { Cidr } from './kernel/address.ts';
import { normaliseDomain, normaliseEmail } from './kernel/email.ts';
import {
  isLoopback,
  type KeyPairFiles,
  LEVELS,
  type Listen,
  type MailSettings,
  readCidrs,
  readKeyPair,
  readLevel,
  readListen,
  readLongSecret,
  readMail,
  readOptionalListen,
  readOptionalPath,
  readOrigin,
  readPath,
  readSeconds,
  refuseOpenHttp,
} from './setting-values.ts';
import { type SettingName, settings } from './settings.ts';
import { type Interpreting, type Reading, readSettings } from './settings-reader.ts';

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
  /** null: no mail can be sent. */
  readonly mail: MailSettings | null;
  readonly upstreamCaFile: string | null;
  /** Milliseconds. */
  readonly upstreamTimeout: number;
  /** Milliseconds. */
  readonly idleTimeout: number;
  /** Milliseconds. */
  readonly lease: number;
  readonly notifications: boolean;
  readonly metricsListen: Listen | null;
  readonly rateLimit: number | null;
  readonly requestLogDays: number;
  readonly requestLogLines: number;
  readonly logLevel: string;
}

/** Variables of the environment, for whichever command reads its settings. */
export function environment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}

/** Where this machine keeps what it is as a device, unless it is told otherwise (XDG); null without a home. */
export function deviceProfileFile(env = environment()): string | null {
  const { XDG_CONFIG_HOME: config = '', HOME: home = '' } = env;
  if (path.isAbsolute(config)) return path.join(config, ...DEVICE_PROFILE);
  try {
    return path.join(home === '' ? homedir() : home, '.config', ...DEVICE_PROFILE);
  } catch {
    return null;
  }
}

const DEVICE_PROFILE = ['portcullis', 'device.json'] as const;

/** Reads the settings of `serve` and of the commands beside it. */
export function readConfig(argv: readonly string[], env = environment()): Reading<Config> {
  return readSettings(settings, { argv, env }, interpret);
}

function interpret({ given, ask, problems }: Interpreting<SettingName>): Config {
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
  refuseOpenHttp(given, { listen, trustedProxies }, problems);
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
    mail: readMail(given, problems),
    upstreamCaFile: ask('upstream-ca-file', 'none', readOptionalPath, 'must be a file') || null,
    upstreamTimeout: ask('upstream-timeout', '60', readSeconds, 'must be seconds, from 1 to 86400'),
    idleTimeout: ask('idle-timeout', '3600', readSeconds, 'must be seconds, from 1 to 86400'),
    lease: ask('lease', '5', readLease, 'must be seconds, from 1 to 60'),
    notifications: ask('notifications', 'on', readSwitch, 'must be on or off') === 'on',
    metricsListen:
      ask('metrics-listen', '127.0.0.1:9464', readOptionalListen, 'must be host:port or off') || null,
    rateLimit: ask('rate-limit', '1200', readRateLimit, 'must be a whole number from 1 up, or off') || null,
    requestLogDays: ask('request-log-days', '30', readDays, 'must be a whole number from 1 to 9999'),
    requestLogLines: ask('request-log-lines', '1000000', readCount, 'must be a whole number from 1 up'),
    logLevel: ask('log-level', 'info', readLevel, `must be one of ${LEVELS.join(', ')}`),
  };
}

function originOf({ host, port }: Listen, scheme: 'http' | 'https'): string {
  return `${scheme}://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

function schemeOf(origin: string | null): 'http' | 'https' {
  return origin?.startsWith('https:') ? 'https' : 'http';
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

/** In milliseconds. */
function readLease(text: string): number | null {
  return /^[1-9]\d?$/.test(text) && Number(text) <= 60 ? Number(text) * 1000 : null;
}

function readSwitch(text: string): 'on' | 'off' | null {
  return text === 'on' || text === 'off' ? text : null;
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
