import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DAY, timestamp } from '../../src/kernel/clock.ts';
import { dropExpired } from '../../src/sign-in/lineage.ts';
import { type Gated, gatedOnBothDatabases, startGated } from '../support/gated.ts';
import { databases } from '../support/postgres.ts';
import { readRows } from '../support/rows.ts';

const EXPIRING = ['sign_in_states', 'hand_offs', 'sessions', 'failed_logins'];

async function countExpiring(world: Gated): Promise<Record<string, number>> {
  const rows = await readRows(world.database);
  return Object.fromEntries(EXPIRING.map((table) => [table, rows[table]?.length ?? 0]));
}

gatedOnBothDatabases('what sign-ins leave behind', (world) => {
  it('is dropped when it has expired, and not before', async () => {
    const { app } = world();
    await world().signedIn(world().person());
    await world()
      .browser()
      .follow(world().site, { until: (next) => next.pathname.endsWith('/auth') });
    const sweep = () => app.app.control.database.write((tx) => dropExpired(tx, timestamp(app.clock.now())));
    const before = await countExpiring(world());
    assert.ok((before.sign_in_states ?? 0) > 0);
    await sweep();
    assert.deepEqual(await countExpiring(world()), before);
    app.clock.advance(400 * DAY);
    await sweep();
    assert.deepEqual(await countExpiring(world()), {
      sign_in_states: 0,
      hand_offs: 0,
      sessions: 0,
      failed_logins: 0,
    });
  });
});

describe('starting sign-ins', () => {
  const LIMIT = 20;

  it('is limited per address, and writes nothing beyond it', async () => {
    const database = await databases[0]?.create();
    assert.ok(database);
    await using world = await startGated(database, [`--rate-limit=${LIMIT}`]);
    const statuses: number[] = [];
    for (let count = 0; count < LIMIT + 5; count++) {
      statuses.push((await world.browser().get(`${world.team}/cdn-cgi/access/login`)).status);
    }
    assert.deepEqual(new Set(statuses.slice(0, LIMIT)), new Set([302]));
    assert.deepEqual(new Set(statuses.slice(LIMIT)), new Set([429]));
    assert.equal((await readRows(world.database)).sign_in_states?.length, LIMIT);
    // The API has a window of its own: whoever floods sign-in locks no administrator out.
    assert.equal((await world.app.api('GET', `/accounts/${world.account_id}`)).status, 200);
  });

  it('counts the /64 network of an IPv6 address, and an IPv4 address by itself', async () => {
    const database = await databases[0]?.create();
    assert.ok(database);
    await using world = await startGated(database, [`--rate-limit=${LIMIT}`]);
    const from = async (address: string) => {
      const headers = { 'x-forwarded-for': address };
      return (await world.browser().request(`${world.team}/cdn-cgi/access/login`, { headers })).status;
    };
    for (let count = 0; count < LIMIT; count++) assert.equal(await from(`2001:db8:0:1:${count}::1`), 302);
    assert.equal(await from('2001:db8:0:1:ffff::2'), 429);
    assert.equal(await from('2001:db8:0:2::1'), 302);
    for (let count = 1; count <= LIMIT + 1; count++) assert.equal(await from(`192.0.2.${count}`), 302);
  });
});
