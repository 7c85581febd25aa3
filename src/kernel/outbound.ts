import { lookup } from 'node:dns';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { type Address, contains, isNeverCalled, parseAddress, parseCidr } from './address.ts';

const blocks = (...texts: string[]) => texts.map(parseCidr).filter((block) => block !== null);

const LOOPBACK = blocks('127.0.0.0/8', '::1');

const LARGEST = 1024 * 1024;
const TIMEOUT_MS = 10_000;

/**
 * Why this server will not call an address, or null: https, or http on loopback; never link-local, where
 * clouds keep their secrets.
 */
export function endpointProblem(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || url.username || url.password || url.hash)
    return 'must be a URL without credentials or fragment';
  const address = parseAddress(hostOf(url));
  if (address && isNeverCalled(address)) return 'must not be a link-local or multicast address';
  const isLoopback = address ? contains(LOOPBACK, address) : /(?:^|\.)localhost$/.test(url.hostname);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback)) return null;
  return 'must be https (http is for loopback alone)';
}

/** What is sent; bodies are short and whole. */
export interface OutboundRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/**
 * As `fetch`, for addresses that an administrator chose. What a name resolves to is checked where it is dialled,
 * so it cannot change in between; redirects are not followed; no connection is shared; the answer is at most a
 * megabyte, whole within ten seconds or what the signal says. Throws a TypeError for whatever goes wrong.
 */
export async function fetchOutbound(target: string, request: OutboundRequest = {}): Promise<Response> {
  const problem = endpointProblem(target);
  if (problem) throw new TypeError(`${target}: ${problem}`);
  try {
    const answer = await send(new URL(target), request);
    const body = await readWhole(answer);
    const status = answer.statusCode ?? 0;
    return new Response(WITHOUT_BODY.has(status) ? null : body, { status, headers: headersOf(answer) });
  } catch (error) {
    throw new TypeError(`${new URL(target).origin} did not answer`, { cause: error });
  }
}

const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

function send(
  url: URL,
  { method = 'GET', headers = {}, body, signal }: OutboundRequest,
): Promise<IncomingMessage> {
  const open = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const options = { agent: false, method, headers, lookup: checkedLookup(url.protocol === 'http:') };
  return new Promise((resolve, reject) => {
    const request = open(url, { ...options, signal: signal ?? AbortSignal.timeout(TIMEOUT_MS) });
    request.on('response', resolve);
    request.on('error', reject);
    request.end(readBody(body));
  });
}

function readBody(body: unknown): string | Uint8Array | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string' || body instanceof Uint8Array) return body;
  if (body instanceof URLSearchParams) return body.toString();
  throw new TypeError('a body is a text, bytes or form fields');
}

async function readWhole(answer: IncomingMessage): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST) throw new TypeError('the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function headersOf(answer: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(answer.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  return headers;
}

function checkedLookup(loopbackOnly: boolean): LookupFunction {
  const isRefused = (address: Address | null) =>
    address === null || isNeverCalled(address) || (loopbackOnly && !contains(LOOPBACK, address));
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '');
      const [first] = addresses;
      if (!first || addresses.some(({ address }) => isRefused(parseAddress(address)))) {
        return callback(new Error('the name resolves to an address that is never called'), '');
      }
      return options.all ? callback(null, addresses) : callback(null, first.address, first.family);
    });
  };
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}
