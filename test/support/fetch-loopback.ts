import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';

/** As `fetch`, for names that only a browser resolves to loopback. */
export async function fetchLoopback(target: string, { method = 'GET', headers, body }: RequestInit = {}) {
  const url = new URL(target);
  const sent = { host: url.host, ...Object.fromEntries(new Headers(headers)) };
  const path = url.pathname + url.search;
  const asked = request({
    host: '127.0.0.1',
    port: url.port,
    method,
    path,
    headers: sent,
    agent: false,
    timeout: 30_000,
  });
  asked.end(body ? String(body) : undefined);
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return new Response((await text(answer)) || null, { status: answer.statusCode ?? 500 });
}
