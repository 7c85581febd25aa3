import { newTag } from '../../src/kernel/ids.ts';
import { seed } from '../support/authority-rows.ts';
import type { RawRequest } from '../support/raw-http.ts';
import { type Refusal, refuses, type Scenario } from '../support/refusals.ts';
import type { Stage } from '../support/stage.ts';

/*
 * Hostile and mistaken input, with good credentials: each a clear refusal, never a 5xx, and nothing changed
 * (reference §6; decisions, Bodies).
 */

interface World {
  readonly token: string;
  readonly account: string;
  readonly zone: string;
  readonly otherAccount: string;
  readonly otherZone: string;
  /** The path of the users of the account, and of one of them. */
  readonly users: string;
  readonly user: string;
}

async function prepare({ app }: Stage): Promise<World> {
  const { account_id: account, zone_id: zone, api_token: token } = app.credentials;
  const other = await seed(app).account('other');
  const users = `/client/v4/accounts/${account}/access/users`;
  const made = await app.sdk().zeroTrust.access.users.create({ account_id: account, email: 'a@example.com' });
  const user = `${users}/${made?.id}`;
  return { token, account, zone, otherAccount: other.id, otherZone: other.zoneId, users, user };
}

type Sends = (world: World) => RawRequest;
type Row = readonly [name: string, sends: Sends, refusal: Refusal];

/** A scenario of a request with good credentials. */
function scenario([name, sends, refusal]: Row): Scenario<World> {
  return {
    name,
    refusal,
    sends: (world) => {
      const { headers = [], ...request } = sends(world);
      return { ...request, headers: [['authorization', `Bearer ${world.token}`], ...headers] };
    },
  };
}

const get =
  (target: (world: World) => string): Sends =>
  (world) => ({ target: target(world) });

const withBody =
  (body: RawRequest['body'], type: string | null = 'application/json'): Sends =>
  ({ users }) => ({
    method: 'POST',
    target: users,
    headers: type === null ? [] : [['content-type', type]],
    ...(body === undefined ? {} : { body }),
  });

const forbidden: Refusal = { status: 403, code: 10000, says: /^Forbidden$/ };
const invalidId = (pointer: string): Refusal => ({ status: 400, code: 1001, pointer });
const invalid = (pointer: string): Refusal => ({ status: 400, code: 12130, pointer });
const unknown: Refusal = { status: 404, code: 7003 };
const notJson: Refusal = { status: 400, code: 1009 };
const malformed: Refusal = { status: 400, code: 1010 };
const notOurType: Refusal = { status: 415, code: 1008 };
const notAllowed = (allow: string): Refusal => ({ status: 405, code: 10405, headers: { allow } });

