import { isIP } from 'node:net';
import path from 'node:path';
import { type Cidr, contains, parseAddress, parseCidr } from './kernel/address.ts';
import { normaliseEmail } from './kernel/email.ts';
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

/** How mails are sent. */
export interface MailSettings {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte; otherwise it is begun by STARTTLS. */
  readonly implicitTls: boolean;
  /** false: plain text will do, as it does on this machine. */
  readonly needsTls: boolean;
  readonly login: { readonly user: string; readonly password: string } | null;
  readonly from: string;
}

/** The settings of mail: all of them or none. Nothing is contacted before the first mail. */
export function readMail(given: Given, problems: string[]): MailSettings | null {
  const [smtp, password, from] = ['smtp', 'smtp-password', 'mail-from'].map((name) => given.get(name));
  if (!smtp) {
    for (const one of [password, from]) if (one) problems.push(`${one.from}: needs --smtp as well`);
    return null;
  }
  const url = readSmtp(smtp.value);
  if (typeof url === 'string') problems.push(`${smtp.from}: ${url}`);
  const sender = from ? normaliseEmail(from.value) : null;
  if (!from) problems.push(`${smtp.from}: needs --mail-from as well`);
  else if (!sender) problems.push(`${from.from}: must be an e-mail address`);
  if (password?.value === '') problems.push(`${password.from}: is empty`);
  if (typeof url === 'string' || !sender) return null;
  const { user, ...server } = url;
  if (password && user === null) problems.push(`${password.from}: --smtp names no user whose it is`);
  if (!password && user !== null) problems.push(`${smtp.from}: needs --smtp-password-file for its user`);
  return {
    ...server,
    login: user !== null && password ? { user, password: password.value } : null,
    from: sender,
  };
}

type Smtp = Omit<MailSettings, 'login' | 'from'> & { readonly user: string | null };

/** The URL of a mail server, or what is wrong with it; no word of what it holds. */
function readSmtp(text: string): Smtp | string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !['smtp:', 'smtps:'].includes(url.protocol) || !url.hostname)
    return 'must be smtp://[user@]host[:port] or smtps://[user@]host[:port]';
  if (url.password) return 'must not hold a password: put it in a file for --smtp-password-file';
  const user = decoded(url.username);
  if (!['', '/'].includes(url.pathname) || url.search || url.hash || user === null)
    return 'must end after the host and its port';
  const host =
    decoded(url.hostname)
      ?.replace(/^\[|\]$/g, '')
      .toLowerCase() ?? '';
  if (isIP(host) === 0 && !/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(host)) return 'must name a host';
  const implicitTls = url.protocol === 'smtps:';
  const port = url.port === '' ? (implicitTls ? 465 : 587) : Number(url.port);
  if (port === 0) return 'must have a port from 1 to 65535';
  return { host, port, implicitTls, needsTls: !isLoopback(host), user: user || null };
}

function decoded(text: string): string | null {
  try {
    const plain = decodeURIComponent(text);
    return /\p{Cc}/u.test(plain) ? null : plain;
  } catch {
    return null;
  }
}
