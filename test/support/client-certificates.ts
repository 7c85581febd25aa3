import { randomUUID } from 'node:crypto';
import { generate, type SelfsignedOptions } from 'selfsigned';
import type { TestPair } from './certificates.ts';

const DAY = 24 * 60 * 60 * 1000;

/** What is different from what is usual. */
export interface Unusual {
  /** Names of the subject; several, or none, are possible. */
  readonly names?: readonly string[];
  readonly from?: number;
  readonly until?: number;
  readonly extensions?: Exclude<SelfsignedOptions['extensions'], undefined>;
  readonly keyType?: 'rsa' | 'ec';
  readonly keySize?: number;
}

/** An authority; the root of its own chain unless another one stands above it. */
export async function createAuthority(unusual: Unusual = {}, above?: TestPair): Promise<TestPair> {
  const extensions: Unusual['extensions'] = [
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
  ];
  return await make({ names: [`Authority ${randomUUID()}`], extensions, ...unusual }, above);
}

/** A client certificate of this authority. */
export async function createClient(issuer: TestPair, unusual: Unusual = {}): Promise<TestPair> {
  const extensions: Unusual['extensions'] = [
    { name: 'basicConstraints', cA: false },
    { name: 'extKeyUsage', clientAuth: true },
  ];
  return await make({ names: ['client'], extensions, ...unusual }, issuer);
}

/** The same with what the client sends above it. */
export function withChain({ cert, key }: TestPair, ...above: readonly TestPair[]): TestPair {
  return { cert: [cert, ...above.map((one) => one.cert)].join(''), key };
}

async function make(unusual: Unusual, above?: TestPair): Promise<TestPair> {
  const { names = [], from = Date.now() - DAY, until = Date.now() + DAY, keySize, extensions } = unusual;
  const options: SelfsignedOptions = {
    keyType: unusual.keyType ?? 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(from),
    notAfterDate: new Date(until),
  };
  if (extensions) options.extensions = extensions;
  if (keySize !== undefined) options.keySize = keySize;
  if (above) options.ca = above;
  const subject = names.map((value) => ({ name: 'commonName', value }));
  const made = await generate(subject, options);
  return { cert: toLines(made.cert), key: toLines(made.private) };
}

function toLines(pem: string): string {
  return `${pem.replaceAll('\r', '').trimEnd()}\n`;
}
