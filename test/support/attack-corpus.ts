/*
 * What clients send to be taken for somebody else, or to ask for something else than it seems. One corpus for every
 * proxy.
 */

export type Line = readonly [name: string, value: string];

/** What a client might say of itself, in the spellings that some application takes for the real header. */
export const IDENTITIES: readonly Line[] = [
  ['cf-access-authenticated-user-email', 'forged@example.com'],
  ['cf-access-jwt-assertion', 'forged'],
  ['Cf-Access-Jwt-Assertion', ''],
  ['CF_ACCESS_JWT_ASSERTION', 'forged'],
  ['Cf_Access_Authenticated_User_Email', 'forged'],
  ['CF_ACCESS-Authenticated_User_Email', 'forged'],
  ['cf-access_jwt_assertion', 'forged'],
  ['cf.access.jwt.assertion', 'forged'],
  ['cf.access-authenticated-user-email', 'forged'],
  ['cf-access-client-id', 'forged'],
  ['cf_access_client_secret', 'forged'],
  ['cf-access-groups', 'forged'],
  ['cf-authorization', 'forged'],
  ['cf_authorization', 'forged'],
];

/** What would have the gate or the application believe in another request than the one that came. */
export const FACTS: readonly Line[] = [
  'x-forwarded-uri',
  'x-forwarded-prefix',
  'x-forwarded-path',
  'x-original-url',
  'x-original-uri',
  'x-rewrite-url',
  'x-portcullis-target',
  'x_forwarded_uri',
  'x.forwarded.uri',
  'x_original_url',
  'x-portcullis_target',
].map((name) => [name, '/forged'] as const);

export const OTHER_FACTS: readonly Line[] = [
  ['x-forwarded-host', 'forged.localhost'],
  ['x-forwarded-proto', 'https'],
  ['x-forwarded-method', 'OPTIONS'],
  ['x-forwarded-for', '192.0.2.1'],
  ['x-forwarded-server', 'forged'],
  ['x-forwarded-port', '443'],
  ['x-forwarded-scheme', 'https'],
  ['x-original-method', 'OPTIONS'],
  ['x-original-host', 'forged.localhost'],
  ['x-portcullis-method', 'OPTIONS'],
  ['x-portcullis-host', 'forged.localhost'],
  ['x-portcullis-scheme', 'https'],
  ['x-real-ip', '192.0.2.1'],
  ['forwarded', 'for=192.0.2.1;host=forged.localhost;proto=https'],
  ['x-http-method-override', 'OPTIONS'],
  ['x-method-override', 'GET'],
  ['user-agent', 'kube-probe/1.30'],
];

/** Ways to write /admin, or to look as if one wrote something else. Ana may not go there. */
export const PATHS: readonly string[] = [
  ...['/admin', '/admin/', '/admin?x', '/admin#x', '/admin/../admin', '/x/../admin', '/./admin', '/.//admin'],
  ...[
    '//admin',
    '///admin',
    '/x//../admin',
    '//admin//',
    '/admin/.',
    '/admin/..',
    '/admin/./x',
    '/x/..//admin',
  ],
  ...['/%61dmin', '/ad%6Din', '/%2561dmin', '/%41dmin', '/%2fadmin', '/x%2f..%2fadmin', '/x/..%2fadmin'],
  ...[
    '/%2e/admin',
    '/x/%2e%2e/admin',
    '/x/.%2e/admin',
    '/x/%2E./admin',
    '/x/%252e%252e/admin',
    '/%2e%2e/admin',
  ],
  ...['/admin;', '/admin;x=1', '/;/admin', '/x;/../admin', '/x/..;/admin', '/admin%3b', '/admin%3bx/../'],
  ...['/\\admin', '/x\\..\\admin', '/x/..\\admin', '\\admin', '/%5cadmin', '/x/..%5cadmin', '/\\/admin'],
  ...['/admin\0', '/admin%00', '/\0/admin', '/x%00/../admin', '/admin%0a', '/admin%0d%0aX:1', '/adm\tin'],
  ...[
    '/admin%20',
    '/admin x',
    '/admin\x7f',
    '/\x01admin',
    '/admin\xa0',
    '/\xc0\xae\xc0\xae/admin',
    '/%c0%ae%c0%ae/admin',
  ],
  ...[
    '/%ef%bc%8fadmin',
    '/admin%e2%80%8b',
    '/%u0061dmin',
    '/%admin',
    '/%',
    '/%2',
    '/admin%',
    '/x/%zz/../../admin',
  ],
  ...[
    '/?/../admin',
    '/x?/../../admin',
    '/%3f/../admin',
    '/x%3f/../../admin',
    '/x#/../admin',
    '/%23/../admin',
  ],
  ...[
    '/x/../../admin',
    '/../admin',
    '/../../admin',
    '/x/y/../../admin',
    '/admin/../x/../admin',
    '/.admin/../admin',
  ],
  ...['/cdn-cgi/access/../../admin', '/cdn-cgi/access/%2e%2e/%2e%2e/admin', '/cdn-cgi/access//../../admin'],
  ...['/cdn-cgi/access/..;/..;/admin', '/cdn-cgi/access\\..\\..\\admin', '/CDN-CGI/access/../../admin'],
];

