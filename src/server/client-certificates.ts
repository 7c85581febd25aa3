import { X509Certificate } from 'node:crypto';
import { type Authority, notePeerCertificate, readPeerCertificate } from '../gate/peer-certificate.ts';
import type { Asking } from '../http/tls-side.ts';
import type { Clock } from '../kernel/clock.ts';
import type { FeedItem } from '../protocol/feed.ts';
import type { CertificateState } from '../protocol/state.ts';

/**
 * Which hosts ask for client certificates, as the feed tells: an account's authorities are asked for on the hosts
 * that it associates with them, and nowhere else. It only makes certificates known: what they are good for is
 * decided at each request, from the gate's memory.
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
}

interface Asked {
  readonly authorities: readonly Authority[];
  /** The same in PEM. */
  readonly pems: readonly string[];
}

export function createClientCertificates(options: ClientCertificatesOptions): ClientCertificates {
  const { clock, onChange, onFault } = options;
  const accounts = new Map<string, Map<string, CertificateState>>();
  const byPems = new WeakMap<readonly string[], Asked>();
  const nobody: readonly string[] = [];
  let hosts = new Map<string, Asked>();

  // Whatever fails here must not keep the feed from being applied.
  const guarded = (work: () => void) => {
    try {
      work();
    } catch (error) {
      onFault(error);
    }
  };

  const rebuild = () => {
    hosts = new Map();
    const states = [...accounts.values()].flatMap((certificates) => [...certificates.values()]);
    for (const [hostname, some] of byHostname(states)) {
      const asked = toAsked(some, onFault);
      if (asked.pems.length > 0) hosts.set(hostname, asked);
      byPems.set(asked.pems, asked);
    }
    onChange();
  };

  const take = (accountId: string, items: readonly FeedItem[]) => {
    const certificates = accounts.get(accountId) ?? new Map<string, CertificateState>();
    accounts.set(accountId, certificates);
    for (const item of items) {
      if (item.kind !== 'certificate') continue;
      if (item.state) certificates.set(item.id, item.state as unknown as CertificateState);
      else certificates.delete(item.id);
    }
  };

  return {
    get isAsking() {
      return hosts.size > 0;
    },
    authoritiesOn: (hostname) => hosts.get(hostname)?.pems ?? nobody,
    onAsked: (socket, pems) =>
      guarded(() => {
        const authorities = byPems.get(pems)?.authorities ?? [];
        notePeerCertificate(socket, readPeerCertificate(socket, authorities, clock.now()));
      }),
    load: ({ accountId, states }) =>
      guarded(() => {
        accounts.delete(accountId);
        take(accountId, states);
        rebuild();
      }),
    apply: ({ accountId, items }) => {
      if (!items.some(({ kind }) => kind === 'certificate')) return;
      guarded(() => {
        take(accountId, items);
        rebuild();
      });
    },
  };
}

function byHostname(states: readonly CertificateState[]): Map<string, CertificateState[]> {
  const found = new Map<string, CertificateState[]>();
  for (const state of states) {
    for (const hostname of state.hostnames) found.set(hostname, [...(found.get(hostname) ?? []), state]);
  }
  return found;
}

/** Each once, whoever has it; one that cannot be read is left out. */
function toAsked(states: readonly CertificateState[], onFault: (error: unknown) => void): Asked {
  const authorities = new Map<string, Authority>();
  for (const { certificate: pem } of states) {
    try {
      const certificate = new X509Certificate(pem);
      const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
      authorities.set(fingerprint, { certificate, fingerprint });
    } catch (error) {
      onFault(error);
    }
  }
  const all = [...authorities.values()];
  return { authorities: all, pems: all.map(({ certificate }) => certificate.toString()) };
}
