import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant } from '../../../test/support/tenants.ts';
import type { Tx } from '../../database/database.ts';
import { ApiError } from '../../kernel/errors.ts';
import { newUuid } from '../../kernel/ids.ts';
import {
  dropReferences,
  type Holder,
  type PlacedLists,
  putReferences,
  type Reference,
  readReferences,
  refuseIfNamed,
  ruleProblems,
  toRuleLists,
} from './rules.ts';

/* What rules name, and what it is for what is named (reference §3.4). */

const everyone = { everyone: {} };

describe('rules as they are written', () => {
  test('have at least one include, and every problem is pointed at, up to twenty', () => {
    const pointers = (placed: PlacedLists) => ruleProblems(placed).map(({ pointer }) => pointer);
    assert.deepEqual(pointers({ pointer: '' }), ['/include']);
    assert.deepEqual(pointers({ include: [], exclude: [everyone], pointer: '/policies/3' }), [
      '/policies/3/include',
    ]);
    assert.deepEqual(pointers({ include: [everyone], pointer: '' }), []);
    const wrong = { include: [everyone, {}], exclude: [{ email: {} }], require: ['x'], pointer: '/p' };
    assert.deepEqual(pointers(wrong), ['/p/include/1', '/p/exclude/0/email/email', '/p/require/0']);
    const many = { include: Array.from({ length: 1000 }, () => ({})), pointer: '' };
    assert.equal(ruleProblems(many).length, 20);
    const tooMany = {
      include: [everyone],
      require: Array.from({ length: 1001 }, () => everyone),
      pointer: '',
    };
    assert.deepEqual(pointers(tooMany), ['/require']);
  });

  test('have 512 KiB in their three lists, in bytes, and the list that is too much is pointed at', () => {
    const one = { common_name: { common_name: '\u00e9'.repeat(1000) } };
    const bytes = Buffer.byteLength(JSON.stringify(one)) + 1;
    const most = Math.floor((512 * 1024 - 5) / bytes);
    const rules = (count: number) => Array.from({ length: count }, () => one);
    const pointers = (placed: PlacedLists) => ruleProblems(placed).map(({ pointer }) => pointer);
    assert.deepEqual(pointers({ include: rules(most), pointer: '/p' }), []);
    assert.deepEqual(pointers({ include: rules(most + 1), pointer: '/p' }), ['/p/include']);
    const half = rules(Math.floor(most / 2));
    assert.deepEqual(pointers({ include: half, require: half, pointer: '' }), []);
    assert.deepEqual(pointers({ include: half, exclude: [everyone], require: rules(most), pointer: '' }), [
      '/require',
    ]);
    assert.deepEqual(pointers({ include: half, exclude: rules(most), require: half, pointer: '' }), [
      '/exclude',
    ]);
  });

  test('are read normalised from what is stored, and not at all if any of them cannot be', () => {
    const row = { include: '[{"email":{"email":"ANN@Example.com"}}]', exclude: '[]', require: '[]' };
    const include = [{ email: { email: 'ann@example.com' } }];
    assert.deepEqual(toRuleLists(row), { include, exclude: [], require: [] });
    for (const exclude of ['[{"email":{"email":"ann"}}]', '[{"geo":{"country_code":"CH"}}]', '{}', 'null']) {
      assert.throws(() => toRuleLists({ ...row, exclude }), /cannot be read/);
    }
    assert.throws(() => toRuleLists({ ...row, require: '[' }));
  });
});

/** Settings of a provider of any type that keeps what the rules below ask about. */
const KEEPS = '{"claims":["a"],"attributes":["a"],"support_groups":true}';

