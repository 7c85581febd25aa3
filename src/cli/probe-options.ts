import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { parseDuration } from '../kernel/duration.ts';
import { normaliseDomain } from '../kernel/email.ts';
import type { Listen, ProbeOptions } from '../probe/options.ts';

/** What was asked for on the command line. */
export type ProbeAsked =
  | {
      readonly ok: true;
      readonly options: ProbeOptions;
      readonly json: boolean;
      readonly clean: boolean;
      readonly keep: boolean;
    }
  | { readonly ok: false; readonly problems: readonly string[] };

type Raw = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

/** Checks all of it, and names every problem at once. `rest` is what commander did not know. */
export function readProbe(raw: Raw, rest: readonly string[]): ProbeAsked {
  const problems = rest.map((argument) => `${argument.split('=', 1)[0]}: unknown option`);
  const ask = <T>(name: string, usual: string, read: (text: string) => T | null, hint: string): T => {
    const given = raw[toKey(name)];
    const value = read(typeof given === 'string' ? given : usual);
    // A problem ends the command, so what stands in its place is never used.
    if (value === null) problems.push(`--${name}: ${hint}`);
    return value as T;
  };
  const options = interpret(ask, { raw, problems });
  if (problems.length > 0) return { ok: false, problems };
  const [json, clean, keep] = [raw.json === true, raw.clean === true, raw.keep === true];
  return { ok: true, options: Object.freeze(options), json, clean, keep };
}

type Ask = <T>(name: string, usual: string, read: (text: string) => T | null, hint: string) => T;

function interpret(ask: Ask, { raw, problems }: { raw: Raw; problems: string[] }): ProbeOptions {
  const listen = 'must be host:port';
  const origin = 'must be an http or https origin without a path';
  const whole = 'must be whole seconds, from';
  const [providerListen, upstreamListen] = [
    ask('provider-listen', '127.0.0.1:9471', readListen, listen),
    ask('upstream-listen', '127.0.0.1:9472', readListen, listen),
  ];
  const baseUrl = ask('base-url', 'http://127.0.0.1:8787/client/v4', readUrl, 'must be an http or https URL');
  return {
    baseUrl,
    token: readFile('token-file', raw, problems)?.trim() ?? '',
    account:
      ask('account', '', (text) => (text === '' || /^[0-9a-f]{32}$/.test(text) ? text : null), ID) || null,
    host: ask('host', '', readHost, 'must be a host name') || null,
    gates: readGates(raw.gate, baseUrl, problems),
    ca: raw.caFile === undefined ? null : readFile('ca-file', raw, problems),
    providerListen,
    providerUrl: ask('provider-url', originOf(providerListen), readOrigin, origin),
    upstreamListen,
    upstreamUrl: ask('upstream-url', originOf(upstreamListen), readOrigin, origin),
    removal: ask(
      'removal',
      'delete',
      (text) => (text === 'delete' || text === 'revoke' ? text : null),
      KINDS,
    ),
    every: ask('every', '0s', readEvery, 'must be a duration such as 60s, from 1s to 24h') || null,
    metricsListen: ask('metrics-listen', '127.0.0.1:9465', readOptionalListen, `${listen} or off`) || null,
    timeout: ask('timeout', '10', (text) => readSeconds(text, 1), `${whole} 1 to 300`),
    watch: ask('watch', '10', (text) => readSeconds(text, 2), `${whole} 2 to 300`),
  };
}

const ID = 'must be 32 lower-case hexadecimal digits';
const KINDS = 'must be delete or revoke';

function toKey(name: string): string {
  return name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function readFile(name: string, raw: Raw, problems: string[]): string | null {
  const file = raw[toKey(name)];
  if (typeof file !== 'string') {
    problems.push(`--${name}: is needed`);
    return null;
  }
  try {
    const text = readFileSync(file, 'utf8');
    if (text.trim() === '') problems.push(`--${name}: ${file} is empty`);
    else if (name === 'token-file' && !/^[\x21-\x7e]+$/.test(text.trim()))
      problems.push(`--${name}: ${file} must hold one token and nothing else`);
    return text;
  } catch (error) {
    problems.push(`--${name}: ${(error as Error).message}`);
    return null;
  }
}

function readGates(given: Raw[string], baseUrl: URL | null, problems: string[]): URL[] {
  const texts = Array.isArray(given) ? given : baseUrl ? [baseUrl.origin] : [];
  const origins = texts.map((text) => readOrigin(String(text)));
  for (const [at, text] of texts.entries())
    if (origins[at] === null) problems.push(`--gate ${text}: must be an http or https origin without a path`);
  if (new Set(origins).size < origins.length) problems.push('--gate: the same gate is given twice');
  return origins.flatMap((origin) => (origin === null ? [] : [new URL(origin)]));
}

function readUrl(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isPlain = url !== null && !url.search && !url.hash && !url.username && !url.password;
  return isPlain && ['http:', 'https:'].includes(url.protocol) ? url : null;
}

function readOrigin(text: string): string | null {
  const url = readUrl(text);
  return url?.pathname === '/' ? url.origin : null;
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

function originOf(listen: Listen | null): string {
  if (listen === null) return 'http://127.0.0.1';
  return `http://${isIP(listen.host) === 6 ? `[${listen.host}]` : listen.host}:${listen.port}`;
}

/** A host name, with a port if need be, in the form in which it is asked for. */
function readHost(text: string): string | null {
  if (text === '') return '';
  const [, name = '', port = ''] = /^([^:/?#@\s]+)(:\d{1,5})?$/.exec(text) ?? [];
  const domain = normaliseDomain(name);
  return domain ? domain + port : null;
}

function readEvery(text: string): number | null {
  if (text === '0s') return 0;
  const milliseconds = parseDuration(text);
  return milliseconds !== null && milliseconds >= 1000 && milliseconds <= 86_400_000 ? milliseconds : null;
}

function readSeconds(text: string, least: number): number | null {
  const seconds = /^[1-9]\d{0,2}$/.test(text) ? Number(text) : 0;
  return seconds >= least && seconds <= 300 ? seconds * 1000 : null;
}
