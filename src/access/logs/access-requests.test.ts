import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { PermissionDeniedError } from 'cloudflare';
import type { ApiAnswer } from '../../../test/support/app.ts';
import { requestLine } from '../../../test/support/request-lines.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addPerson, addTenant, firstTenant, refused, type Tenant } from '../../../test/support/tenants.ts';
import { SECOND, timestamp } from '../../kernel/clock.ts';
import type { RequestLine } from '../../protocol/request-line.ts';
import { writeRequestLines } from './request-lines.ts';

const START = Date.parse('2026-01-01T00:00:00Z');
const NOBODY = { isKnown: false, userId: null, email: null, connection: null, providerId: null };

/** A line for each letter, a second between them. */
const LINES: Readonly<Record<string, Partial<RequestLine>>> = {
  a: { email: 'ann@example.com' },
  b: { email: 'ben@example.org', applicationId: 'other', count: 7 },
  c: { ...NOBODY, verdict: 'sign_in', reason: 'no_credential' },
  d: { email: 'ann@example.com', verdict: 'deny', reason: 'policy_deny', ip: '2001:db8::1' },
  e: { ...NOBODY, isKnown: true, serviceTokenId: 'token' },
  f: { email: 'ann_x@example.com', action: 'login', via: 'sign_in', method: null, providerId: 'other' },
};

