import type { Logger } from 'pino';
import type { TlsSide } from '../http/tls-side.ts';
import type { Clock } from '../kernel/clock.ts';
import type { KeyPairFiles } from '../setting-values.ts';
import type { ServedPair } from './key-pair.ts';
import { followKeyPair, type KeyPairFollower } from './key-pair-follower.ts';
import { certificateExpiry, type DecisionMetrics } from './metrics.ts';

export interface ServedCertificateOptions {
  readonly files: KeyPairFiles;
  readonly keyPair: ServedPair;
  readonly tls: TlsSide;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: DecisionMetrics;
}

/** Serves each new certificate as it comes, and tells in the metrics how long it lasts. */
export function followCertificate(options: ServedCertificateOptions): KeyPairFollower {
  const { files, keyPair, tls, clock, logger, metrics } = options;
  const expiry = certificateExpiry(metrics);
  const show = ({ notAfter }: ServedPair) => expiry.set(Math.floor(notAfter / 1000));
  show(keyPair);
  const use = (pair: ServedPair) => {
    tls.usePair(pair);
    show(pair);
  };
  return followKeyPair(keyPair, { files, clock, logger, use });
}