const paths: readonly Row[] = [
  [
    'an account that exists but is another’s',
    get(({ otherAccount }) => `/client/v4/accounts/${otherAccount}/access/users`),
    forbidden,
  ],
  ['an account that does not exist', get(() => `/client/v4/accounts/${newTag()}/access/users`), forbidden],
  [
    'an account id that is not hex',
    get(() => `/client/v4/accounts/${'z'.repeat(32)}/access/users`),
    forbidden,
  ],
  ['another’s zone', get(({ otherZone }) => `/client/v4/zones/${otherZone}`), forbidden],
  ['a zone that does not exist', get(() => `/client/v4/zones/${newTag()}`), forbidden],
  [
    'an account id that is too short',
    get(() => '/client/v4/accounts/0123/access/users'),
    invalidId('/path/account_id'),
  ],
  [
    'an account id that is too long',
    get(() => `/client/v4/accounts/${newTag()}0/access/users`),
    invalidId('/path/account_id'),
  ],
  ['a zone id that is too short', get(() => '/client/v4/zones/0123'), invalidId('/path/zone_id')],
  [
    'a user id that is longer than a UUID',
    get(({ users }) => `${users}/${'0'.repeat(37)}`),
    invalid('/path/user_id'),
  ],
  [
    'a user id that is no UUID',
    get(({ users }) => `${users}/nobody`),
    { status: 404, code: 12135, says: /user not found/ },
  ],
  ['a path that leads nowhere', get(() => '/client/v4/nowhere'), unknown],
  ['the root of the API', get(() => '/client/v4'), unknown],
  ['no user id at all', get(({ users }) => `${users}/`), invalid('/path/user_id')],
  ['a path below a user that leads nowhere', get(({ user }) => `${user}/nothing`), unknown],
  ['a path outside of the API', get(() => '/client/v3/accounts'), unknown],
  ['two slashes', get(({ users }) => users.replace('/access', '//access')), unknown],
  ['a walk up and down again', get(({ users }) => `${users}/../users`), unknown],
  [
    'a method that a path does not have',
    ({ users }) => ({ method: 'DELETE', target: users }),
    notAllowed('GET, POST'),
  ],
  [
    'a method that a path does not have, with a query',
    ({ user }) => ({ method: 'POST', target: `${user}?a=b` }),
    notAllowed('DELETE, GET, PUT'),
  ],
  [
    'PATCH on a user, who is changed by PUT',
    ({ user }) => ({ method: 'PATCH', target: user }),
    notAllowed('DELETE, GET, PUT'),
  ],
  [
    'OPTIONS, as a browser of another origin asks',
    ({ users }) => ({ method: 'OPTIONS', target: users }),
    notAllowed('GET, POST'),
  ],
  [
    'a method that hardly anybody knows',
    ({ users }) => ({ method: 'PROPFIND', target: users }),
    notAllowed('GET, POST'),
  ],
  ['TRACE', ({ users }) => ({ method: 'TRACE', target: users }), notAllowed('GET, POST')],
  [
    'a method that the description of the API does not have',
    () => ({ method: 'POST', target: '/client/v4/openapi.json' }),
    notAllowed('GET'),
  ],
  ['NUL in an account id', get(() => `/client/v4/accounts/${'0'.repeat(31)}%00/access/users`), malformed],
  ['NUL in a zone id', get(() => `/client/v4/zones/${'0'.repeat(31)}%00`), malformed],
  ['NUL in a user id', get(({ users }) => `${users}/a%00b`), malformed],
  ['an escape that is cut off', get(({ users }) => `${users}/%`), malformed],
  ['an escape that is not hex', get(({ users }) => `${users}/%zz`), malformed],
  ['an escape that is not UTF-8', get(({ users }) => `${users}/%ff%fe`), malformed],
  [
    'a target of 20 KB',
    get(({ users }) => `${users}?name=${'a'.repeat(20_000)}`),
    { status: 414, code: 1011 },
  ],
];

refuses('paths and methods that are refused', prepare, paths.map(scenario));

const queries: readonly (readonly [name: string, query: string, refusal: Refusal])[] = [
  ['page 0', 'page=0', invalid('/query/page')],
  ['page -1', 'page=-1', invalid('/query/page')],
  ['page 1.5', 'page=1.5', invalid('/query/page')],
  ['page 1e3', 'page=1e3', invalid('/query/page')],
  ['page “one”', 'page=one', invalid('/query/page')],
  ['an empty page', 'page=', invalid('/query/page')],
  ['a page beyond 10⁹', 'page=1000000001', invalid('/query/page')],
  ['a page of 400 digits', `page=${'9'.repeat(400)}`, invalid('/query/page')],
  ['per_page 0', 'per_page=0', invalid('/query/per_page')],
  ['per_page beyond the most', 'per_page=1001', invalid('/query/per_page')],
  ['a page given twice', 'page=1&page=2', invalidId('/query/page')],
  ['an e-mail given twice', 'email=a%40b.c&email=a%40b.c', invalidId('/query/email')],
  ['an unknown parameter given twice', 'x=1&x=2', invalidId('/query/x')],
  ['a search longer than any e-mail', `search=${'a'.repeat(321)}`, invalid('/query/search')],
  ['NUL in a value', 'name=a%00b', malformed],
  ['NUL in a name', 'na%00me=a', malformed],
];

