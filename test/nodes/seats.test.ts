import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DAY, timestamp } from '../../src/kernel/clock.ts';
import { Browser } from '../support/browser.ts';
import { cookieOf, startNodes, type TestNodes } from '../support/nodes.ts';
import { readRows } from '../support/rows.ts';
import { addHolder, createTestSeatTimer, seatsInUse, setSeatLimit, userRow } from '../support/seats.ts';
import { callbackFor } from '../support/sign-in-steps.ts';

/* Seats are counted once, whichever node of a cluster signs somebody in or takes a seat away. */

describe('seats, on two nodes (postgres)', () => {
  const set: { nodes?: TestNodes } = {};
  before(async () => {
    set.nodes = await startNodes(2);
  });
  after(async () => await set.nodes?.[Symbol.asyncDispose]());

  function use() {
    const { nodes } = set;
    assert.ok(nodes);
    const [one, two] = nodes.apps;
    assert.ok(one && two);
    return { nodes, world: nodes.world, one, two };
  }

  /** Somebody at the provider, on the way back to one node or the other. */
  async function waiting(node: number) {
    const { nodes, world } = use();
    const port = nodes.apps[node % 2]?.port ?? 0;
    const browser = new Browser({ ports: { 'team.localhost': port } });
    return { browser, callback: await callbackFor(world, { browser, person: world.person() }) };
  }

  test('thirty first sign-ins at both at once, for seven seats: seven people are signed in', async () => {
    const { world, one, two } = use();
    const crowd = [];
    for (let at = 0; at < 30; at += 1) crowd.push(await waiting(at));
    const used = await seatsInUse(one);
    await setSeatLimit(two, used + 7);
    const pages = await Promise.all(crowd.map(({ browser, callback }) => browser.get(callback)));
    assert.equal(pages.filter(({ status }) => status === 403).length, 23);
    assert.deepEqual([await seatsInUse(one), await seatsInUse(two)], [used + 7, used + 7]);
    const { users = [], sessions = [] } = await readRows(world.database);
    assert.deepEqual([users.length, sessions.length], [used + 7, used + 7]);
  });

  test('a limit that is lowered at one while people come to both lets in nobody once it is answered', async () => {
    const { one, two } = use();
    await setSeatLimit(one, null);
    const crowd = [];
    for (let at = 0; at < 12; at += 1) crowd.push(await waiting(at));
    const early = crowd.slice(0, 6).map(({ browser, callback }) => browser.get(callback));
    await setSeatLimit(two, 0);
    const used = await seatsInUse(one);
    const late = await Promise.all(crowd.slice(6).map(({ browser, callback }) => browser.get(callback)));
    assert.ok(late.every(({ status }) => status === 403));
    await Promise.all(early);
    assert.equal(await seatsInUse(two), used);
    await setSeatLimit(one, null);
  });

  test('one that is taken away at one node ends the access at both, and is free at both', async () => {
    const { nodes, world, one, two } = use();
    const person = world.person();
    const cookie = await nodes.signInAcross(person);
    for (const node of [0, 1]) assert.equal(await nodes.ask(node, cookie), 200);
    const seat_uid = (await userRow(one, person.email))?.seat_uid ?? '';
    const used = await seatsInUse(one);
    const { account_id } = world;
    const body = [{ seat_uid, access_seat: false, gateway_seat: false }];
    await nodes.sdks[1]?.zeroTrust.seats.edit({ account_id, body });
    for (const node of [0, 1]) assert.notEqual(await nodes.ask(node, cookie), 200);
    await setSeatLimit(one, used);
    assert.equal(await seatsInUse(two), used - 1);
    const [first, second] = [await waiting(0), await waiting(1)];
    const pages = await Promise.all([first, second].map(({ browser, callback }) => browser.get(callback)));
    assert.deepEqual(pages.map(({ status }) => status === 403).sort(), [false, true]);
    await setSeatLimit(two, null);
  });

  test('taken away twice at once, at both: it is given back once', async () => {
    const { nodes, world, one } = use();
    const { account_id } = world;
    for (let round = 0; round < 5; round += 1) {
      const email = `twice-${round}@example.com`;
      const seat_uid = await addHolder(one, email);
      const used = await seatsInUse(one);
      const body = [{ seat_uid, access_seat: false, gateway_seat: false }];
      const { id = '' } = (await userRow(one, email)) ?? {};
      const ending = [
        nodes.sdks[0]?.zeroTrust.seats.edit({ account_id, body }),
        nodes.sdks[1]?.zeroTrust.access.users.delete(id, { account_id }),
        nodes.sdks[1]?.zeroTrust.seats.edit({ account_id, body }),
      ];
      const answers = await Promise.allSettled(ending);
      assert.ok(answers.some(({ status }) => status === 'fulfilled'));
      assert.equal(await seatsInUse(one), used - 1);
    }
  });

  test('unused ones are given back by both together, once, and their people are out at both', async () => {
    const { nodes, world, one, two } = use();
    const person = world.person();
    const cookie = cookieOf(world, await world.signedIn(person));
    const stays = cookieOf(world, await world.signedIn(world.person()));
    for (const node of [0, 1]) assert.equal(await nodes.ask(node, cookie), 200);
    const old = { last_successful_login: timestamp(one.clock.now() - 60 * DAY) };
    await one.app.control.database.write((tx) =>
      tx.query.updateTable('users').set(old).where('email_key', '=', person.email).execute(),
    );
    const used = await seatsInUse(one);
    const { account_id } = world;
    const expiring = { account_id, user_seat_expiration_inactive_time: '730h' };
    await world.sdk.zeroTrust.organizations.update(expiring);
    await Promise.all([one, two].map((app) => createTestSeatTimer(app).turn()));
    assert.equal(await seatsInUse(two), used - 1);
    for (const node of [0, 1]) {
      assert.notEqual(await nodes.ask(node, cookie), 200);
      assert.equal(await nodes.ask(node, stays), 200);
    }
    const { audit_entries: entries = [] } = await readRows(world.database);
    assert.equal(entries.filter((row) => row.includes('seats.expire')).length, 1);
  });
});
