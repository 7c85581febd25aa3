import type { Foreground } from './foreground.ts';

/** Where everything is that the configuration of a proxy names. Hosts are without port, upstreams with one. */
export interface ProxyPlaces {
  /** For files of its own, so that it touches nobody else's. */
  readonly folder: string;
  /** Where it listens on loopback, for both hosts. */
  readonly port: number;
  readonly team: string;
  readonly application: string;
  /** `127.0.0.1:3000`. */
  readonly applicationUpstream: string;
  readonly gateUpstream: string;
}

/** A real proxy of another project, run with the configuration that docs/ publishes. */
export interface ProxyProgram {
  readonly name: string;
  /** Why it cannot run here, or false. */
  isMissing(): string | false;
  /** Returns when it serves. */
  start(places: ProxyPlaces): Promise<Foreground>;
}