onBothDatabases('the request log by the API', (stage) => {
  const set: { home?: Tenant; other?: Tenant } = {};
  const home = () => set.home ?? assert.fail();
  before(async () => {
    set.home = await firstTenant(stage.app);
    set.other = await addTenant(stage.app, 'other');
    const lines = Object.entries(LINES).map(([letter, line], index) => ({
      ...{ requestId: letter, at: START + index * SECOND },
      ...line,
    }));
    await write(stage, [
      ...lines.map((line) => requestLine(home().accountId, line)),
      requestLine(set.other.accountId, { requestId: 'theirs', email: 'ann@example.com' }),
    ]);
  });

  const list = (query: object = {}) =>
    home().sdk.zeroTrust.access.logs.accessRequests.list({ account_id: home().accountId, ...query });
  /** The letters of what is found, in the order of their times. */
  const found = async (query: object = {}) =>
    (await list({ direction: 'asc', ...query })).map(({ ray_id }) => ray_id).join('');
  const ask = (query: string): Promise<ApiAnswer> =>
    stage.app.api('GET', `/accounts/${home().accountId}/access/logs/access_requests${query}`);

  test('is open to nobody without the right, and shows nobody another account', async () => {
    const may = ['Access: Users Read', 'Account Settings Read', 'Access: Apps and Policies Write'] as const;
    const somebody = await addPerson(stage.app, home(), { email: 'nobody@example.com', may });
    const auditor = await addPerson(stage.app, home(), {
      email: 'auditor@example.com',
      may: ['Access: Audit Logs Read'],
    });
    const asks = (sdk = home().sdk) =>
      sdk.zeroTrust.access.logs.accessRequests.list({ account_id: home().accountId });
    await assert.rejects(asks(somebody.sdk), PermissionDeniedError);
    await assert.rejects(asks(set.other?.sdk), PermissionDeniedError);
    assert.equal((await asks(auditor.sdk)).length, 6);
    assert.equal(await found({ ray_id: 'theirs' }), '');
  });

  test('refuses what it cannot do, and what it cannot read', async () => {
    const tries: [pointer: string, query: object][] = [
      ['/query/country_code', { country_code: 'CH' }],
      ['/query/app_type', { app_type: 'self_hosted' }],
      ['/query/since', { since: 'yesterday' }],
      ['/query/since', { since: '2026-01-01' }],
      ['/query/until', { until: '2026-02-30T00:00:00Z' }],
      ['/query/limit', { limit: 0 }],
      ['/query/limit', { limit: 1001 }],
      ['/query/per_page', { per_page: 1001 }],
      ['/query/page', { page: 0 }],
      ['/query/direction', { direction: 'up' }],
      ['/query/emailOp', { email: 'a', emailOp: 'like' }],
      ['/query/email_exact', { email: 'a', email_exact: 'yes' }],
      ['/query/allowedOp', { allowed: true, allowedOp: 'contains' }],
      ['/query/allowed', { allowed: 'perhaps' }],
      ['/query/fields', { fields: 'ray_id,request_id' }],
      ['/query/fields', { fields: 'ray_id,' }],
      ['/query/fields', { fields: 'constructor' }],
      ['/query/email', { email: ['a', 'b'] }],
      ['/query/email', { email: 'a'.repeat(321) }],
    ];
    for (const [pointer, query] of tries) {
      const answer = await refused(list(query));
      assert.deepEqual([answer.status, answer.pointer], [400, pointer], JSON.stringify(query));
    }
  });

  test('names what it passes over', async () => {
    const { body } = await ask('?user_id=x&user_idOp=neq&nickname=y');
    assert.equal(body.result.length, 6);
    assert.deepEqual(
      body.messages.map((note: { source: { pointer: string } }) => note.source.pointer),
      ['/query/user_id', '/query/user_idOp', '/query/nickname'],
    );
  });

  test('tells of each line what the SDK knows, and more', async () => {
    const [ann, ben] = await list({ direction: 'asc', limit: 2 });
    assert.deepEqual(ann, {
      action: 'request',
      allowed: true,
      app_domain: 'app.example.com',
      app_uid: 'application',
      connection: 'oidc',
      created_at: timestamp(START),
      ip_address: '192.0.2.1',
      ray_id: 'a',
      user_email: 'ann@example.com',
      verdict: 'allow',
      reason: 'policy_allow',
      method: 'GET',
      via: 'proxy',
      count: 1,
      idp: 'provider',
      user_id: 'user',
      service_token_id: null,
      registration_id: null,
    });
    assert.equal((ben as { count?: number }).count, 7);
    const [nobody] = await list({ ray_id: 'c' });
    assert.deepEqual([nobody?.allowed, nobody?.user_email, nobody?.connection], [false, null, null]);
  });

  test('answers only the fields that are asked for', async () => {
    const lines = await list({ fields: 'ray_id, reason', direction: 'asc', limit: 1 });
    assert.deepEqual(lines, [{ ray_id: 'a', reason: 'policy_allow' }]);
  });

  test('is newest first unless told otherwise, 25 lines unless told otherwise', async () => {
    assert.deepEqual(
      (await list()).map(({ ray_id }) => ray_id),
      [...'fedcba'],
    );
    for (const [query, size] of [
      ['', 25],
      ['?limit=2', 2],
      ['?per_page=3', 3],
      ['?limit=2&per_page=3', 2],
      ['?limit=3&per_page=2', 2],
    ] as const) {
      const { body } = await ask(query);
      assert.equal(body.result_info.per_page, size, query);
      assert.equal(body.result.length, Math.min(size, 6), query);
      assert.equal(body.result_info.total_count, undefined);
    }
  });

  test('is narrowed by time, both ends included', async () => {
    const second = (at: number) => timestamp(START + at * SECOND);
    assert.equal(await found({ since: second(4) }), 'ef');
    assert.equal(await found({ until: second(1) }), 'ab');
    assert.equal(await found({ since: second(2), until: second(3) }), 'cd');
    assert.equal(await found({ since: '2026-01-01T02:00:03+02:00' }), 'def');
    assert.equal(await found({ since: second(5), until: second(1) }), '');
  });

  for (const [query, letters] of [
    [{ email: 'ann' }, 'adf'],
    [{ email: '@example.com' }, 'adf'],
    [{ email: 'Ann' }, ''],
    [{ email: '%' }, ''],
    [{ email: 'n_x' }, 'f'],
    [{ email: 'ann@example.com', emailOp: 'contains' }, 'ad'],
    [{ email: 'ann@example.com', email_exact: true }, 'ad'],
    [{ email: 'Ann@Example.com', email_exact: true }, 'ad'],
    [{ email: 'ann', email_exact: true, emailOp: 'contains' }, ''],
    [{ email: 'ann', emailOp: 'eq' }, ''],
    [{ email: 'ann@example.com', emailOp: 'eq' }, 'ad'],
    [{ email: 'ann', emailOp: 'neq' }, 'bce'],
    [{ email: 'ann@example.com', emailOp: 'neq', email_exact: true }, 'bcef'],
    [{ emailOp: 'neq', email_exact: true }, 'abcdef'],
    [{ allowed: true }, 'abef'],
    [{ allowed: false }, 'cd'],
    [{ allowed: true, allowedOp: 'neq' }, 'cd'],
    [{ allowed: false, allowedOp: 'eq' }, 'cd'],
    [{ app_uid: 'other' }, 'b'],
    [{ app_uid: 'other', app_uidOp: 'neq' }, 'acdef'],
    [{ idp: 'provider' }, 'abd'],
    [{ idp: 'provider', idpOp: 'neq' }, 'cef'],
    [{ non_identity: true }, 'e'],
    [{ non_identity: false }, 'abcdf'],
    [{ non_identity: true, non_identityOp: 'neq' }, 'abcdf'],
    [{ ray_id: 'c' }, 'c'],
    [{ ray_id: 'c', ray_idOp: 'neq' }, 'abdef'],
    [{ email: 'ann', allowed: false }, 'd'],
    [{ email: 'ann@example.com', email_exact: true, allowed: true, app_uid: 'application' }, 'a'],
    [{ country_codeOp: 'neq', app_typeOp: 'eq', allowedOp: 'neq' }, 'abcdef'],
  ] as const) {
    test(`finds ${letters || 'nothing'} by ${JSON.stringify(query)}`, async () => {
      assert.equal(await found(query), letters);
    });
  }

  test('loses no line between pages to those that come meanwhile', async () => {
    const before = await write(stage, [
      requestLine(home().accountId, { requestId: 'x', at: START - SECOND, email: 'paging@example.net' }),
      requestLine(home().accountId, { requestId: 'y', at: START, email: 'paging@example.net' }),
    ]);
    const page = async (number: number) =>
      (await list({ email: 'paging', per_page: 1, page: number })).map(({ ray_id }) => ray_id);
    assert.deepEqual(await page(1), ['y']);
    await write(stage, [{ ...(before[1] ?? assert.fail()), id: 'z', requestId: 'z', at: START + SECOND }]);
    assert.deepEqual(await page(2), ['x']);
    assert.deepEqual(await page(3), []);
  });
});

