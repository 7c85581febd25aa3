import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timestamp } from '../../src/kernel/clock.ts';
import { newSecret, newTag } from '../../src/kernel/ids.ts';
import type { TestApp } from '../support/app.ts';
import { everything, type Person, seed, statement } from '../support/authority-rows.ts';
import { exchange, type RawRequest, toBytes } from '../support/raw-http.ts';
import { assertRefusal, type Refusal, refuses, type Scenario } from '../support/refusals.ts';
import { onBothDatabases, type Stage } from '../support/stage.ts';

/*
 * Who is there is asked before anything else of the request (decisions, Authentication): nothing or nothing
 * readable is a 400, whatever is wrong with a readable credential one and the same 401.
 */

type Headers = readonly (readonly [string, string])[];

interface World {
  readonly account: string;
  readonly token: string;
  readonly email: string;
  readonly key: string;
  /** A person of the account other than the one with `email`. */
  readonly other: Person;
  /** A token of that other person. */
  readonly otherToken: string;
  readonly tokens: Readonly<Record<'expired' | 'disabled' | 'early' | 'elsewhere', string>>;
}

async function prepare({ app }: Stage): Promise<World> {
  const { account_id: account, email, api_key: key, api_token: token } = app.credentials;
  const seeds = seed(app);
  const rights = [
    statement('allow', 'Access: Users Read', { [`com.cloudflare.api.account.${account}`]: '*' }),
  ];
  const other = await seeds.person('other@example.com');
  await seeds.member({ account_id: account, administrator_id: other.id, roles: everything });
  const near = (milliseconds: number) => timestamp(app.clock.now() + milliseconds);
  const make = async (row: Parameters<typeof seeds.token>[0]) => (await seeds.token(row, rights)).secret;
  return {
    account,
    token,
    email,
    key,
    other,
    otherToken: await make({ administrator_id: other.id }),
    tokens: {
      expired: await make({ expires_on: near(-1) }),
      disabled: await make({ status: 'disabled' }),
      early: await make({ not_before: near(600_000) }),
      elsewhere: await make({ condition: JSON.stringify({ in: ['192.0.2.0/24'] }) }),
    },
  };
}

/** A request that would be answered with a list if its credentials were good. */
function withHeaders({ account }: World, headers: Headers): RawRequest {
  return { target: `/client/v4/accounts/${account}/access/users`, headers };
}

const bearer = (token: string): Headers => [['Authorization', `Bearer ${token}`]];
const keyed = (email: string, key: string): Headers => [
  ['X-Auth-Email', email],
  ['X-Auth-Key', key],
];

const missing: Refusal = { status: 400, code: 9106 };
const malformed: Refusal = { status: 400, code: 6003 };
const unknown: Refusal = { status: 401, code: 10000, says: /^Authentication error$/ };