/** The same, in the forms that only a proxy should be sent (RFC 9112 §3.2). */
export const formsOf = (host: string): readonly string[] => [
  `http://${host}/admin`,
  `http://${host}/x/../admin`,
  `http://${host}//admin`,
  `https://${host}/admin`,
  `HTTP://${host.toUpperCase()}/admin`,
  `http://forged@${host}/admin`,
  'http://forged.localhost/admin',
  `http://forged.localhost/../../${host}/admin`,
  'http:///admin',
  'http:/admin',
  `//${host}/admin`,
  `${host}/admin`,
  `${host}`,
  'admin',
  '*',
  '?/admin',
  '#/admin',
  '../admin',
  'file:///admin',
  'javascript:/admin',
];

/** Requests of which two servers could read two, the second of them hidden; only the first has a credential. */
export function smuggling({ host, token }: { host: string; token: string }): [name: string, text: string][] {
  const hidden = `GET /hidden HTTP/1.1\r\nhost: ${host}\r\ncf-access-authenticated-user-email: forged\r\n\r\n`;
  const chunked = `0\r\n\r\n${hidden}`;
  const size = hidden.length;
  const head = (lines: string) =>
    `POST /outer HTTP/1.1\r\nhost: ${host}\r\ncookie: CF_Authorization=${token}\r\n${lines}\r\n\r\n`;
  const framings: [string, string, string][] = [
    ['CL.TE', `content-length: ${chunked.length}\r\ntransfer-encoding: chunked`, chunked],
    [
      'TE.CL',
      `transfer-encoding: chunked\r\ncontent-length: 4`,
      `${size.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
    ],
    ['two lengths', `content-length: 0\r\ncontent-length: ${size}`, hidden],
    ['two lengths, the other way', `content-length: ${size}\r\ncontent-length: 0`, hidden],
    ['a list of lengths', `content-length: 0, ${size}`, hidden],
    ['a signed length', `content-length: +${size}`, hidden],
    ['a negative length', 'content-length: -1', hidden],
    ['a hexadecimal length', `content-length: 0x${size.toString(16)}`, hidden],
    ['a length with a space', `content-length: 0 ${size}`, hidden],
    ['a length after a space', `content-length : ${size}\r\ncontent-length: 0`, hidden],
    ['an enormous length', 'content-length: 99999999999999999999', hidden],
    ['identity', `transfer-encoding: identity\r\ncontent-length: 0`, hidden],
    ['chunked twice', `transfer-encoding: chunked\r\ntransfer-encoding: chunked`, chunked],
    ['chunked and identity', `transfer-encoding: chunked, identity`, chunked],
    ['xchunked', `transfer-encoding: xchunked\r\ncontent-length: ${chunked.length}`, chunked],
    ['chunked after a tab', `transfer-encoding:\tchunked\r\ncontent-length: ${chunked.length}`, chunked],
    ['chunked after VT', `transfer-encoding: \x0bchunked\r\ncontent-length: ${chunked.length}`, chunked],
    [
      'chunked with a space in the name',
      `transfer-encoding : chunked\r\ncontent-length: ${chunked.length}`,
      chunked,
    ],
    [
      'chunked with an underscore',
      `transfer_encoding: chunked\r\ncontent-length: ${chunked.length}`,
      chunked,
    ],
    [
      'chunked on a folded line',
      `x: y\r\n transfer-encoding: chunked\r\ncontent-length: ${chunked.length}`,
      chunked,
    ],
    [
      'chunked in a folded value',
      `transfer-encoding:\r\n chunked\r\ncontent-length: ${chunked.length}`,
      chunked,
    ],
    [
      'chunked behind a bare CR',
      `x: y\rtransfer-encoding: chunked\r\ncontent-length: ${chunked.length}`,
      chunked,
    ],
    [
      'chunked behind a bare LF',
      `x: y\ntransfer-encoding: chunked\r\ncontent-length: ${chunked.length}`,
      chunked,
    ],
    [
      'chunked behind NUL',
      `x: y\0\r\ntransfer-encoding: chunked\r\ncontent-length: ${chunked.length}`,
      chunked,
    ],
    ['a chunk size that overflows', 'transfer-encoding: chunked', `10000000000000000\r\n${hidden}`],
    ['a chunk size with a sign', 'transfer-encoding: chunked', `-1\r\n${hidden}`],
    ['a chunk size of 0x', 'transfer-encoding: chunked', `0x${size.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`],
    ['a chunk that ends in LF', 'transfer-encoding: chunked', `1\nZ\n0\n\n${hidden}`],
    ['a chunk extension with LF', 'transfer-encoding: chunked', `0;x\n\r\n\r\n${hidden}`],
    ['an upgrade that is none', `connection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: AAAA`, hidden],
    ['an expectation', `expect: 100-continue\r\ncontent-length: 0`, ''],
    [
      'a trailer with an identity',
      'transfer-encoding: chunked\r\ntrailer: cf-access-jwt-assertion',
      '0\r\ncf-access-jwt-assertion: forged\r\n\r\n',
    ],
  ];
  return framings.flatMap(([name, lines, body]): [string, string][] => {
    const text = `${head(lines)}${body}`;
    return [
      [name, text],
      [`${name}, of a GET`, text.replace('POST', 'GET')],
    ];
  });
}
