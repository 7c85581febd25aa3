import fc from 'fast-check';
import { FACTS, IDENTITIES, type Line, OTHER_FACTS, PATHS } from './attack-corpus.ts';

/** Whose credential goes along: of two people one each, of both together, of nobody, or what only looks like one. */
export type Holder = 'ana' | 'ben' | 'both' | 'nobody' | 'garbage';

/** One request of a sweep, the same for every proxy. */
export interface HostileRequest {
  readonly method: string;
  /** `{host}` stands for the host of the proxy, here and in header values. */
  readonly target: string;
  readonly lines: readonly Line[];
  readonly body: string;
  readonly holder: Holder;
}

/** So many requests, the same for the same seed. */
export function hostileRequests(count: number, seed: number): HostileRequest[] {
  return fc.sample(request, { numRuns: count, seed });
}

/** Whether there is nothing odd about it: then it must be served. */
export function isPlain({ method, target, lines, body }: HostileRequest): boolean {
  return method === 'GET' && /^(?:\/[a-z]+)+$/.test(target) && lines.length === 0 && body === '';
}

/** The bytes of it; `mark` tells it apart from all others. */
export function toBytes(
  { method, target, lines, body }: HostileRequest,
  { host, cookie, mark }: { host: string; cookie: string | null; mark: number },
): Buffer {
  const sent: Line[] = [['host', host], [MARK, String(mark)], ...lines];
  if (cookie !== null) sent.push(['cookie', cookie]);
  const head = sent.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const text = `${method} ${target} HTTP/1.1\r\n${head}\r\n${body}`;
  return Buffer.from(text.replaceAll('{host}', host), 'latin1');
}

export const MARK = 'x-sweep';

const PIECES = [
  ...[
    '/',
    '/',
    '//',
    '/.',
    '/..',
    '/../',
    '/./',
    '.',
    '..',
    '...',
    '/admin',
    '/admin',
    'admin',
    '/Admin',
    '/adminx',
  ],
  ...[
    '/public',
    '/x',
    'x',
    'y/',
    '~',
    ':',
    '@',
    '*',
    '+',
    ',',
    '=',
    '&',
    '!',
    '$',
    "'",
    '(',
    '|',
    '^',
    '[',
    '{',
    '"',
  ],
  ...[
    '%2e',
    '%2E',
    '%2e%2e',
    '.%2e',
    '%2f',
    '%2F',
    '%5c',
    '%5C',
    '%00',
    '%09',
    '%0a',
    '%0d%0a',
    '%20',
    '%23',
    '%25',
  ],
  ...[
    '%252e',
    '%252f',
    '%25%32%65',
    '%61',
    '%41',
    '%6D',
    '%7e',
    '%3b',
    '%3f',
    '%c0%ae',
    '%c0%af',
    '%ef%bc%8f',
    '%ff',
  ],
  ...[
    '%',
    '%2',
    '%zz',
    '%u002e',
    '\\',
    '..\\',
    '\\..',
    ';',
    ';x=1',
    '..;',
    '#',
    '#/admin',
    '?',
    '?/admin',
    '?x=../',
  ],
  ...['\0', '\x01', '\t', '\x0b', '\x7f', '\x85', '\xa0', '\xc0\xae', '\xe9', '\xff'],
  ...[
    '/cdn-cgi/access/',
    '/cdn-cgi/access/get-identity',
    '/cdn-cgi/access/authorized?code=x',
    '/portcullis/forward-auth',
  ],
  ...['/nginx', '/haproxy', '/envoy', '/client/v4', '/healthz', '/stream'],
];
const STARTS = [
  ...[
    'http://{host}',
    'http://forged.localhost',
    'https://{host}',
    'HTTP://{host}',
    'http:',
    '//{host}',
    '{host}',
    '',
    '*',
  ],
  ...['http://forged@{host}', 'http://{host}\\', 'http://{host}?', 'http://{host}#', 'ws://{host}'],
];
const METHODS = [
  'HEAD',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'PROPFIND',
  'TRACE',
  'get',
  'GeT',
  'FOO',
];
const NAMES = [
  ...[...IDENTITIES, ...FACTS, ...OTHER_FACTS].map(([name]) => name),
  ...[
    'host',
    'cookie',
    'cookie2',
    'authorization',
    'cf-access-token',
    'portcullis-device-proof',
    'x-portcullis-forward-auth-secret',
    'via',
  ],
  ...[
    'range',
    'if-none-match',
    'te',
    'trailer',
    'keep-alive',
    'proxy-connection',
    'proxy-authorization',
    'expect',
  ],
  ...[
    'accept',
    'accept-encoding',
    'origin',
    'referer',
    'sec-fetch-site',
    'sec-fetch-mode',
    'x-requested-with',
    'upgrade',
  ],
];
const VALUES = [
  ...[
    '',
    '/',
    '/admin',
    '/public',
    'forged',
    'GET',
    'OPTIONS',
    'http',
    'https',
    '{host}',
    'forged.localhost',
    '192.0.2.1',
  ],
  ...[
    'http://{host}/',
    'ana@example.com',
    'ben@example.com',
    'text/html',
    'navigate',
    'text/event-stream',
    'bytes=0-1',
  ],
  ...[
    'CF_Authorization=forged',
    'CF_Authorization=',
    'a=b; c',
    '{"cf-access-client-id":"a"}',
    'Bearer forged',
    '\xff\xfe',
  ],
  ...['trailers', 'close', 'same-origin', 'x'.repeat(3000), 'a\tb', '"', '%0d%0ax: y', '100-continue'],
];
const CONNECTIONS = [
  ...[
    'close',
    'keep-alive',
    'cookie',
    'host',
    'cf-access-jwt-assertion',
    'x-forwarded-uri, x-forwarded-host',
  ],
  ...[
    'x-original-url, x-original-method',
    'x-portcullis-target',
    'cf-access-authenticated-user-email, close',
  ],
];