/** An account with one of everything that rules can name. */
async function prepare(stage: Stage) {
  const { account_id: accountId } = stage.app.credentials;
  const [group, mail, addresses, token] = [newUuid(), newUuid(), newUuid(), newUuid()];
  const at = { created_at: '2026-01-01T00:00:00.000Z', updated_at: '2026-01-01T00:00:00.000Z' };
  const named = (name: string) => ({ account_id: accountId, name, name_key: name });
  const types = ['oidc', 'google', 'azureAD', 'okta', 'github', 'saml', 'onetimepin'] as const;
  const providers = Object.fromEntries(types.map((type) => [type, newUuid()])) as Record<
    (typeof types)[number],
    string
  >;
  await stage.app.app.control.database.write(async ({ query }) => {
    await query
      .insertInto('access_groups')
      .values({ id: group, ...named('g'), is_default: 0, include: '[]', exclude: '[]', require: '[]', ...at })
      .execute();
    for (const [id, type] of [
      [mail, 'EMAIL'],
      [addresses, 'IP'],
    ] as const)
      await query
        .insertInto('lists')
        .values({ id, ...named(type), type, description: '', ...at })
        .execute();
    await query
      .insertInto('service_tokens')
      .values({
        id: token,
        ...named('t'),
        client_id: `${token}.access`,
        secret_hash: 'x',
        secret_version: 1,
        duration: 'forever',
        enabled: 1,
        ...at,
      })
      .execute();
    for (const [type, id] of Object.entries(providers)) {
      await query
        .insertInto('identity_providers')
        .values({
          id,
          account_id: accountId,
          type,
          name: type,
          issuer: id,
          config: KEEPS,
          client_secret: '',
          ...at,
        })
        .execute();
    }
  });
  return { accountId, group, mail, addresses, token, providers };
}

