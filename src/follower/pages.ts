import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Page } from '../server/metrics.ts';

/** Why this gate cannot decide now, in words for an operator; null: it can. */
export type Unready = () => string | null;

/** `/healthz` and `/readyz`, on the listener of the metrics and on every host that is no application. */
export function createHealthPages(unready: Unready): Page {
  return (request, response) => {
    const path = request.url?.split('?', 1)[0];
    if ((path !== '/healthz' && path !== '/readyz') || !isReading(request)) return false;
    const reason = path === '/healthz' ? null : unready();
    const status = path === '/healthz' ? 'ok' : reason === null ? 'ready' : 'not ready';
    sendJson(response, reason === null ? 200 : 503, { status, ...(reason === null ? {} : { reason }) });
    return true;
  };
}

/** What a gate answers on a host that is no application as far as it knows: 404, or 503 while it knows nothing. */
export function createOtherHosts(
  pages: Page,
  knowsHosts: () => boolean,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    if (pages(request, response)) return;
    if (knowsHosts()) sendText(response, 404, 'Not found\n');
    else sendText(response, 503, 'This gate has not reached its control plane yet.\n');
  };
}

function isReading({ method }: IncomingMessage): boolean {
  return method === 'GET' || method === 'HEAD';
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  send(response, { status, type: 'application/json; charset=utf-8', body: JSON.stringify(body) });
}

function sendText(response: ServerResponse, status: number, body: string): void {
  send(response, { status, type: 'text/plain; charset=utf-8', body });
}

function send(
  response: ServerResponse,
  { status, type, body }: { status: number; type: string; body: string },
): void {
  const headers: Record<string, string> = {
    'content-type': type,
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 503 ? { 'retry-after': '1' } : {}),
  };
  response.writeHead(status, headers).end(body);
}
