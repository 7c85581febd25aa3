import { networkInterfaces } from 'node:os';
import { createUpstreams, type Upstreams } from '../gate/upstream.ts';
import { type Address, contains, formatAddress, parseAddress, parseCidr } from '../kernel/address.ts';
import type { Listen } from '../setting-values.ts';
import { readAuthorities } from './authorities.ts';

/** What the ways to the applications are told from outside. */
export interface UpstreamConfig {
  readonly upstreamCaFile: string | null;
  readonly listen: Listen;
  readonly metricsListen: Listen | null;
}

/** The ways to the applications: with the operator's authorities, and never back to this server itself. */
export function openUpstreams(config: UpstreamConfig): Upstreams {
  const listeners = [config.listen, ...(config.metricsListen ? [config.metricsListen] : [])];
  return createUpstreams({
    authorities:
      config.upstreamCaFile === null ? null : readAuthorities('--upstream-ca-file', config.upstreamCaFile),
    isOwn: (address, port) =>
      listeners.some((listener) => listener.port === port && listensAt(listener, address)),
  });
}

const LOOPBACK = [parseCidr('127.0.0.0/8'), parseCidr('::1/128')].filter((block) => block !== null);

function listensAt({ host }: Listen, address: Address): boolean {
  const own = parseAddress(host);
  const text = formatAddress(address);
  if (own === null) return contains(LOOPBACK, address);
  if (formatAddress(own) !== '0.0.0.0' && formatAddress(own) !== '::') return formatAddress(own) === text;
  const here = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return contains(LOOPBACK, address) || here.some((one) => one.address === text);
}
