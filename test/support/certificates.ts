import { randomUUID } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { generate, type SelfsignedOptions } from 'selfsigned';

/** A certificate for the hosts of tests, and its key; both PEM. */
export interface TestPair {
  readonly cert: string;
  readonly key: string;
}

const DAY = 24 * 60 * 60 * 1000;

/** One that vouches for itself, for loopback and every name below localhost that the tests use. */
export async function createPair({
  from = Date.now() - DAY,
  until = Date.now() + DAY,
  ...options
}: SelfsignedOptions & { from?: number; until?: number } = {}): Promise<TestPair> {
  const names = ['localhost', '*.localhost', 'team.localhost', 'app.localhost', 'wiki.localhost'];
  // Names of their own: authorities are looked up by them.
  const made = await generate([{ name: 'commonName', value: `Test ${randomUUID()}` }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(from),
    notAfterDate: new Date(until),
    extensions: [
      { name: 'basicConstraints', cA: true },
      {
        name: 'subjectAltName',
        altNames: [...names.map((value) => ({ type: 2, value }) as const), { type: 7, ip: '127.0.0.1' }],
      },
    ],
    ...options,
  });
  return { cert: toLines(made.cert), key: toLines(made.private) };
}

/** Of several in one file each begins on a line of its own. */
function toLines(pem: string): string {
  return `${pem.replaceAll('\r', '').trimEnd()}\n`;
}

/** From now on every client of this process that names no authorities of its own trusts them. */
export function trust(...pairs: readonly TestPair[]): void {
  setDefaultCACertificates([...getCACertificates('default'), ...pairs.map(({ cert }) => cert)]);
}

/** A folder with `tls.crt` and `tls.key`, and the flags that name them. */
export interface PairFolder extends AsyncDisposable {
  readonly folder: string;
  readonly cert: string;
  readonly key: string;
  readonly flags: readonly string[];
  /** Replaces both by renaming, as certificate clients do. */
  put(pair: TestPair): Promise<void>;
}

export async function createPairFolder(pair: TestPair): Promise<PairFolder> {
  const folder = await mkdtemp(path.join(tmpdir(), 'portcullis-tls-'));
  const [cert, key] = [path.join(folder, 'tls.crt'), path.join(folder, 'tls.key')];
  const put = async (next: TestPair) => {
    for (const [file, text] of [[cert, next.cert] as const, [key, next.key] as const]) {
      await writeFile(`${file}.new`, text, { mode: 0o600 });
      await rename(`${file}.new`, file);
    }
  };
  await put(pair);
  return {
    folder,
    cert,
    key,
    flags: [`--tls-cert=${cert}`, `--tls-key=${key}`],
    put,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}