const table: readonly [string, (world: World) => Headers, Refusal][] = [
  ['no credential at all', () => [], missing],
  ['an e-mail without its key', ({ email }) => [['X-Auth-Email', email]], missing],
  ['a key without its e-mail', ({ key }) => [['X-Auth-Key', key]], missing],
  ['an empty Authorization header', () => [['Authorization', '']], malformed],
  ['another scheme than Bearer', () => [['Authorization', 'Basic YTpi']], malformed],
  ['a token without a scheme', ({ token }) => [['Authorization', token]], malformed],
  ['Bearer without a token', () => [['Authorization', 'Bearer ']], malformed],
  ['a token with something after it', ({ token }) => bearer(`${token} x`), malformed],
  ['a token with one character too many', ({ token }) => bearer(`${token}0`), malformed],
  [
    'a token whose checksum is not its own',
    ({ token }) => bearer(token.slice(0, -1) + (token.endsWith('0') ? '1' : '0')),
    malformed,
  ],
  ['a key sent as a token', ({ key }) => bearer(key), malformed],
  ['a token sent as a key', ({ email, token }) => keyed(email, token), malformed],
  ['a name where an e-mail is due', ({ key }) => keyed('somebody', key), malformed],
  ['a service key', () => [['X-Auth-User-Service-Key', 'v1.0-0000']], malformed],
  [
    'a service key beside a good token',
    ({ token }) => [...bearer(token), ['X-Auth-User-Service-Key', 'v1.0-0000']],
    malformed,
  ],
  ['the same good token twice', ({ token }) => [...bearer(token), ...bearer(token)], malformed],
  ['a good and an unknown token', ({ token }) => [...bearer(token), ...bearer(newSecret('cfat'))], malformed],
  ['two keys', ({ email, key }) => [...keyed(email, key), ['x-auth-key', newSecret('cfk')]], malformed],
  ['two e-mails', ({ email, key }) => [...keyed(email, key), ['X-AUTH-EMAIL', 'a@example.com']], malformed],
  ['an unknown account token', () => bearer(newSecret('cfat')), unknown],
  ['an unknown user token', () => bearer(newSecret('cfut')), unknown],
  ['an unknown key', ({ email }) => keyed(email, newSecret('cfk')), unknown],
  ['a good key with the e-mail of nobody', ({ key }) => keyed('nobody@example.com', key), unknown],
  ['a good key with the e-mail of another', ({ other, key }) => keyed(other.email, key), unknown],
  ['a good key with what is no e-mail', ({ key }) => keyed('a@b@c', key), unknown],
  ['a token that has expired', ({ tokens }) => bearer(tokens.expired), unknown],
  ['a token that is disabled', ({ tokens }) => bearer(tokens.disabled), unknown],
  ['a token whose time has not come', ({ tokens }) => bearer(tokens.early), unknown],
  ['a token used from an address that it is not for', ({ tokens }) => bearer(tokens.elsewhere), unknown],
  [
    'a good token beside an unknown key',
    ({ token, email }) => [...bearer(token), ...keyed(email, newSecret('cfk'))],
    unknown,
  ],
  [
    'a good key beside an unknown token',
    ({ email, key }) => [...bearer(newSecret('cfut')), ...keyed(email, key)],
    unknown,
  ],
  [
    'a good key beside the good token of another person',
    ({ email, key, otherToken }) => [...bearer(otherToken), ...keyed(email, key)],
    unknown,
  ],
  [
    'a good key beside a good token of the account, which is nobody’s',
    ({ email, key, token }) => [...bearer(token), ...keyed(email, key)],
    unknown,
  ],
];

refuses(
  'credentials that are refused',
  prepare,
  table.map(([name, headers, refusal]): Scenario<World> => {
    return { name, refusal, sends: (world) => withHeaders(world, headers(world)) };
  }),
);

onBothDatabases('credentials', (stage) => {
  const prepared: { world?: Promise<World> } = {};
  const prepareOnce = () => {
    prepared.world ??= prepare(stage);
    return prepared.world;
  };

  test('a refused credential never tells why', async () => {
    const { app } = stage;
    const world = await prepareOnce();
    const refused = table.filter(([, , refusal]) => refusal === unknown);
    const answers = await Promise.all(refused.map(([, headers]) => ask(app, world, headers(world))));
    assert.equal(new Set(answers.map(({ text }) => text)).size, 1);
    const names = answers.map(({ headers }) => [...headers.keys()].sort().join());
    assert.equal(new Set(names).size, 1);
  });

  test('each good credential is let in, and two of one person together', async () => {
    const { app } = stage;
    const world = await prepareOnce();
    const { token, email, key, other, otherToken } = world;
    const good: Headers[] = [
      bearer(token),
      keyed(email, key),
      keyed(email.toUpperCase(), key),
      [['authorization', `bearer ${token}`]],
      [...bearer(otherToken), ...keyed(other.email, other.key)],
    ];
    for (const headers of good) assert.equal((await ask(app, world, headers)).status, 200);
  });

  test('what is wrong with the rest of a request is not told to strangers', async () => {
    const { app } = stage;
    const users = `/client/v4/accounts/${app.credentials.account_id}/access/users`;
    const json: Headers = [['Content-Type', 'application/json']];
    const requests: RawRequest[] = [
      { target: `/client/v4/accounts/${newTag()}/access/users` },
      { target: '/client/v4/accounts/short/access/users' },
      { target: `${users}?page=0` },
      { method: 'POST', target: users, headers: json, body: '{' },
      { method: 'POST', target: users, headers: json, body: '{"email":1}' },
      { method: 'POST', target: users, headers: [['Content-Type', 'text/plain']], body: 'x' },
      { method: 'DELETE', target: `${users}/00000000-0000-4000-8000-000000000000` },
    ];
    for (const request of requests) {
      const answer = await exchange(app.port, toBytes(request, `127.0.0.1:${app.port}`));
      await assertRefusal(app, answer, missing);
    }
  });
});

function ask(app: TestApp, world: World, headers: Headers) {
  return exchange(app.port, toBytes(withHeaders(world, headers), `127.0.0.1:${app.port}`));
}
