import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HOUR, timestamp } from '../../src/kernel/clock.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { type Gated, gatedOnBothDatabases } from '../support/gated.ts';
import { databases } from '../support/postgres.ts';
import { exchange, toBytes } from '../support/raw-http.ts';
import { admits, createRobot, forRobots, type Robot, twoHeaders } from '../support/service-tokens.ts';

/* What the gate remembers of service tokens is what the database says, after a start and after a race. */

const HOST = 'robots.localhost';

async function statusOf({ port }: TestApp, robot: Robot): Promise<number> {
  const headers = [
    ['x-forwarded-method', 'GET'],
    ['x-forwarded-proto', 'http'],
    ['x-forwarded-host', HOST],
    ['x-forwarded-uri', '/'],
    ...twoHeaders(robot),
  ] as const;
  const question = toBytes({ target: '/portcullis/forward-auth', headers }, `127.0.0.1:${port}`);
  return (await exchange(port, question)).status;
}

for (const { name, create } of databases) {
  describe(`a gate that starts anew (${name})`, () => {
    test('knows the service tokens that live, and no others', async () => {
      await using database = await create();
      const first = await startTestApp(database);
      const { account_id } = first.credentials;
      const place = { sdk: first.sdk(), account_id };
      const [lives, disabled, deleted, rotated] = [
        await createRobot(place),
        await createRobot(place),
        await createRobot(place),
        await createRobot(place),
      ];
      const { serviceTokens } = place.sdk.zeroTrust.access;
      const body = { type: 'self_hosted', domain: HOST, policies: [forRobots()] };
      await first.api('POST', `/accounts/${account_id}/access/apps`, { body });
      await serviceTokens.update(disabled.id, { account_id, enabled: false });
      await serviceTokens.delete(deleted.id, { account_id });
      const until = timestamp(first.clock.now() + HOUR);
      const { client_secret = '' } = await serviceTokens.rotate(rotated.id, {
        account_id,
        previous_client_secret_expires_at: until,
      });
      const renewed = { ...rotated, secret: client_secret };
      const robots = [lives, disabled, deleted, rotated, renewed];
      const statuses = async (app: TestApp) => {
        const seen: number[] = [];
        for (const robot of robots) seen.push(await statusOf(app, robot));
        return seen;
      };
      assert.deepEqual(await statuses(first), [200, 401, 401, 200, 200]);
      await first.close();
      await using second = await startTestApp(database);
      assert.deepEqual(await statuses(second), [200, 401, 401, 200, 200]);
      second.clock.advance(2 * HOUR);
      assert.deepEqual(await statuses(second), [200, 401, 401, 401, 200]);
    });
  });
}

gatedOnBothDatabases('a service token that is changed by many at once', (world) => {
  const begin = async (name: string) => {
    const robot = await createRobot(world());
    const application = await world().createApplication(`${name}.localhost:${new URL(world().site).port}`, {
      policies: [forRobots(robot)],
    });
    const tokens = world().sdk.zeroTrust.access.serviceTokens;
    const { account_id } = world();
    return { robot, application, tokens, place: { account_id } };
  };

  test('has the secret that was committed last, and no other', async () => {
    const { robot, application, tokens, place } = await begin('rotated');
    const rotations = Array.from({ length: 12 }, () => tokens.rotate(robot.id, place));
    const secrets = (await Promise.all(rotations)).map(({ client_secret = '' }) => client_secret);
    const admitted: string[] = [];
    for (const secret of [robot.secret, ...secrets]) {
      if (await admits(world(), application, twoHeaders({ ...robot, secret }))) admitted.push(secret);
    }
    const shown = await versionOf(world(), robot);
    assert.deepEqual([admitted.length, shown], [1, 13]);
    assert.notEqual(admitted[0], robot.secret);
  });

  test('that is deleted in the middle is gone, whatever the others were doing', async () => {
    const { robot, application, tokens, place } = await begin('deleted');
    const changes = Array.from({ length: 12 }, (_, index) =>
      index % 2 === 0
        ? tokens.update(robot.id, { ...place, enabled: index % 4 === 0 })
        : tokens.rotate(robot.id, place),
    );
    const [deleted, ...others] = await Promise.allSettled([tokens.delete(robot.id, place), ...changes]);
    assert.equal(deleted.status, 'fulfilled');
    const secrets = others.flatMap((other) =>
      other.status === 'fulfilled' && 'client_secret' in other.value
        ? [String(other.value.client_secret)]
        : [],
    );
    for (const secret of [robot.secret, ...secrets]) {
      assert.equal(await admits(world(), application, twoHeaders({ ...robot, secret })), false);
    }
  });
});

async function versionOf({ sdk, account_id }: Gated, { id }: Robot): Promise<number> {
  const shown = await sdk.zeroTrust.access.serviceTokens.get(id, { account_id });
  return (shown as { client_secret_version: number }).client_secret_version;
}
