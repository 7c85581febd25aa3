import {
  type Agent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';

/** A server by its address. What it serves is asked for by the `host` of each request. */
export interface Dial {
  readonly url: URL;
  /** Authorities in PEM that are trusted instead of the system's; null: those of the system. */
  readonly ca: string | null;
  /** Whole exchanges end after so many milliseconds. */
  readonly timeout: number;
}

export interface Sending {
  readonly method?: string;
  /** Path and query. */
  readonly path: string;
  /** The name that is asked for; with TLS also the one that the certificate must have. */
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly agent?: Agent;
  readonly signal?: AbortSignal;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

const LARGEST = 1024 * 1024;

/** One request and its whole answer. Rejects with the error of the network, or after the time-out. */
export async function send(dial: Dial, sending: Sending): Promise<Answered> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), dial.timeout);
  const stop = () => over.abort();
  sending.signal?.addEventListener('abort', stop);
  try {
    if (sending.signal?.aborted) over.abort();
    const answer = await begin(dial, { ...sending, signal: over.signal });
    return { status: answer.statusCode ?? 0, headers: answer.headers, text: await readText(answer) };
  } catch (error) {
    if (!over.signal.aborted || sending.signal?.aborted) throw error;
    throw new Error(`no answer within ${dial.timeout / 1000} s`, { cause: error });
  } finally {
    clearTimeout(timer);
    sending.signal?.removeEventListener('abort', stop);
  }
}

/** Sends a request; resolves with the head of its answer. */
export function begin({ url, ca }: Dial, sending: Sending): Promise<IncomingMessage> {
  const { method = 'GET', path, host, headers = {}, body, agent, signal } = sending;
  const open = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = open({
      hostname: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port || (url.protocol === 'https:' ? 443 : 80),
      method,
      path,
      headers: { ...headers, ...(host === undefined ? {} : { host }) },
      ...tlsOf({ url, ca }, host),
      ...(agent ? { agent } : { agent: false }),
      ...(signal ? { signal } : {}),
    });
    request.on('response', resolve);
    request.on('error', reject);
    request.end(body);
  });
}

/** What a TLS client has to know beside the address: the name it expects, and whom it trusts. */
export function tlsOf(
  { url, ca }: Pick<Dial, 'url' | 'ca'>,
  host?: string,
): { servername?: string; ca?: string } {
  if (url.protocol !== 'https:' && url.protocol !== 'wss:') return {};
  const name = host?.replace(/:\d+$/, '') ?? '';
  return {
    ...(name !== '' && isIP(name) === 0 ? { servername: name } : {}),
    ...(ca === null ? {} : { ca }),
  };
}

async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
