import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { Config, Listen } from '../config.ts';
import { createUpstreams, type Upstreams } from '../gate/upstream.ts';
import { type Address, contains, formatAddress, parseAddress, parseCidr } from '../kernel/address.ts';
import { StartError } from './start-error.ts';

/** The ways to the applications: with the operator's authorities, and never back to this server itself. */
export function openUpstreams(
  config: Pick<Config, 'upstreamCaFile' | 'listen' | 'metricsListen'>,
): Upstreams {
  const listeners = [config.listen, ...(config.metricsListen ? [config.metricsListen] : [])];
  return createUpstreams({
    authorities: config.upstreamCaFile === null ? null : readAuthorities(config.upstreamCaFile),
    isOwn: (address, port) =>
      listeners.some((listener) => listener.port === port && listensAt(listener, address)),
  });
}

/** Checked whole at the start, so that no upstream fails later for what the operator can mend now. */
function readAuthorities(file: string): string {
  try {
    const text = readFileSync(file, 'utf8');
    const certificates = text.match(CERTIFICATE) ?? [];
    if (certificates.length === 0) throw new Error('there is no certificate in it');
    for (const certificate of certificates) new X509Certificate(certificate);
    return text;
  } catch (error) {
    throw new StartError(`--upstream-ca-file ${file}: ${(error as Error).message}`, { cause: error });
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const LOOPBACK = [parseCidr('127.0.0.0/8'), parseCidr('::1/128')].filter((block) => block !== null);

function listensAt({ host }: Listen, address: Address): boolean {
  const own = parseAddress(host);
  const text = formatAddress(address);
  if (own === null) return contains(LOOPBACK, address);
  if (formatAddress(own) !== '0.0.0.0' && formatAddress(own) !== '::') return formatAddress(own) === text;
  const here = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return contains(LOOPBACK, address) || here.some((one) => one.address === text);
}
