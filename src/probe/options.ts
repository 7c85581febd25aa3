import type { RemovalKind } from './run.ts';

export interface Listen {
  readonly host: string;
  readonly port: number;
}

/** Everything the probe is told from outside, checked. Times in milliseconds. */
export interface ProbeOptions {
  /** Of the API, such as `http://127.0.0.1:8787/client/v4`. */
  readonly baseUrl: URL;
  readonly token: string;
  /** null: the only one that the token sees. */
  readonly account: string | null;
  /** Of the application; null: `probe.` and the first zone of the account. */
  readonly host: string | null;
  /** Origins; the first one hands the session over. */
  readonly gates: readonly URL[];
  /** PEM; null: the authorities of the system. */
  readonly ca: string | null;
  readonly providerListen: Listen;
  readonly providerUrl: string;
  readonly upstreamListen: Listen;
  readonly upstreamUrl: string;
  readonly removal: RemovalKind;
  /** null: once. */
  readonly every: number | null;
  /** null: nowhere. */
  readonly metricsListen: Listen | null;
  readonly timeout: number;
  readonly watch: number;
}
