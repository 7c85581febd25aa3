import assert from 'node:assert/strict';
import { test } from 'node:test';
import { operator } from '../../src/kernel/actor.ts';
import { revocation } from '../../src/protocol/feed.ts';
import { LARGEST_BATCH, LARGEST_FROM_NODE } from '../../src/protocol/gate-messages.ts';
import { commitAct } from '../../src/removal/act.ts';
import { askGate } from '../support/remote-asks.ts';
import { type Followed, followedOnBothDatabases, until } from '../support/remote-gate.ts';

/* What is too large for one message between node and gate. */

const SNAPSHOT = 'the whole memory was loaded';

/** Rules as large as a group's may be. */
const include = Array.from({ length: 480 }, (_, at) => ({
  common_name: { common_name: `${at} `.padEnd(1024, 'x') },
}));

/** Ends the person's access in a transaction that tells gates so much, as a change of many objects does. */
async function revokeWithMuch({ world }: Followed, email: string): Promise<void> {
  const { control } = world.app.app;
  const much = Math.ceil(LARGEST_BATCH / JSON.stringify(include).length) + 1;
  const groups = Array.from({ length: much }, (_, at) => ({
    ...{ kind: 'group' as const, id: `large ${at}` },
    state: { id: `large ${at}`, name: 'Large', include, exclude: [], require: [] },
  }));
  const act = { accountId: world.account_id, actor: operator, authorize: async () => {} };
  await commitAct(control, act, async () => ({
    result: null,
    items: [revocation({ type: 'email', id: email }), ...groups],
    audit: { action: 'test.revoke', resource: { type: 'user', id: email } },
  }));
}

followedOnBothDatabases(
  'what is too large for a message',
  (followed) => {
    const snapshots = () => followed().gate.log.filter(({ msg }) => msg === SNAPSHOT).length;
    const reloaded = async (before: number) => {
      await until(
        () => snapshots() > before,
        () => 'it did not come for a snapshot',
      );
      await followed().gate.ready();
      assert.ok(followed().gate.log.every(({ msg }) => !/cannot be used/.test(String(msg))));
    };

    test('a removal in it is in force with its answer, and the gate goes on from a snapshot', async () => {
      const { cookie, person } = await followed().signedIn();
      const other = await followed().signedIn();
      assert.equal((await askGate(followed(), '/', cookie)).status, 200);
      const before = snapshots();
      await revokeWithMuch(followed(), person.email);
      const { status } = await askGate(followed(), '/', cookie);
      assert.ok([401, 503].includes(status), `admitted after the return: ${status}`);
      await reloaded(before);
      assert.equal((await askGate(followed(), '/', cookie)).status, 401);
      assert.equal((await askGate(followed(), '/', other.cookie)).status, 200);
      assert.equal(snapshots(), before + 1);
    });

    test('a gate that was away meanwhile goes on from a snapshot as well', async () => {
      const { gate, line } = followed();
      const { cookie, person } = await followed().signedIn();
      assert.equal((await askGate(followed(), '/', cookie)).status, 200);
      const before = snapshots();
      line.refuseStreams();
      await revokeWithMuch(followed(), person.email);
      assert.notEqual(gate.gate.unready(), null);
      line.release();
      await reloaded(before);
      assert.equal((await askGate(followed(), '/', cookie)).status, 401);
    });

    test('a snapshot beyond the largest message attaches a new gate, with all that is in it', async () => {
      const { world } = followed();
      const collection = `/accounts/${world.account_id}/access/groups`;
      const many = Math.ceil(LARGEST_FROM_NODE / JSON.stringify(include).length) + 1;
      for (let at = 0; at < many; at++) {
        const made = await world.app.api('POST', collection, { body: { name: `Large ${at}`, include } });
        assert.equal(made.status, 201, JSON.stringify(made.body.errors));
      }
      const { cookie } = await followed().signedIn();
      await using fresh = await followed().another();
      await fresh.ready();
      assert.equal((await askGate(followed(), '/', cookie, { port: fresh.port })).status, 200);
      assert.equal(fresh.log.filter(({ msg }) => msg === SNAPSHOT).length, 1);
    });
  },
  { serveFlags: ['--lease=2'] },
);