const path = fc
  .array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 6 })
  .map((pieces) => pieces.join(''));
const plain = fc
  .array(fc.constantFrom('/admin', '/public', '/reports', '/x'), { minLength: 1, maxLength: 3 })
  .map((pieces) => pieces.join(''));
const target = fc.oneof(
  { weight: 4, arbitrary: plain },
  { weight: 8, arbitrary: path.map((text) => `/${text}`) },
  { weight: 2, arbitrary: fc.constantFrom(...PATHS) },
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom(...STARTS), path).map((parts) => parts.join('')) },
);

/** A name with some of its hyphens and letters in another form. */
const name = fc
  .tuple(fc.constantFrom(...NAMES), fc.nat(), fc.constantFrom('-', '-', '-', '_', '.'))
  .map(([text, bits, separator]) =>
    text
      .replaceAll('-', separator)
      .replace(/[a-z]/g, (letter, at) => ((bits >> (at % 20)) & 1 ? letter.toUpperCase() : letter)),
  );
const line: fc.Arbitrary<Line> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(name, fc.constantFrom(...VALUES)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('connection'), fc.constantFrom(...CONNECTIONS)) },
);

/** A body is always whole, so that no server has to wait for the rest of one. */
const framed: fc.Arbitrary<{ lines: readonly Line[]; body: string }> = fc.oneof(
  { weight: 14, arbitrary: fc.constant({ lines: [], body: '' }) },
  { weight: 1, arbitrary: fc.constant({ lines: [['content-length', '0'] as const], body: '' }) },
  { weight: 2, arbitrary: fc.constant({ lines: [['content-length', '5'] as const], body: 'hello' }) },
  {
    weight: 2,
    arbitrary: fc.constant({
      lines: [['transfer-encoding', 'chunked'] as const],
      body: '5\r\nhello\r\n0\r\n\r\n',
    }),
  },
);

const request: fc.Arbitrary<HostileRequest> = fc
  .record({
    method: fc.oneof(
      { weight: 5, arbitrary: fc.constant('GET') },
      { weight: 2, arbitrary: fc.constantFrom(...METHODS) },
    ),
    target,
    lines: fc.oneof(
      { weight: 1, arbitrary: fc.constant([]) },
      { weight: 2, arbitrary: fc.array(line, { maxLength: 5 }) },
    ),
    framed,
    holder: fc.constantFrom<Holder>('ana', 'ana', 'ana', 'ben', 'ben', 'both', 'nobody', 'garbage'),
  })
  .map(({ lines, framed, ...rest }) => ({ ...rest, lines: [...lines, ...framed.lines], body: framed.body }));
