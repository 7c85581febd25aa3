import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type Cloudflare from 'cloudflare';
import { ask, create, FAMILIES, sdkOf } from '../support/conformance/families.ts';
import { type Inhabited, inhabit } from '../support/conformance/tenants.ts';
import { enrolTestDevice, type TestDevice } from '../support/devices.ts';
import { onBothDatabases, type Stage } from '../support/stage.ts';

/* Lists that change while they are walked. */

/** A list, and what makes and takes away what it lists. */
interface Walked {
  readonly list: (sdk: Cloudflare, account_id: string, perPage: number) => AsyncIterable<object>;
  readonly collection: string;
  readonly key?: string;
  readonly make: () => Promise<string>;
}

/** Rows of one walk, of which a third goes and as many come while it is walked a few at a time. */
const ROWS = 12;
const PER_PAGE = 5;

/** No walk of these tests meets more. */
const MOST = 1000;

/** How lists of devices are ordered; what is made on the way comes before or after what is left to walk. */
const ORDERS = ['id', 'created_at', 'last_seen_at'] as const;

onBothDatabases('a walk over a list under change', (stage) => {
  const set: { account?: Inhabited } = {};
  before(async () => {
    [set.account] = await inhabit(stage.app, ['quokka', 'axolotl']);
  });
  const own = () => set.account ?? assert.fail();

  for (const [name, family] of Object.entries(FAMILIES)) {
    test(`of ${name} that come and go loses nobody who stayed, and ends`, async () => {
      await walkUnderChange(stage, own(), { ...family, make: () => create(stage.app, own(), family) });
      const target = `/accounts/${own().accountId}/${family.collection}?page=1000`;
      const past = await ask(stage.app, own(), 'GET', target);
      assert.deepEqual([past.status, past.body.result], [200, []], 'past the last page there is nothing');
    });
  }

  for (const sort_by of ORDERS) {
    for (const sort_order of ['asc', 'desc'] as const) {
      const order = { sort_by, sort_order };
      test(`of registrations by ${sort_by}, ${sort_order}, loses nobody who stayed, and ends`, async () => {
        const email = `registered.${sort_by}.${sort_order}@${own().mark}.test`;
        await walkUnderChange(stage, own(), {
          list: (sdk, account_id, per_page) =>
            sdk.zeroTrust.devices.registrations.list({ account_id, per_page, ...order }),
          collection: 'devices/registrations',
          make: async () => (await newDevice(stage, own(), email)).registrationId,
        });
      });

      test(`of physical devices by ${sort_by}, ${sort_order}, loses nobody who stayed, and ends`, async () => {
        const email = `physical.${sort_by}.${sort_order}@${own().mark}.test`;
        await walkUnderChange(stage, own(), {
          list: (sdk, account_id, per_page) =>
            sdk.zeroTrust.devices.devices.list({ account_id, per_page, ...order }),
          collection: 'devices/physical-devices',
          make: async () => (await newDevice(stage, own(), email)).deviceId,
        });
      });
    }
  }

  for (const direction of ['asc', 'desc'] as const) {
    test(`of the audit log, ${direction}, meets every entry once while others are written`, async () => {
      const { accountId } = own();
      const span = { account_id: accountId, since: '2020-01-01T00:00:00Z', before: '2100-01-01T00:00:00Z' };
      const { audit } = sdkOf(stage.app, own()).accounts.logs;
      const there = (await audit.list({ ...span, direction, limit: MOST })).result.map(({ id }) => id);
      assert.ok(there.length > ROWS && there.length < MOST);
      const times = await walk(audit.list({ ...span, direction, limit: 20 }), 'id', async (met) => {
        if (met % 10 === 0) await create(stage.app, own(), FAMILIES.tags ?? assert.fail());
      });
      assertMetOnce(times, there);
      assert.equal(times.size > there.length, direction === 'asc', 'what is newer comes last');
    });
  }
});

/** Whom a walk has met, and how often; `between` is called after each, with how many there were. */
async function walk(
  list: AsyncIterable<object>,
  key: string,
  between: (met: number) => Promise<void>,
): Promise<Map<string, number>> {
  const times = new Map<string, number>();
  let met = 0;
  for await (const item of list) {
    const id = String((item as Record<string, unknown>)[key]);
    times.set(id, (times.get(id) ?? 0) + 1);
    met += 1;
    assert.ok(met < MOST, 'the walk ends');
    await between(met);
  }
  return times;
}

function assertMetOnce(times: ReadonlyMap<string, number>, stayed: readonly (string | undefined)[]): void {
  for (const id of stayed) assert.equal(times.get(id ?? ''), 1, 'whoever stayed is met once');
  const twice = [...times].filter(([, count]) => count > 1);
  assert.deepEqual(twice, [], 'nobody is met twice');
}

async function walkUnderChange(stage: Stage, own: Inhabited, walked: Walked): Promise<void> {
  const { key = 'id', collection, make } = walked;
  const ids: string[] = [];
  for (let row = 0; row < ROWS; row += 1) ids.push(await make());
  const leaving = ids.filter((_id, at) => at % 3 === 0);
  const stayed = ids.filter((_id, at) => at % 3 !== 0);
  const list = walked.list(sdkOf(stage.app, own), own.accountId, PER_PAGE);
  const times = await walk(list, key, async () => {
    const next = leaving.pop();
    if (next === undefined) return;
    const target = `/accounts/${own.accountId}/${collection}/${next}`;
    const answer = await ask(stage.app, own, 'DELETE', target);
    assert.ok(answer.status < 300, JSON.stringify(answer.body));
    await make();
  });
  assert.equal(leaving.length, 0, 'the list changed while it was walked');
  assertMetOnce(times, stayed);
}

/** A device with a registration; one person has but so many. */
async function newDevice({ app }: Stage, { accountId }: Inhabited, email: string): Promise<TestDevice> {
  return await enrolTestDevice(app, { accountId, email });
}
