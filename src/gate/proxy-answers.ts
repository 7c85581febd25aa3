import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Look } from '../kernel/page.ts';
import { words } from '../kernel/words.ts';
import { type Answer, pageAnswer } from './answers.ts';
import type { Question } from './question.ts';
import { isGone, streamOf } from './sockets.ts';

/** What went wrong on the way to an application that would have been allowed. */
export type Failure = 'unreachable' | 'late' | 'circle';

const STATUSES: Readonly<Record<Failure, number>> = { unreachable: 502, late: 504, circle: 508 };

/** The application's failure, with the request id; what exactly failed is in the log. */
export function failed(
  question: Question,
  failure: Failure,
  { requestId, look }: { requestId: string; look: Look | null },
): Answer {
  const status = STATUSES[failure];
  const { title, about } = words.gate[failure];
  if (!question.navigation) return plain(status, `${title}. Request ${requestId}\n`);
  return pageAnswer(status, { title, about: `${about} ${words.gate.goesOn}`, requestId, look });
}

/** No application leads on from here. */
export const NOT_FOUND = plain(404, 'Not found\n');

/** The connection was made for another host, and this one asks for a client certificate. */
export const MISDIRECTED = plain(421, 'Misdirected request\n');

function plain(status: number, body: string): Answer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}

/**
 * Sends what the gate itself says, if nothing was said yet. The connection ends with it where it is not sure what
 * comes next on it: after a malformed request, or a client that waited to be told to send its body.
 */
export function sendAnswer(response: ServerResponse, requestId: string, answer: Answer): void {
  if (response.headersSent || isGone(response)) return;
  forgetHead(response);
  const { body, status } = answer;
  const isUnsure = status === 400 || response.req.headers.expect !== undefined;
  const lines = {
    ...answer.headers,
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': requestId,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(isUnsure && !streamOf(response) ? { connection: 'close' } : {}),
  };
  response.writeHead(status, lines as Record<string, string | string[]>).end(body);
}

/** What was to be passed on from an application, and could not be, is not for the gate's own answer. */
function forgetHead(response: ServerResponse): void {
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  // HTTP/2 has no words beside the status, and warns of whoever speaks of them.
  if (!streamOf(response)) response.statusMessage = '';
}

/** How long the rest of a body that nobody wants is waited for, so that the answer is not lost with the connection. */
const BODY_WITHIN = 10_000;

/** Lets the rest of a body come and go, within bounds. */
export function dismiss(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  const late = setTimeout(() => request.destroy(), BODY_WITHIN).unref();
  request.once('close', () => clearTimeout(late)).once('end', () => clearTimeout(late));
  request.on('error', () => {});
  request.resume();
}
