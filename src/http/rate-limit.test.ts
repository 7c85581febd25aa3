import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ApiAnswer, TestApp } from '../../test/support/app.ts';
import { bearer } from '../../test/support/asks.ts';
import { seed, statement } from '../../test/support/authority-rows.ts';
import { onBothDatabases, type Stage } from '../../test/support/stage.ts';
import { newSecret } from '../kernel/ids.ts';

/* Five requests per five minutes; the time stands still unless a test moves it. */

const LIMIT = 5;
const flags = [`--rate-limit=${LIMIT}`];
const places = { next: 1 };

/** An address that no other test uses. */
function newAddress(): string {
  return `198.51.100.${places.next++}`;
}

async function newToken(app: TestApp): Promise<string> {
  const account = `com.cloudflare.api.account.${app.credentials.account_id}`;
  const rights = [statement('allow', 'Access: Users Read', { [account]: '*' })];
  return (await seed(app).token({}, rights)).secret;
}

function stopTime(context: TestContext): (milliseconds: number) => void {
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  return (milliseconds) => context.mock.timers.tick(milliseconds);
}

function ask(
  { app }: Stage,
  headers: Record<string, string>,
  address = newAddress(),
  path = '',
): Promise<ApiAnswer> {
  const target = `/accounts/${app.credentials.account_id}/access/users${path}`;
  return app.api('GET', target, { token: null, headers: { ...headers, 'x-forwarded-for': address } });
}

function told({ status, headers }: ApiAnswer) {
  const [limit, policy, retry] = ['ratelimit', 'ratelimit-policy', 'retry-after'].map((name) =>
    headers.get(name),
  );
  return [status, limit, policy, retry];
}

const POLICY = `"default";q=${LIMIT};w=300`;

onBothDatabases(
  'the rate limit of a credential',
  (stage) => {
    test('counts down, refuses, and starts anew after five minutes, not sooner and not later', async (context) => {
      const pass = stopTime(context);
      const token = bearer(await newToken(stage.app));
      for (const left of [4, 3, 2, 1, 0]) {
        assert.deepEqual(told(await ask(stage, token)), [200, `"default";r=${left};t=300`, POLICY, null]);
      }
      const refused = await ask(stage, token);
      assert.deepEqual(told(refused), [429, '"default";r=0;t=300', POLICY, '300']);
      assert.equal(refused.body.success, false);
      assert.equal(refused.body.errors[0].code, 10429);
      pass(100_000);
      assert.deepEqual(told(await ask(stage, token)), [429, '"default";r=0;t=200', POLICY, '200']);
      pass(199_500);
      assert.deepEqual(told(await ask(stage, token)), [429, '"default";r=0;t=1', POLICY, '1']);
      pass(500);
      assert.deepEqual(told(await ask(stage, token)), [200, '"default";r=4;t=300', POLICY, null]);
    });

    test('is shared by all addresses, and by nobody else’s credential', async (context) => {
      stopTime(context);
      const [one, other] = [bearer(await newToken(stage.app)), bearer(await newToken(stage.app))];
      const here = newAddress();
      for (let at = 0; at < LIMIT; at++) assert.equal((await ask(stage, one)).status, 200);
      assert.equal((await ask(stage, one)).status, 429);
      assert.equal((await ask(stage, one, here)).status, 429);
      assert.deepEqual(told(await ask(stage, other, here)).slice(0, 2), [200, '"default";r=4;t=300']);
    });

    test('counts what is refused for other reasons as well', async (context) => {
      stopTime(context);
      const token = bearer(await newToken(stage.app));
      for (const [path, status] of [
        ['/nobody', 404],
        ['?page=0', 400],
        ['?page=1&page=2', 400],
      ] as const) {
        assert.equal((await ask(stage, token, newAddress(), path)).status, status);
      }
      assert.equal(told(await ask(stage, token))[1], '"default";r=1;t=300');
    });
  },
  { flags },
);

onBothDatabases(
  'the rate limit of failures',
  (stage) => {
    const unknown = () => bearer(newSecret('cfat'));

    test('closes the door to an address that fails too often, whatever it sends next', async (context) => {
      const pass = stopTime(context);
      const token = bearer(await newToken(stage.app));
      const here = newAddress();
      for (const headers of [unknown(), {}, { authorization: 'Basic x' }, unknown(), unknown()]) {
        assert.ok([400, 401].includes((await ask(stage, headers, here)).status));
      }
      const refused = await ask(stage, unknown(), here);
      assert.deepEqual(told(refused), [429, null, null, '300']);
      assert.equal(refused.body.errors[0].code, 10429);
      pass(60_000);
      assert.deepEqual(told(await ask(stage, token, here)), [429, null, null, '240']);
      pass(240_000);
      assert.equal((await ask(stage, token, here)).status, 200);
      assert.equal((await ask(stage, unknown(), here)).status, 401);
    });

    test('touches no other address, nor the credential that others use', async (context) => {
      stopTime(context);
      const token = bearer(await newToken(stage.app));
      const here = newAddress();
      for (let at = 0; at <= LIMIT; at++) await ask(stage, unknown(), here);
      assert.equal((await ask(stage, token, here)).status, 429);
      const answer = await ask(stage, token);
      assert.deepEqual(told(answer).slice(0, 2), [200, '"default";r=4;t=300']);
    });

    test('is not reached by successes', async (context) => {
      stopTime(context);
      const here = newAddress();
      for (let at = 0; at < 3 * LIMIT; at++) {
        assert.equal((await ask(stage, bearer(await newToken(stage.app)), here)).status, 200);
      }
      assert.equal((await ask(stage, unknown(), here)).status, 401);
    });

    test('leaves what needs no credential alone', async (context) => {
      stopTime(context);
      const { app } = stage;
      for (let at = 0; at < 2 * LIMIT; at++) {
        assert.equal((await fetch(`${app.origin}/healthz`)).status, 200);
        assert.equal((await fetch(`${app.origin}/client/v4/openapi.json`)).status, 200);
      }
    });
  },
  { flags },
);

onBothDatabases('without a rate limit', (stage) => {
  test('nothing is counted, and nothing said of it', async () => {
    const token = bearer(await newToken(stage.app));
    assert.deepEqual(told(await ask(stage, token)), [200, null, null, null]);
  });
});
