import { domainToASCII } from 'node:url';
import { normalisePath } from '../../kernel/path.ts';
import { misread, type Parsed, parsed } from '../../kernel/result.ts';

/** Where an application is: a host, and a path that everything below belongs to (empty: the whole host). */
export interface Destination {
  readonly uri: string;
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
  if (path === null) return misread(pointer, 'has a path that servers read in different ways, or a wildcard');
  if (path === RESERVED_PATH || path.startsWith(`${RESERVED_PATH}/`)) {
    return misread(pointer, `must not be below ${RESERVED_PATH}`);
  }
  return parsed({ uri: host + path, host, path });
}

function parseHost(text: string): string | null {
  const match = /^([^:/?#@\s*]{1,253})(?::([1-9]\d{0,4}))?$/.exec(text);
  const name = match?.[1] ? domainToASCII(match[1]) : '';
  const port = match?.[2];
  if (name === '' || !/^[a-z0-9._-]+$/.test(name) || name.endsWith('.') || Number(port ?? 1) > 65_535)
    return null;
  return port ? `${name}:${port}` : name;
}

function parsePath(text: string): string | null {
  if (text === '' || text === '/') return '';
  const normalised = normalisePath(text);
  if ('refused' in normalised || !/^[A-Za-z0-9._~/-]+$/.test(normalised.path)) return null;
  return normalised.path.replace(/\/$/, '');
}

/** Whether a host is a zone's name or below it, its port aside. */
export function isWithinZone(host: string, zone: string): boolean {
  const name = host.replace(/:\d+$/, '');
  return name === zone || name.endsWith(`.${zone}`);
}
