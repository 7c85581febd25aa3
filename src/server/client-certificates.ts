import { X509Certificate } from 'node:crypto';
import { type Authority, namedHostOf, noteHandshake, readPeerCertificate } from '../gate/peer-certificate.ts';
import type { Asking } from '../http/tls-side.ts';
import { createBoundedMap } from '../kernel/bounded-map.ts';
import type { Clock } from '../kernel/clock.ts';
import type { FeedItem } from '../protocol/feed.ts';
import type { CertificateState } from '../protocol/state.ts';

/**
 * Which hosts ask for client certificates, as the feed tells: an account's authorities are asked for on the hosts
 * that it associates with them, and nowhere else. It only makes certificates known: what they are good for is
 * decided at each request, from the gate's memory. A change costs what it changes itself; what a host asks for is put
 * together at its first handshake, and is one array for all hosts that ask for the same.
 */
export interface ClientCertificates extends Asking {
  load(snapshot: { accountId: string; states: readonly FeedItem[] }): void;
  apply(batch: { accountId: string; items: readonly FeedItem[] }): void;
}

export interface ClientCertificatesOptions {
  readonly clock: Clock;
  /** Hosts have changed. */
  readonly onChange: () => void;
  /** Something failed that never should; nobody is asked for what it failed for. */
  readonly onFault: (error: unknown) => void;
  /** Reads a PEM; throws if it is none. */
  readonly parse?: (pem: string) => X509Certificate;
}

interface Asked {
  readonly authorities: readonly Authority[];
  /** The same in PEM. */
  readonly pems: readonly string[];
}

/** One Access certificate that could be read. */
interface Held {
  readonly authority: Authority;
  readonly pem: string;
  readonly hostnames: readonly string[];
}

/** Sets of authorities that are remembered for further hosts to share. */
const MOST_SHARED = 1000;
const NOBODY: Asked = { authorities: [], pems: [] };

export function createClientCertificates(options: ClientCertificatesOptions): ClientCertificates {
  const { clock, onChange, onFault } = options;
  const accounts = new Map<string, Map<string, Held>>();
  const hosts = createHosts();

  // Whatever fails here must not keep the feed from being applied.
  const guarded = (work: () => void) => {
    try {
      work();
    } catch (error) {
      onFault(error);
    }
  };

  const put = (held: Map<string, Held>, id: string, next: Held | null) => {
    const before = held.get(id);
    if (before) hosts.remove(before);
    held.delete(id);
    if (!next) return;
    held.set(id, next);
    hosts.add(next);
  };

  const take = (accountId: string, items: readonly CertificateItem[]) => {
    const held = accounts.get(accountId) ?? new Map<string, Held>();
    for (const { id, state } of items) {
      // Before it is read: what cannot be is nobody's.
      put(held, id, null);
      if (state) guarded(() => put(held, id, toHeld(state, options.parse ?? parsePem)));
    }
    if (held.size > 0) accounts.set(accountId, held);
    else accounts.delete(accountId);
    onChange();
  };

  const forget = (accountId: string) => {
    for (const one of accounts.get(accountId)?.values() ?? []) hosts.remove(one);
    return accounts.delete(accountId);
  };

  return {
    get isAsking() {
      return hosts.size > 0;
    },
    authoritiesOn: (hostname) => hosts.askedOn(hostname).pems,
    onHandshake: (socket, pems) =>
      guarded(() => {
        const { authorities } = hosts.behind(pems);
        const host = namedHostOf(socket) ?? '';
        noteHandshake(socket, {
          certificate: readPeerCertificate(socket, authorities, clock.now()),
          askedSince: () => without(hosts.askedOn(host).authorities, authorities),
        });
      }),
    load: ({ accountId, states }) => {
      const ofCertificates = certificateItems(states);
      guarded(() => {
        const hadSome = forget(accountId);
        if (hadSome || ofCertificates.length > 0) take(accountId, ofCertificates);
      });
    },
    apply: ({ accountId, items }) => {
      const ofCertificates = certificateItems(items);
      if (ofCertificates.length > 0) guarded(() => take(accountId, ofCertificates));
    },
  };
}

interface CertificateItem {
  readonly id: string;
  readonly state: CertificateState | null;
}

function certificateItems(items: readonly FeedItem[]): CertificateItem[] {
  return items.flatMap((item) =>
    item.kind === 'certificate'
      ? [{ id: item.id, state: item.state as unknown as CertificateState | null }]
      : [],
  );
}

/** Fingerprints of those that are not among the others. */
function without(some: readonly Authority[], others: readonly Authority[]): string[] {
  if (some === others) return [];
  const known = new Set(others.map(({ fingerprint }) => fingerprint));
  return some.map(({ fingerprint }) => fingerprint).filter((fingerprint) => !known.has(fingerprint));
}

/** What is held for each host, of whatever account. */
function createHosts() {
  const hosts = new Map<string, { readonly held: Set<Held>; asked: Asked | null }>();
  const shared = createBoundedMap<string, Asked>(MOST_SHARED);
  const byPems = new WeakMap<readonly string[], Asked>();

  const share = (held: ReadonlySet<Held>) => {
    const key = [...new Set([...held].map(({ authority }) => authority.fingerprint))].sort().join(' ');
    const asked = shared.get(key) ?? toAsked(held);
    shared.set(key, asked);
    byPems.set(asked.pems, asked);
    return asked;
  };

  return {
    get size() {
      return hosts.size;
    },
    add: (one: Held) => {
      for (const hostname of one.hostnames) {
        const host = hosts.get(hostname) ?? { held: new Set(), asked: null };
        hosts.set(hostname, host);
        host.held.add(one);
        host.asked = null;
      }
    },
    remove: (one: Held) => {
      for (const hostname of one.hostnames) {
        const host = hosts.get(hostname);
        if (!host?.held.delete(one)) continue;
        host.asked = null;
        if (host.held.size === 0) hosts.delete(hostname);
      }
    },
    askedOn: (hostname: string): Asked => {
      const host = hosts.get(hostname);
      if (!host) return NOBODY;
      host.asked ??= share(host.held);
      return host.asked;
    },
    behind: (pems: readonly string[]): Asked => byPems.get(pems) ?? NOBODY,
  };
}

/** Each authority once, whoever has it. */
function toAsked(held: ReadonlySet<Held>): Asked {
  const each = new Map([...held].map((one) => [one.authority.fingerprint, one]));
  const all = [...each.values()];
  return { authorities: all.map(({ authority }) => authority), pems: all.map(({ pem }) => pem) };
}

function parsePem(pem: string): X509Certificate {
  return new X509Certificate(pem);
}

function toHeld(
  { certificate: pem, hostnames }: CertificateState,
  parse: (pem: string) => X509Certificate,
): Held {
  const certificate = parse(pem);
  const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  return { authority: { certificate, fingerprint }, pem: certificate.toString(), hostnames };
}
