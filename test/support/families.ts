import type { HeaderLine } from './gate-questions.ts';
import { exchange, type RawAnswer, toBytes } from './raw-http.ts';

/** What a proxy is asked for. */
export interface Wanted {
  readonly method?: string;
  readonly scheme?: string;
  readonly host: string;
  readonly uri?: string;
}

/** A question as a proxy of a family puts it on the wire, without what the client sent. */
export interface FamilyQuestion {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly headers: readonly HeaderLine[];
}

export type FamilyName = 'forwarded' | 'nginx' | 'haproxy' | 'envoy';

const PATH = '/portcullis/forward-auth';
/** What proxies call the gate that they ask. */
const GATE = 'portcullis';

/** How each family asks (standards §4.1). */
export const FAMILIES: Readonly<Record<FamilyName, (wanted: Wanted) => FamilyQuestion>> = {
  forwarded: ({ method = 'GET', scheme = 'http', host, uri = '/' }) => ({
    method: 'GET',
    target: PATH,
    host: GATE,
    headers: [
      ['x-forwarded-method', method],
      ['x-forwarded-proto', scheme],
      ['x-forwarded-host', host],
      ['x-forwarded-uri', uri],
    ],
  }),
  nginx: ({ method = 'GET', scheme = 'http', host, uri = '/' }) => ({
    method: 'GET',
    target: `${PATH}/nginx`,
    host: GATE,
    headers: [
      ['x-original-method', method],
      ['x-original-url', `${scheme}://${host}${uri}`],
    ],
  }),
  haproxy: ({ method = 'GET', scheme = 'http', host, uri = '/' }) => ({
    method: 'GET',
    target: `${PATH}/haproxy`,
    host: GATE,
    headers: [
      ['x-portcullis-method', method],
      ['x-portcullis-scheme', scheme],
      ['x-portcullis-host', host],
      ['x-portcullis-target', uri],
    ],
  }),
  envoy: ({ method = 'GET', scheme = 'http', host, uri = '/' }) => ({
    method,
    target: `${PATH}/envoy${uri}`,
    host,
    headers: [['x-forwarded-proto', scheme]],
  }),
};

export const FAMILY_NAMES = Object.keys(FAMILIES) as FamilyName[];

/** Puts the question to the gate at that port, with these headers of the client. */
export function put(
  port: number,
  { method, target, host, headers }: FamilyQuestion,
  client: readonly HeaderLine[] = [],
): Promise<RawAnswer> {
  return exchange(port, toBytes({ method, target, headers: [...headers, ...client] }, host));
}
