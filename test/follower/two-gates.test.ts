import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { newSecret } from '../../src/kernel/ids.ts';
import { databases } from '../support/postgres.ts';
import { askGate } from '../support/remote-asks.ts';
import { type Followed, startFollowed, startTestGate } from '../support/remote-gate.ts';
import { startSwitchboard } from '../support/switchboard.ts';

function play(title: string, act: (followed: Followed) => Promise<void>): void {
  for (const { name, create } of databases) {
    test(`${title} (${name})`, async () => {
      await using followed = await startFollowed(await create(), { serveFlags: ['--lease=2'] });
      await act(followed);
    });
  }
}

async function processes({ world, issued }: Followed): Promise<string[]> {
  const { body } = await world.app.api('GET', `/accounts/${world.account_id}/portcullis/gates/${issued.id}`);
  return body.result.processes.map(({ id }: { id: string }) => id);
}

/** What applications verify assertions with. */
async function keysOf({ world }: Followed): Promise<unknown[]> {
  const { text } = await world.browser().get(`${world.team}/cdn-cgi/access/certs`);
  return JSON.parse(text).keys;
}

describe('two processes on one credential (schedule 9)', () => {
  play('each follows by itself, and each is shown', async (followed) => {
    await using second = await followed.another();
    await second.ready();
    const shown = await processes(followed);
    assert.deepEqual(shown.sort(), [followed.gate.gate.processId, second.gate.processId].sort());
    const { cookie, person } = await followed.signedIn();
    assert.equal((await askGate(followed, '/', cookie, { port: second.port })).status, 200);
    const { account_id } = followed.world;
    await followed.world.sdk.zeroTrust.organizations.revokeUsers({ account_id, email: person.email });
    for (const { port } of [followed.gate, second])
      assert.equal((await askGate(followed, '/', cookie, { port })).status, 401);
  });

  play(
    'the ack of one does not count for the other: a removal waits for the silent one',
    async (followed) => {
      await using line = await startSwitchboard(followed.world.app.port);
      await using silent = await followed.another({ controlPlanes: [`http://127.0.0.1:${line.port}`] });
      await silent.ready();
      const { cookie, person } = await followed.signedIn();
      assert.equal((await askGate(followed, '/', cookie, { port: silent.port })).status, 200);
      line.hold();
      const { account_id } = followed.world;
      await followed.world.sdk.zeroTrust.organizations.revokeUsers({ account_id, email: person.email });
      const refused = await askGate(followed, '/', cookie, { port: silent.port });
      assert.equal(refused.status, 503, 'it decides by a lease that has run out');
      assert.equal((await askGate(followed, '/', cookie)).status, 401);
    },
  );

  play('whoever gave its lease back is waited for by nobody', async (followed) => {
    const second = await followed.another();
    await second.ready();
    await second.gate.close();
    const { person } = await followed.signedIn();
    const { account_id } = followed.world;
    await followed.world.sdk.zeroTrust.organizations.revokeUsers({ account_id, email: person.email });
    const removals = followed.world.log.filter(({ msg }) => msg === 'removal in force');
    assert.deepEqual(removals.at(-1)?.waitedFor, []);
  });
});

describe('a gate that starts again (schedule 7)', () => {
  play('is another process, with the key that it had', async (followed) => {
    const before = followed.gate.gate.processId;
    const keys = (await keysOf(followed)).length;
    const { gate, issued, line } = followed;
    const data = gate.data;
    await using again = await startTestGate({
      controlPlanes: [`http://127.0.0.1:${line.port}`],
      token: issued.token,
      data,
    });
    await again.ready();
    assert.notEqual(again.gate.processId, before);
    assert.equal((await keysOf(followed)).length, keys, 'it made another key');
  });
});

describe('a gate that starts without a control plane', () => {
  test('is not ready, says why, and admits nobody', async () => {
    const token = newSecret('pcg');
    await using gate = await startTestGate({ controlPlanes: ['http://127.0.0.1:1'], token });
    const ask = (path: string) => fetch(`http://127.0.0.1:${gate.port}${path}`);
    const ready = await ask('/readyz');
    assert.equal(ready.status, 503);
    const reason = 'the control plane was not reached yet';
    assert.deepEqual(await ready.json(), { status: 'not ready', reason });
    assert.equal((await ask('/healthz')).status, 200);
    assert.equal((await ask('/')).status, 503);
    assert.equal((await ask('/portcullis/forward-auth')).status, 503);
  });
});