refuses(
  'queries that are refused',
  prepare,
  queries.map(([name, query, refusal]) => scenario([name, get(({ users }) => `${users}?${query}`), refusal])),
);

const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

const bodies: readonly Row[] = [
  ['what is not JSON', withBody('email=a@b.c'), notJson],
  ['JSON that is cut off', withBody('{"email":"b@example.com"'), notJson],
  ['JSON with something after it', withBody('{"email":"b@example.com"}{}'), notJson],
  ['no body, without a content type', withBody(undefined, null), invalid('')],
  ['an empty body that is called JSON', withBody(''), invalid('')],
  ['a body of blanks that is called JSON', withBody(' \r\n\t'), invalid('')],
  ['null', withBody('null'), invalid('')],
  ['an array', withBody('[{"email":"b@example.com"}]'), invalid('')],
  ['a text', withBody('"b@example.com"'), invalid('')],
  ['a number', withBody('0'), invalid('')],
  ['an empty object', withBody('{}'), invalid('/email')],
  ['an e-mail that is a number', withBody('{"email":1}'), invalid('/email')],
  ['an e-mail that is null', withBody('{"email":null}'), invalid('/email')],
  ['an e-mail that is a list', withBody('{"email":["b@example.com"]}'), invalid('/email')],
  ['an e-mail that is an object', withBody('{"email":{"toString":1}}'), invalid('/email')],
  ['a name that is a number', withBody('{"email":"b@example.com","name":123}'), invalid('/name')],
  ['a name that is true', withBody('{"email":"b@example.com","name":true}'), invalid('/name')],
  ['a name that is null', withBody('{"email":"b@example.com","name":null}'), invalid('/name')],
  ['NUL in a text', withBody('{"email":"b@example.com","name":"a\\u0000b"}'), malformed],
  ['NUL in a key', withBody('{"email":"b@example.com","a\\u0000":1}'), malformed],
  ['NUL deep inside', withBody('{"email":"b@example.com","a":[{"b":"\\u0000"}]}'), malformed],
  ['a bare NUL', withBody('{"email":"b@example.com"}\0'), notJson],
  [
    'half of a character beyond the first plane',
    withBody('{"email":"b@example.com","name":"\\ud83d"}'),
    malformed,
  ],
  [
    'bytes that are not UTF-8',
    withBody(Buffer.from('{"email":"b@example.com","name":"\xff"}', 'latin1')),
    notJson,
  ],
  [
    'a key that reaches for the prototype',
    withBody('{"email":"b@example.com","__proto__":{"a":1}}'),
    notJson,
  ],
  [
    'a constructor that reaches for the prototype',
    withBody('{"email":"b@example.com","constructor":{"prototype":{"a":1}}}'),
    notJson,
  ],
  ['nesting 10,000 deep', withBody(nested(10_000)), { ...notJson, says: /nested too deeply/ }],
  ['lists 10,000 deep', withBody('['.repeat(10_000)), { ...notJson, says: /nested too deeply/ }],
  ['a form', withBody('email=b%40example.com', 'application/x-www-form-urlencoded'), notOurType],
  ['plain text', withBody('{"email":"b@example.com"}', 'text/plain'), notOurType],
  [
    'a type that only begins like JSON',
    withBody('{"email":"b@example.com"}', 'application/jsonp'),
    notOurType,
  ],
  ['no content type', withBody('{"email":"b@example.com"}', null), notOurType],
  [
    '10 MB',
    withBody(`{"email":"b@example.com","name":"${'a'.repeat(10_000_000)}"}`),
    { status: 413, code: 1007 },
  ],
];

refuses('bodies that are refused', prepare, bodies.map(scenario));
