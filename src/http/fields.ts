import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import { type ApiError, refusal } from '../kernel/errors.ts';

/** Of all header fields together, in bytes. */
export const HEADER_LIMIT = 32 * 1024;

/**
 * Why the fields of a request are refused before anybody is asked about it, or null: exactly one Host (RFC 9112
 * §3.2; HTTP/1.0 may do without), and no more than HEADER_LIMIT, which in HTTP/1 the parser sees to.
 */
export function fieldsProblem({ rawHeaders, httpVersion }: IncomingMessage): ApiError | null {
  const hosts = hostsIn(rawHeaders);
  if (hosts > 1 || (hosts === 0 && httpVersion !== '1.0')) {
    return refusal('malformedRequest', { detail: 'exactly one Host is needed' });
  }
  return httpVersion === '2.0' && sizeOf(rawHeaders) > HEADER_LIMIT ? refusal('headersTooLarge') : null;
}

/**
 * Gives the fields of an HTTP/2 request the form that they have in HTTP/1.1, so that whoever reads them knows one
 * form: Host from :authority (RFC 9113 §8.3.1), a single Cookie (§8.2.3), and no pseudo-fields in `rawHeaders`. A
 * Host that differs from :authority stays beside it, so that there are two.
 */
export function toHttp1Fields({ rawHeaders, headers }: Http2ServerRequest): void {
  const authority = headers[':authority'];
  const fields: string[] = authority === undefined ? [] : ['host', authority];
  const crumbs: string[] = [];
  for (const [name, value] of pairsOf(rawHeaders)) {
    if (name === 'cookie') crumbs.push(value);
    else if (!name.startsWith(':') && !(name === 'host' && value.toLowerCase() === authority?.toLowerCase()))
      fields.push(name, value);
  }
  if (crumbs.length > 0) fields.push('cookie', crumbs.join('; '));
  rawHeaders.splice(0, rawHeaders.length, ...fields);
  if (authority !== undefined) headers.host = authority;
}

function hostsIn(rawHeaders: readonly string[]): number {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts;
}

function sizeOf(rawHeaders: readonly string[]): number {
  return rawHeaders.reduce((sum, text) => sum + text.length, 0);
}

function* pairsOf(rawHeaders: readonly string[]): Generator<[name: string, value: string]> {
  for (let at = 0; at < rawHeaders.length; at += 2) yield [rawHeaders[at] ?? '', rawHeaders[at + 1] ?? ''];
}
