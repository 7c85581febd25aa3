import path from 'node:path';
import { type Cidr, contains, parseAddress, parseCidr } from './kernel/address.ts';
import type { Given } from './settings-reader.ts';

export interface Listen {
  readonly host: string;
  readonly port: number;
}

/** Where a certificate with its chain and its private key are, both PEM. */
export interface KeyPairFiles {
  readonly cert: string;
  readonly key: string;
}

const LOOPBACK = [parseCidr('127.0.0.0/8'), parseCidr('::1/128')].filter((block) => block !== null);

/** What --log-level can be. */
export const LEVELS: readonly string[] = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

export function readLevel(text: string): string | null {
  return LEVELS.includes(text) ? text : null;
}

/** Passwords-equivalent credentials must not cross a network in the clear by accident. */
export function refuseOpenHttp(
  given: Given,
  { listen, trustedProxies }: { listen: Listen; trustedProxies: readonly Cidr[] },
  problems: string[],
): void {
  const insecure = given.get('insecure-http');
  if (insecure && insecure.value !== 'true' && insecure.value !== 'false') {
    problems.push(`${insecure.from}: must be true or false`);
  }
  const hasTls = given.has('tls-cert') || given.has('tls-key');
  if (isLoopback(listen.host) || hasTls || trustedProxies.length > 0 || insecure?.value === 'true') return;
  problems.push(
    `--listen ${listen.host}:${listen.port}: beyond loopback without TLS: give --tls-cert and --tls-key, name the proxy that ends TLS with --trusted-proxy, or say --insecure-http`,
  );
}

/** Both files or neither; what is in them is read when the server starts. */
export function readKeyPair(given: Given, problems: string[]): KeyPairFiles | null {
  const cert = given.get('tls-cert');
  const key = given.get('tls-key');
  for (const file of [cert, key]) if (file?.value === '') problems.push(`${file.from}: must be a file`);
  if (cert && !key) problems.push(`${cert.from}: needs --tls-key as well`);
  if (key && !cert) problems.push(`${key.from}: needs --tls-cert as well`);
  return cert && key ? { cert: path.resolve(cert.value), key: path.resolve(key.value) } : null;
}

export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  const address = parseAddress(host);
  return address !== null && contains(LOOPBACK, address);
}

export function readListen(text: string): Listen | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s/]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  return host && port >= 1 && port <= 65_535 ? { host, port } : null;
}

export function readOptionalListen(text: string): Listen | '' | null {
  return text === 'off' ? '' : readListen(text);
}

/** An empty path would be the folder that the server happens to be started in. */
export function readPath(text: string): string | null {
  return text === '' ? null : path.resolve(text);
}

export function readOptionalPath(text: string): string | null {
  return text === 'none' ? '' : readPath(text);
}

/** In milliseconds. */
export function readSeconds(text: string): number | null {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 86_400 ? Number(text) * 1000 : null;
}

export function readCidrs(text: string): Cidr[] | null {
  const parts = text.split(',').filter((part) => part.trim() !== '');
  const blocks = parts.map((part) => parseCidr(part.trim())).filter((block) => block !== null);
  return blocks.length === parts.length ? blocks : null;
}

export function readOrigin(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !['http:', 'https:'].includes(url.protocol)) return null;
  return url.pathname === '/' && !url.search && !url.hash && !url.username ? url.origin : null;
}

export function readLongSecret(text: string): string | null {
  return text === '' || text.length >= 32 ? text : null;
}
