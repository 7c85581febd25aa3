import { lookup } from 'node:dns';
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type OutgoingHttpHeaders,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { type Address, isNeverCalled, parseAddress } from '../kernel/address.ts';

export interface UpstreamOptions {
  /** Certificates, in PEM, of authorities that are trusted beside those of the system; null for none. */
  readonly authorities: string | null;
  /** Whether that is a listener of this server itself, which no application is. */
  readonly isOwn: (address: Address, port: number) => boolean;
}

/** The head of a request to an application. */
export interface UpstreamHead {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
}

/** Connections to the servers behind the applications; one that ended cleanly is used again. */
export interface Upstreams {
  /**
   * Begins a request in this turn. What goes wrong is told by its `error`; throws for an origin that is never
   * called, or a head that cannot be sent.
   */
  open(origin: string, head: UpstreamHead): ClientRequest;
  /** The same on a connection of its own, not used before or after. */
  openFresh(origin: string, head: UpstreamHead): ClientRequest;
  close(): void;
}

const LARGEST_HEAD = 64 * 1024;

interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

export function createUpstreams({ authorities, isOwn }: UpstreamOptions): Upstreams {
  const kept: Agents = { http: new HttpAgent({ keepAlive: true }), https: new TlsAgent({ keepAlive: true }) };
  const fresh: Agents = { http: new HttpAgent(), https: new TlsAgent() };
  let trust: SecureContext | null = null;
  const trusted = () => {
    trust ??= createSecureContext({ ca: trustedAuthorities(authorities) });
    return trust;
  };

  const open = (agents: Agents, origin: string, head: UpstreamHead) => {
    const url = new URL(origin);
    const isTls = url.protocol === 'https:';
    const place = placeOf(url);
    const isRefused = (address: Address) => isNeverCalled(address) || isOwn(address, place.port);
    const literal = parseAddress(place.host);
    if (literal && isRefused(literal)) throw new Error(`${place.host} is an address that is never called`);
    const options = {
      ...head,
      ...place,
      lookup: checkedLookup(isRefused),
      setDefaultHeaders: false,
      maxHeaderSize: LARGEST_HEAD,
    };
    const request = isTls
      ? httpsRequest({ ...options, ...tlsOf(place.host, trusted()), agent: agents.https })
      : httpRequest({ ...options, agent: agents.http });
    // None may be left out in silence: the limit is in bytes.
    request.maxHeadersCount = 0;
    return request;
  };

  return {
    open: (origin, head) => open(kept, origin, head),
    openFresh: (origin, head) => open(fresh, origin, head),
    close: () => {
      for (const agent of [kept.http, kept.https, fresh.http, fresh.https]) agent.destroy();
    },
  };
}

function placeOf({ hostname, port, protocol }: URL): { host: string; port: number } {
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
  };
}

/** The name comes from the upstream's own address, and not from the Host that the client sent. */
function tlsOf(host: string, secureContext: SecureContext): Pick<ConnectionOptions, 'servername'> {
  // Handed on to tls.connect; the types of https know only the parts that it hands on itself.
  return { servername: isIP(host) ? '' : host, rejectUnauthorized: true, secureContext } as ConnectionOptions;
}

function trustedAuthorities(more: string | null): string[] {
  const known = new Set([...getCACertificates('default'), ...getCACertificates('system')]);
  return more === null ? [...known] : [...known, more];
}

/** What a name resolves to is checked where it is dialled, so it cannot change in between. */
function checkedLookup(isRefused: (address: Address) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '');
      const read = addresses.map(({ address }) => parseAddress(address));
      const [first] = addresses;
      if (!first || read.some((address) => address === null || isRefused(address))) {
        return callback(new Error('the name resolves to an address that is never called'), '');
      }
      return options.all ? callback(null, addresses) : callback(null, first.address, first.family);
    });
  };
}

/** Keeps the socket below TLS at hand, since only that can be reset. */
class TlsAgent extends HttpsAgent {
  override createConnection(options: TlsConnection, done?: (error: Error | null, stream: Duplex) => void) {
    const { host, port, lookup: find } = options;
    const raw = connect({ host, port, lookup: find });
    const above = { ...options, socket: raw };
    const secure = super.createConnection(above, done) as Socket;
    raw.once('error', (error) => secure.destroy(error));
    return secure;
  }
}

type TlsConnection = NonNullable<Parameters<HttpsAgent['createConnection']>[0]> & {
  readonly host: string;
  readonly port: number;
  readonly lookup: LookupFunction;
};
