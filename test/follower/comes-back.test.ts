import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { databases } from '../support/postgres.ts';
import { askGate } from '../support/remote-asks.ts';
import { startFollowed } from '../support/remote-gate.ts';

/** A line on which, while it is slow, a connection is made and nothing more comes back. */
async function startSlowLine(to: number) {
  const pairs = new Set<readonly [Socket, Socket]>();
  const state = { isSlow: false };
  const cut = () => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1');
    const pair = [near, far] as const;
    pairs.add(pair);
    let hasAnswered = false;
    near.on('data', (chunk) => far.write(chunk));
    far.on('data', (chunk) => {
      if (!state.isSlow || !hasAnswered) near.write(chunk);
      hasAnswered = true;
    });
    for (const socket of pair) socket.on('error', () => {}).on('close', () => pairs.delete(pair));
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const dispose = async () => {
    server.close();
    cut();
  };
  return { port: address.port, state, cut, [Symbol.asyncDispose]: dispose };
}

for (const { name, create } of databases) {
  test(`a gate that comes back while two removals wait for it is waited for by both (${name})`, async () => {
    await using followed = await startFollowed(await create(), { serveFlags: ['--lease=3'] });
    await using line = await startSlowLine(followed.world.app.port);
    await using gate = await followed.another({ controlPlanes: [`http://127.0.0.1:${line.port}`] });
    await gate.ready();
    const [first, second] = [await followed.signedIn(), await followed.signedIn()];
    const ask = async ({ cookie }: { cookie: string }) =>
      (await askGate(followed, '/', cookie, { port: gate.port })).status;
    assert.deepEqual([await ask(first), await ask(second)], [200, 200]);
    const { account_id, sdk } = followed.world;
    const revoke = async (who: typeof first) => {
      await sdk.zeroTrust.organizations.revokeUsers({ account_id, email: who.person.email });
      const answers = await Promise.all([1, 2, 3].map(() => ask(who)));
      assert.ok(!answers.includes(200), `admitted after the return: ${answers}`);
    };
    line.state.isSlow = true;
    const removals = [revoke(first)];
    await wait(200);
    removals.push(revoke(second));
    await wait(200);
    // The stream breaks and is made anew; what comes on it is as slow as before.
    line.cut();
    await Promise.all(removals);
  });
}
