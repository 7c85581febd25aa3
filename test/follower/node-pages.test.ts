import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { sha256 } from '../../src/kernel/crypto.ts';
import { newSecret } from '../../src/kernel/ids.ts';
import { DECIDE_PATH, EDGE_PATH } from '../../src/protocol/gate-messages.ts';
import { createGateByApi, insertNewGate } from '../support/gate-keys.ts';
import { databases } from '../support/postgres.ts';
import { deleteGate, type Followed, startFollowed } from '../support/remote-gate.ts';

for (const { name, create } of databases) {
  describe(`what a node answers gates by HTTP (${name})`, () => {
    const set: { followed?: Followed; cookie?: string } = {};
    const followed = () => set.followed ?? assert.fail();
    before(async () => {
      set.followed = await startFollowed(await create());
      set.cookie = (await followed().signedIn()).cookie;
    });
    after(async () => await set.followed?.[Symbol.asyncDispose]());

    const post = async (path: string, body: unknown, token: string | null = followed().issued.token) => {
      const response = await fetch(followed().world.app.origin + path, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };

    const common = () => ({
      requestId: '0123456789abcdef',
      host: followed().place.host,
      path: '/',
      ip: '192.0.2.7',
    });
    const token = () => (set.cookie ?? '').split('=')[1] ?? '';
    const question = (more: object = {}) => ({
      ...common(),
      ...{ method: 'GET', scheme: 'http', accessToken: null, serviceToken: null, header: null },
      ...{ certificate: null, device: null },
      cookies: [['CF_Authorization', [token()]]],
      ...more,
    });
    const edge = (more: object = {}) => ({
      ...common(),
      ...{ target: '/cdn-cgi/access/get-identity', path: '/cdn-cgi/access/get-identity' },
      ...{ cookies: [['CF_Authorization', [token()]]], crossSite: false, direct: true },
      ...more,
    });

    for (const [path, asked] of [
      [DECIDE_PATH, question],
      [EDGE_PATH, edge],
    ] as const) {
      test(`${path} is for nobody without the credential of a gate that lives`, async () => {
        const { api_token } = followed().world.app.credentials;
        for (const secret of [null, '', api_token, newSecret('pcg'), followed().issued.token.toUpperCase()])
          assert.equal((await post(path, asked(), secret)).status, 401, String(secret?.slice(0, 5)));
        const gone = await createGateByApi(followed().world.app, `gone from ${path}`);
        assert.equal((await post(path, asked(), gone.token)).status, 200);
        await deleteGate(followed().world.app, gone);
        assert.equal((await post(path, asked(), gone.token)).status, 401);
      });

      test(`${path} refuses what is no question`, async () => {
        const odd = [{}, [], 'null', { ...asked(), ip: null }, { ...asked(), host: 7 }];
        const cookies = [null, 'a=b', [['a', 'b']], [['a']], [[1, ['b']]]].map((one) => ({
          ...asked(),
          cookies: one,
        }));
        for (const body of [...odd, ...cookies])
          assert.equal((await post(path, body)).status, 400, JSON.stringify(body));
      });
    }

    test('an allow comes with all that is needed, and for two seconds at most', async () => {
      const { status, body } = await post(DECIDE_PATH, question());
      assert.equal(status, 200);
      assert.equal(body.verdict, 'allow');
      assert.ok(Number(body.milliseconds) > 0 && Number(body.milliseconds) <= 2000);
      assert.equal(body.upstream, followed().upstream.origin);
    });

    test('whoever is nobody is told to sign in, and gets nothing else', async () => {
      const { body } = await post(DECIDE_PATH, question({ cookies: [] }));
      assert.equal(body.verdict, 'sign_in');
      assert.ok(!('assertion' in body) && !('milliseconds' in body));
    });

    test('a certificate that is none is no question', async () => {
      const whole = { authorities: ['f'.repeat(64)], commonName: 'laptop', expiresAt: 1 };
      const odd = [
        ...[undefined, 'laptop', [], {}, { ...whole, authorities: 'f' }, { ...whole, authorities: [1] }],
        ...[
          { ...whole, commonName: 7 },
          { ...whole, expiresAt: '1' },
          { ...whole, expiresAt: 1.5 },
        ],
      ];
      for (const certificate of odd) {
        const { status } = await post(DECIDE_PATH, question({ certificate }));
        assert.equal(status, 400, JSON.stringify(certificate));
      }
      assert.equal((await post(DECIDE_PATH, question({ certificate: whole }))).status, 200);
    });

    test('two credentials are seen as two', async () => {
      const twice = question({ cookies: [['CF_Authorization', [token(), token()]]] });
      const { body } = await post(DECIDE_PATH, twice);
      assert.deepEqual([body.verdict, body.reason], ['deny', 'several_credentials']);
    });

    test('an application of another account is none', async () => {
      const { control } = followed().world.app.app;
      const account = {
        id: 'b'.repeat(32),
        name: 'Another',
        type: 'standard',
        created_on: '2026-01-01T00:00:00.000Z',
      };
      await control.database.write(async (tx) => {
        const head = { account_id: account.id, epoch: 1, position: 0, floor: 0 };
        await tx.query.insertInto('accounts').values(account).execute();
        await tx.query.insertInto('feed_heads').values(head).execute();
      });
      await control.feed.catchUp(account.id);
      const other = await insertNewGate(control, account.id);
      const secret = newSecret('pcg');
      await control.database.write((tx) =>
        tx.query
          .updateTable('gates')
          .set({ secret_hash: sha256(secret) })
          .where('id', '=', other.id)
          .execute(),
      );
      const { body } = await post(DECIDE_PATH, question(), secret);
      assert.deepEqual([body.verdict, body.reason, body.application], ['deny', 'application_unknown', null]);
      const visited = await post(EDGE_PATH, edge(), secret);
      assert.equal(visited.body.status, 404);
      const { account_id, app } = followed().world;
      const said = { deny_unmatched_requests: false };
      await app.api('PUT', `/accounts/${account_id}/access/organizations`, { body: said });
      const unmatched = question({ host: 'nothing.localhost' });
      assert.equal((await post(DECIDE_PATH, unmatched)).body.reason, 'unmatched_allowed');
      const theirs = (await post(DECIDE_PATH, unmatched, secret)).body;
      assert.deepEqual([theirs.verdict, theirs.reason], ['deny', 'application_unknown']);
    });
  });
}