onBothDatabases('what rules name', (stage) => {
  const database = () => stage.app.app.control.database;
  const read = (accountId: string, ...placed: PlacedLists[]) =>
    database().write((tx) => readReferences(tx, accountId, placed));
  const problemsOf = async (call: Promise<unknown>) => {
    const error = await call.then(
      () => assert.fail('it was not refused'),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof ApiError, String(error));
    assert.equal(error.status, 400);
    return error.faults.map(({ pointer }) => pointer);
  };

  test('is found in every list, each once, by whatever rule', async () => {
    const { accountId, group, mail, addresses, token, providers } = await prepare(stage);
    const provider = (id: string) => ({ identity_provider_id: id });
    const placed: PlacedLists = {
      include: [everyone, { group: { id: group.toUpperCase() } }, { group: { id: group } }],
      exclude: [
        { email_list: { id: mail } },
        { ip_list: { id: addresses } },
        { service_token: { token_id: token } },
      ],
      require: [
        { login_method: { id: providers.onetimepin } },
        { oidc: { claim_name: 'a', claim_value: 'b', ...provider(providers.google) } },
        { oidc: { claim_name: 'a', claim_value: 'b' } },
        { saml: { attribute_name: 'a', attribute_value: 'b', ...provider(providers.saml) } },
        { azureAD: { id: 'x', ...provider(providers.azureAD) } },
        { okta: { name: 'x', ...provider(providers.okta) } },
        { 'github-organization': { name: 'x', ...provider(providers.github) } },
      ],
      pointer: '',
    };
    const ids = [providers.onetimepin, providers.google, providers.saml, providers.azureAD, providers.okta];
    const expected: Reference[] = [
      { type: 'group', id: group },
      { type: 'list', id: mail },
      { type: 'list', id: addresses },
      { type: 'service_token', id: token },
      ...[...ids, providers.github].map((id) => ({ type: 'identity_provider' as const, id })),
    ];
    assert.deepEqual(await read(accountId, placed, placed), expected);
    assert.deepEqual(await readReferences(database().reader, accountId, [placed]), expected);
    assert.deepEqual(await read(accountId, { include: [everyone], pointer: '' }), []);
    assert.deepEqual(await read(accountId), []);
  });

  test('must be there, in this account, and is pointed at where it is not', async () => {
    const { accountId, group, mail, token, providers } = await prepare(stage);
    const other = await addTenant(stage.app, `other-${newUuid().slice(0, 8)}`);
    const rules = [
      { group: { id: group } },
      { email_list: { id: mail } },
      { service_token: { token_id: token } },
      { login_method: { id: providers.oidc } },
    ];
    const lists: PlacedLists = {
      include: [everyone],
      exclude: rules,
      require: rules,
      pointer: '/policies/1',
    };
    assert.equal((await read(accountId, lists)).length, 4);
    const pointers = ['group/id', 'email_list/id', 'service_token/token_id', 'login_method/id'];
    assert.deepEqual(
      await problemsOf(read(other.accountId, lists)),
      ['exclude', 'require'].flatMap((list) =>
        pointers.map((at, index) => `/policies/1/${list}/${index}/${at}`),
      ),
    );
    const unknown = Array.from({ length: 700 }, () => ({ group: { id: newUuid() } }));
    assert.equal((await problemsOf(read(accountId, { include: unknown, pointer: '' }))).length, 20);
    const known = Array.from({ length: 1000 }, () => ({ group: { id: group } }));
    assert.equal((await read(accountId, { include: known, exclude: known, pointer: '' })).length, 1);
  });

  test('must be of the type that the rule asks for', async () => {
    const { accountId, mail, addresses, providers } = await prepare(stage);
    const by = (rule: object, id: string): PlacedLists => {
      const [[type = '', content] = []] = Object.entries(rule);
      return { include: [{ [type]: { ...content, identity_provider_id: id } }], pointer: '' };
    };
    const fitting: [object, readonly string[]][] = [
      [{ oidc: { claim_name: 'a', claim_value: 'b' } }, ['oidc', 'google', 'azureAD', 'okta']],
      [{ saml: { attribute_name: 'a', attribute_value: 'b' } }, ['saml']],
      [{ azureAD: { id: 'x' } }, ['azureAD']],
      [{ okta: { name: 'x' } }, ['okta']],
      [{ 'github-organization': { name: 'x' } }, ['github']],
    ];
    for (const [rule, types] of fitting) {
      for (const [type, id] of Object.entries(providers)) {
        const call = read(accountId, by(rule, id));
        if (types.includes(type)) assert.equal((await call).length, 1);
        else {
          const at = `/include/0/${Object.keys(rule)[0]}/identity_provider_id`;
          assert.deepEqual(await problemsOf(call), [at], `${at} with ${type}`);
        }
      }
    }
    const crossed = [{ email_list: { id: addresses } }, { ip_list: { id: mail } }];
    assert.deepEqual(await problemsOf(read(accountId, { include: crossed, pointer: '' })), [
      '/include/0/email_list/id',
      '/include/1/ip_list/id',
    ]);
  });

  test('is held for as long as a holder that is there names it, in this account', async () => {
    const { accountId, group, mail } = await prepare(stage);
    const other = await addTenant(stage.app, `other-${newUuid().slice(0, 8)}`);
    const holder: Holder = { type: 'group', id: group };
    const to: Reference = { type: 'list', id: mail };
    const inTx = <T>(work: (tx: Tx) => Promise<T>) => database().write(work);
    const isHeld = async (of: { accountId: string; to: Reference }) =>
      await inTx((tx) => refuseIfNamed(tx, { ...of, what: 'the list "x"' })).then(
        () => false,
        (error: unknown) => {
          assert.ok(error instanceof ApiError && error.status === 409, String(error));
          assert.equal(error.headers['x-should-retry'], 'false');
          assert.match(error.message, /the list "x" is in use by group "g" \([0-9a-f-]{36}\)$/);
          return true;
        },
      );
    assert.equal(await isHeld({ accountId, to }), false);
    const twice = [to, { type: 'list', id: newUuid() }] as const;
    await inTx((tx) => putReferences(tx, { accountId, holder, references: twice }));
    assert.equal(await isHeld({ accountId, to }), true);
    // The same id as something else, and another account: none of these is named.
    assert.equal(await isHeld({ accountId, to: { type: 'group', id: mail } }), false);
    assert.equal(await isHeld({ accountId: other.accountId, to }), false);
    // A holder that is not there holds nothing, whatever was left behind.
    const gone: Holder = { type: 'policy', id: group };
    await inTx((tx) => putReferences(tx, { accountId, holder, references: [] }));
    await inTx((tx) => putReferences(tx, { accountId, holder: gone, references: [to] }));
    assert.equal(await isHeld({ accountId, to }), false);
    await inTx((tx) => putReferences(tx, { accountId, holder, references: [to] }));
    await inTx((tx) => dropReferences(tx, { accountId, holder: gone }));
    assert.equal(await isHeld({ accountId, to }), true);
    await inTx((tx) => dropReferences(tx, { accountId, holder }));
    assert.equal(await isHeld({ accountId, to }), false);
  });

  test('may be more than a statement of a database can take', async () => {
    const { accountId, group } = await prepare(stage);
    const references: Reference[] = Array.from({ length: 3000 }, () => ({ type: 'group', id: newUuid() }));
    const holder: Holder = { type: 'group', id: group };
    await database().write((tx) => putReferences(tx, { accountId, holder, references }));
    await database().write((tx) => putReferences(tx, { accountId, holder, references }));
    const select = database().reader.query.selectFrom('rule_references').selectAll();
    assert.equal((await select.where('from_id', '=', group).execute()).length, 3000);
  });
});
