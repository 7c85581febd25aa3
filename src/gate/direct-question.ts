import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { CookieReader } from '../protocol/cookies.ts';
import { peerCertificateOf } from './peer-certificate.ts';
import { type Reading, toQuestion } from './question.ts';
import { Headers } from './question-headers.ts';
import { streamOf } from './sockets.ts';

/** Methods that no application is asked: one opens a tunnel, the other sends back what the gate added. */
const NEVER_PASSED: ReadonlySet<string> = new Set(['CONNECT', 'TRACE']);

/**
 * Reads the question of a request that came straight to the application's host: one Host, a target that is a path,
 * a body whose length is said in one way, and the scheme of the connection, or as a trusted proxy tells it. The
 * certificate of a trusted proxy is its own, and none of those for whom it asks.
 */
export function readDirectQuestion(
  request: IncomingMessage,
  {
    ip,
    isTrusted,
    readCookies,
  }: { ip: string; isTrusted: (peer: string) => boolean; readCookies: CookieReader },
): Reading {
  const headers = new Headers(request.rawHeaders);
  const { method = '', url } = request;
  if (NEVER_PASSED.has(method) || !isFramedOnce(request, headers)) return { reason: 'question_malformed' };
  const scheme = schemeOf(request, headers, isTrusted);
  const { socket } = request;
  const presented = peerCertificateOf(socket);
  const certificate = presented && !isTrusted(socket.remoteAddress ?? '') ? presented : null;
  return toQuestion(
    headers,
    { method, scheme, host: headers.single('host'), target: url },
    { ip, certificate, readCookies },
  );
}

/** Node's parser is strict already; this is what it lets pass and servers read in different ways (RFC 9112 §6). */
function isFramedOnce(request: IncomingMessage, headers: Headers): boolean {
  // In HTTP/1 the parser takes other versions as well, and a first line without any.
  if (!streamOf(request) && !/^1\.[01]$/.test(request.httpVersion)) return false;
  const lengths = headers.all('content-length');
  const codings = headers.all('transfer-encoding');
  if (lengths.length > 1 || lengths.some((length) => !/^\d{1,15}$/.test(length))) return false;
  if (codings.length === 0) return true;
  const isChunked = codings.length === 1 && codings[0]?.toLowerCase() === 'chunked';
  return isChunked && lengths.length === 0 && request.httpVersion === '1.1' && streamOf(request) === null;
}

function schemeOf(
  { socket }: IncomingMessage,
  headers: Headers,
  isTrusted: (peer: string) => boolean,
): string | undefined {
  if (headers.has('x-forwarded-proto') && isTrusted(socket.remoteAddress ?? ''))
    return headers.single('x-forwarded-proto');
  return (socket as Partial<TLSSocket>).encrypted === true ? 'https' : 'http';
}
