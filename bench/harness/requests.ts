export type HeaderLine = readonly [name: string, value: string];

/** A request as it is put on the wire, without a body unless one is given; the connection is kept. */
export function toRequest({
  method = 'GET',
  target,
  headers,
  body = '',
}: {
  method?: string;
  target: string;
  headers: readonly HeaderLine[];
  body?: string;
}): string {
  const length: HeaderLine[] = body === '' ? [] : [['content-length', String(Buffer.byteLength(body))]];
  const lines = [...headers, ...length].map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

/** What a browser sends with every request, beside its cookies. */
export const BROWSER: readonly HeaderLine[] = [
  ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'],
  ['accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'],
  ['accept-language', 'en-US,en;q=0.5'],
  ['accept-encoding', 'gzip, deflate, br, zstd'],
  ['referer', 'http://app.localhost/projects'],
  ['sec-fetch-dest', 'document'],
  ['sec-fetch-mode', 'navigate'],
  ['sec-fetch-site', 'same-origin'],
  ['priority', 'u=0, i'],
];
