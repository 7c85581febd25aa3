import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { text as readText } from 'node:stream/consumers';
import { CookieJar } from './cookie-jar.ts';

const MAX_REDIRECTS = 20;
const ANSWER_WITHIN_MS = 30_000;

/** What a browser sends of itself when a person follows a link. */
const NAVIGATION = {
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'sec-fetch-dest': 'document',
  'sec-fetch-mode': 'navigate',
  'upgrade-insecure-requests': '1',
  'user-agent': 'Mozilla/5.0 (Portcullis tests)',
};

export type Headers = Readonly<Record<string, string | null>>;

/** A request as a browser makes it. A header of null removes one that would be sent by itself. */
export interface BrowserRequest {
  method?: string;
  headers?: Headers;
  body?: string;
}

/** An answer, its body read. */
export interface Page {
  url: URL;
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** Where a redirect leads, absolute; null for an answer that is none. */
  location: URL | null;
}

export interface FollowOptions {
  headers?: Headers;
  /** Asked before each redirect is followed: true ends the walk at the answer that redirects there. */
  until?: (next: URL) => boolean;
}

export interface BrowserOptions {
  /** The port to dial for a host name, in plain HTTP, where it is not the one in the address (a proxy that stands for it). */
  ports?: Readonly<Record<string, number>>;
  /** The time by which cookies expire, in milliseconds since the epoch. */
  now?: () => number;
}

/**
 * A browser without a screen: it keeps cookies, follows redirects only when told to, and dials 127.0.0.1
 * for every host while sending the host's name, since nothing but a browser resolves `*.localhost`. A host
 * that is neither loopback nor listed in `ports` is an error: tests never leave the machine.
 */
export class Browser {
  readonly jar: CookieJar;
  readonly #ports: Readonly<Record<string, number>>;

  constructor({ ports = {}, now }: BrowserOptions = {}) {
    this.#ports = ports;
    this.jar = new CookieJar(now);
  }

  /** Opens an address as a navigation, without following a redirect. */
  get(url: string | URL, headers: Headers = {}): Promise<Page> {
    return this.request(url, { headers });
  }

  /** Submits a form from a page of the same origin, without following a redirect. */
  post(url: string | URL, form: Readonly<Record<string, string>>, headers: Headers = {}): Promise<Page> {
    return this.request(url, {
      method: 'POST',
      body: new URLSearchParams(form).toString(),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: new URL(url).origin,
        ...headers,
      },
    });
  }

  /** Opens an address and follows at most 20 redirects. */
  async follow(url: string | URL, options: FollowOptions = {}): Promise<Page> {
    return this.followFrom(await this.get(url, options.headers), options);
  }

  /** Goes on from an answer by GET, through at most 20 redirects, to one that is none or that `until` names. */
  async followFrom(page: Page, { until = () => false, headers }: FollowOptions = {}): Promise<Page> {
    let at = page;
    for (let hops = 0; at.location !== null && !until(at.location); hops += 1) {
      if (hops === MAX_REDIRECTS)
        throw new Error(`more than ${MAX_REDIRECTS} redirects, the last to ${at.location}`);
      at = await this.get(at.location, headers);
    }
    return at;
  }

  /** Sends one request with the cookies that belong to it and keeps those of the answer. */
  async request(
    url: string | URL,
    { method = 'GET', headers = {}, body }: BrowserRequest = {},
  ): Promise<Page> {
    const target = new URL(url);
    const message = await this.#send(target, { method, headers, ...(body === undefined ? {} : { body }) });
    const text = await readText(message);
    this.jar.store(target, message.headers['set-cookie'] ?? []);
    const status = message.statusCode ?? 0;
    return {
      url: target,
      status,
      headers: message.headers,
      text,
      location: redirect(target, status, message),
    };
  }

  #send(url: URL, { method, headers, body }: BrowserRequest): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        port: this.#portOf(url),
        method,
        path: `${url.pathname}${url.search}`,
        headers: present({ ...NAVIGATION, host: url.host, cookie: this.jar.header(url), ...headers }),
        agent: false,
        timeout: ANSWER_WITHIN_MS,
      };
      const isPlain = url.protocol === 'http:' || url.hostname in this.#ports;
      const request = isPlain
        ? httpRequest(options, resolve)
        : httpsRequest({ ...options, servername: url.hostname }, resolve);
      request.on('error', reject);
      request.on('timeout', () => request.destroy(new Error(`no answer in time from ${method} ${url}`)));
      request.end(body);
    });
  }

  #portOf(url: URL): number {
    const port = this.#ports[url.hostname];
    if (port !== undefined) return port;
    if (!/^https?:$/.test(url.protocol) || !isLoopback(url.hostname))
      throw new Error(`not a loopback address: ${url}`);
    return Number(url.port || (url.protocol === 'http:' ? 80 : 443));
  }
}

function present(headers: Headers): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== null),
  );
}

function isLoopback(hostname: string): boolean {
  return hostname === '127.0.0.1' || /(^|\.)localhost$/.test(hostname);
}

function redirect(url: URL, status: number, message: IncomingMessage): URL | null {
  const { location } = message.headers;
  if (status < 300 || status > 399 || location === undefined) return null;
  return new URL(location, url);
}
