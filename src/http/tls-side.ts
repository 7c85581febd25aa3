import { constants as crypto } from 'node:crypto';
import type { Http2SecureServer, SecureServerOptions } from 'node:http2';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';

/** A chain of certificates, the server's own first, and its private key; both PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** Who is asked for a client certificate in the handshake, and who wants to know what came of it. */
export interface Asking {
  /** Whether anybody is, on any host. */
  readonly isAsking: boolean;
  /**
   * The authorities (PEM) whose certificates are asked for in a handshake for this host name; empty: none are. The
   * same array while nothing has changed.
   */
  authoritiesOn(hostname: string): readonly string[];
  /**
   * A handshake is over that named a host, and in which these were asked for; none, if there were none for it. The
   * certificate that came, if any, was verified by them.
   */
  onHandshake(socket: TLSSocket, authorities: readonly string[]): void;
}

/**
 * The TLS of a listener, which outlasts what it serves with. A client is asked for a certificate only if it names,
 * in its handshake (SNI), a host that has authorities, and by these alone is it verified. Whoever has none comes all
 * the same. While anybody is asked, no session is resumed: one that is brings no certificate, and no verification.
 */
export interface TlsSide {
  /** Among the options of the server. */
  readonly options: SecureServerOptions;
  /** Call once, with the server that was made with them. */
  attach(server: Http2SecureServer): void;
  /** From now on new connections are given this pair; those that are open go on. */
  usePair(pair: KeyPair): void;
  /** `asking` answers in another way. */
  refresh(): void;
}

export function createTlsSide(first: KeyPair, asking: Asking | null = null): TlsSide {
  let pair = first;
  let server: Http2SecureServer | null = null;
  let isAsking = false;
  let contexts = createContexts();
  const asked = new WeakMap<TLSSocket, readonly string[]>();

  const contextFor = (authorities: readonly string[]) => {
    const known = contexts.get(authorities);
    if (known) return known;
    const made = createSecureContext({ ...usual(pair, true), ca: [...authorities] });
    contexts.keep(authorities, made);
    return made;
  };

  const serve = () => {
    contexts = createContexts();
    server?.setSecureContext(usual(pair, isAsking));
  };

  const choose = (socket: unknown, hostname: string) => {
    if (!asking || !(socket instanceof TLSSocket)) return undefined;
    const authorities = asking.authoritiesOn(hostname.toLowerCase());
    // Also where it cannot ask: neither could the next handshake.
    asked.set(socket, authorities);
    if (authorities.length === 0) return undefined;
    const context = contextFor(authorities);
    return askFor(socket) ? context : undefined;
  };

  return {
    options: {
      ...usual(pair, false),
      rejectUnauthorized: false,
      SNICallback(hostname, done) {
        try {
          done(null, choose(this, hostname));
        } catch (error) {
          done(error as Error);
        }
      },
    },
    attach: (made) => {
      server = made;
      // Before anybody reads a request of it.
      made.prependListener('secureConnection', (socket: TLSSocket) => {
        const authorities = asked.get(socket);
        if (authorities) asking?.onHandshake(socket, authorities);
      });
    },
    usePair: (next) => {
      pair = next;
      serve();
    },
    refresh: () => {
      if (isAsking === asking?.isAsking) return;
      isAsking = asking?.isAsking ?? false;
      serve();
    },
  };
}

/** Authorities of which contexts are kept; each takes some ten kilobytes there, and hosts can be named by anybody. */
const MOST_KEPT = 4000;

/** A context for each set of authorities that was asked for, the first forgotten when there are too many. */
function createContexts() {
  const contexts = new Map<readonly string[], SecureContext>();
  let weight = 0;
  return {
    get: (authorities: readonly string[]) => contexts.get(authorities),
    keep: (authorities: readonly string[], context: SecureContext) => {
      contexts.set(authorities, context);
      weight += weightOf(authorities);
      for (const [first] of contexts) {
        if (weight <= MOST_KEPT || first === authorities) break;
        contexts.delete(first);
        weight -= weightOf(first);
      }
    },
  };
}

/** The server's own chain is in each as well. */
function weightOf(authorities: readonly string[]): number {
  return authorities.length + 2;
}

function usual({ cert, key }: KeyPair, isAsking: boolean) {
  const noTicket = isAsking ? crypto.SSL_OP_NO_TICKET : 0;
  const secureOptions = crypto.SSL_OP_NO_RENEGOTIATION | noTicket;
  return { cert, key, minVersion: 'TLSv1.2', secureOptions } as const;
}

/**
 * Has the handshake under way ask for a certificate, which its outcome is not to depend on. Node knows this of a
 * whole server only; where it no longer lets itself be told of one connection, nobody is asked.
 */
function askFor(socket: TLSSocket): boolean {
  const { _handle: handle } = socket as TLSSocket & {
    _handle?: { setVerifyMode?: (request: boolean, reject: boolean) => void } | null;
  };
  if (typeof handle?.setVerifyMode !== 'function') return false;
  handle.setVerifyMode(true, false);
  // What `authorized` rests on.
  Object.assign(socket, { _requestCert: true });
  return true;
}
