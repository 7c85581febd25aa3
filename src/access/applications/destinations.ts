import { domainToASCII } from 'node:url';
import { normalisePath } from '../../kernel/path.ts';
import { misread, type Parsed, parsed } from '../../kernel/result.ts';

/** Where an application is: a host, and a path that everything below belongs to (empty: the whole host). */
export interface Destination {
  readonly uri: string;
  /** Lower case and ASCII, with the port if one was given. */
  readonly host: string;
  readonly path: string;
}

/** Paths below this are the gate's own on every host. */
const RESERVED_PATH = '/cdn-cgi';

/**
 * Reads `host[:port][/path]`. Hosts are folded to lower case and ASCII; a path has unreserved characters alone,
 * so that no encoding of it can reach a broader application.
 */
export function parseDestination(uri: string, pointer: string): Parsed<Destination> {
  const slash = uri.indexOf('/');
  const host = parseHost(slash < 0 ? uri : uri.slice(0, slash));
  if (host === null) return misread(pointer, 'must be host[:port][/path], without a scheme or wildcard');
  const path = parsePath(slash < 0 ? '' : uri.slice(slash));
  if (path === null) {
    return misread(pointer, 'has a path that servers read in different ways, a wildcard or a query');
  }
  if (path === RESERVED_PATH || path.startsWith(`${RESERVED_PATH}/`)) {
    return misread(pointer, `must not be below ${RESERVED_PATH}`);
  }
  return parsed({ uri: host + path, host, path });
}

/** domainToASCII reads its argument as a URL's host: it would decode per cent signs and stop at a backslash. */
const HOST = /^([\w.\-\u0080-\u{10ffff}]{1,253})(?::([1-9]\d{0,4}))?$/u;
const LABEL = /^[a-z0-9_-]{1,63}$/;

function parseHost(text: string): string | null {
  const [, given = '', port] = HOST.exec(text) ?? [];
  const name = domainToASCII(given);
  if (name.length > 253 || !name.split('.').every((label) => LABEL.test(label))) return null;
  if (port === undefined) return name;
  return Number(port) <= 65_535 ? `${name}:${port}` : null;
}

function parsePath(text: string): string | null {
  if (text === '') return '';
  const normalised = normalisePath(text);
  if (text.includes('?') || 'refused' in normalised) return null;
  return /^[A-Za-z0-9._~/-]+$/.test(normalised.path) ? normalised.path.replace(/\/$/, '') : null;
}

/** The name in a host, without its port. Cookies know no ports, so neither does the question whose a host is. */
export function hostnameOf(host: string): string {
  return host.replace(/:\d+$/, '');
}

/** The names of the zones that a host name can lie in, the nearest first. */
export function zoneNamesOver(hostname: string): string[] {
  const labels = hostname.split('.');
  return labels.map((_, index) => labels.slice(index).join('.'));
}

/** Whether a host is a zone's name or below it, its port aside. */
export function isWithinZone(host: string, zone: string): boolean {
  return zoneNamesOver(hostnameOf(host)).includes(zone);
}
