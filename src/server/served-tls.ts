import type { Logger } from 'pino';
import type { GateState } from '../gate/state.ts';
import { createTlsSide, type TlsSide } from '../http/tls-side.ts';
import type { Clock } from '../kernel/clock.ts';
import type { FeedItem } from '../protocol/feed.ts';
import { createClientCertificates } from './client-certificates.ts';
import type { ServedPair } from './key-pair.ts';

/** Whoever wants to hear what the feed says, and no more of it than this. */
export interface FeedListener {
  load(snapshot: { readonly accountId: string; readonly states: readonly FeedItem[] }): void;
  apply(batch: { readonly accountId: string; readonly items: readonly FeedItem[] }): void;
}

type Memory = Pick<GateState, 'load' | 'apply'>;

/** The TLS that a process serves with, and what the feed has to tell it: which hosts ask for client certificates. */
export interface ServedTls {
  /** null without a certificate of the server's own: then there is no TLS. */
  readonly side: TlsSide | null;
  readonly clients: FeedListener;
}

export function openTls(options: { keyPair: ServedPair | null; clock: Clock; logger: Logger }): ServedTls {
  const { keyPair, clock, logger } = options;
  if (!keyPair) return { side: null, clients: { load: () => {}, apply: () => {} } };
  const clients = createClientCertificates({
    clock,
    onChange: () => side.refresh(),
    onFault: (error) => logger.error({ err: error }, 'client certificates cannot be asked for'),
  });
  const side = createTlsSide(keyPair, clients);
  return { side, clients };
}

/** The memory of a gate, with `clients` hearing of all that it takes, in the same turn and after it. */
export function alsoTelling(state: Memory, clients: FeedListener): Memory {
  return {
    load: (snapshot) => {
      state.load(snapshot);
      clients.load(snapshot);
    },
    apply: (batch) => {
      state.apply(batch);
      clients.apply(batch);
    },
  };
}