onBothDatabases('a request log of many lines', (stage) => {
  test('is looked through to its end for what is rare, in order and in pages', async () => {
    const { accountId, sdk } = await firstTenant(stage.app);
    const rare = new Set([0, 1, 1999, 2000, 2001, 4000, 4400]);
    const lines = Array.from({ length: 4401 }, (_, at) =>
      requestLine(accountId, {
        // Several of one time: the order goes on by the id.
        at: START + Math.floor(at / 3),
        id: `${at}`.padStart(5, '0'),
        requestId: `${at}`,
        ...(rare.has(at) ? { applicationId: 'rare' } : {}),
      }),
    );
    await write(stage, lines);
    const list = async (query: object) => {
      const logs = sdk.zeroTrust.access.logs.accessRequests;
      const answer = await logs.list({ account_id: accountId, ...{ app_uid: 'rare' }, ...query });
      return answer.map(({ ray_id }) => Number(ray_id));
    };
    const ascending = [...rare];
    assert.deepEqual(await list({ direction: 'asc' }), ascending);
    assert.deepEqual(await list({}), [...ascending].reverse());
    assert.deepEqual(await list({ direction: 'asc', limit: 3 }), ascending.slice(0, 3));
    assert.deepEqual(await list({ direction: 'asc', limit: 3, page: 2 }), ascending.slice(3, 6));
    // A page that nobody came to from the one before.
    assert.deepEqual(await list({ direction: 'asc', per_page: 2, page: 3 }), ascending.slice(4, 6));
    assert.deepEqual(await list({ direction: 'asc', per_page: 2, page: 5 }), []);
    assert.deepEqual(await list({ app_uid: 'none' }), []);
    assert.equal((await list({ app_uidOp: 'neq', limit: 1000, page: 4 })).length, 1000);
  });
});

async function write({ app }: Stage, lines: RequestLine[]): Promise<RequestLine[]> {
  await app.app.control.database.write((tx) => writeRequestLines(tx, lines));
  return lines;
}
