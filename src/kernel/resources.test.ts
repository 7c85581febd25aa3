import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  accountRegion,
  countResources,
  isWithin,
  overlap,
  parseResources,
  type Region,
  regionsOf,
  userRegion,
  zoneRegion,
} from './resources.ts';

const one = '1'.repeat(32);
const two = '2'.repeat(32);
const account = 'com.cloudflare.api.account.';
const zone = 'com.cloudflare.api.account.zone.';
const user = 'com.cloudflare.api.user.';

test('a name that does not read stands for nothing', () => {
  const names = [
    `${account}x`,
    `${account}zone`,
    `${user}*`,
    `x${account}${one}`,
    `${account}${one} `,
    '',
    '.',
    '*',
  ];
  for (const name of names) {
    assert.deepEqual(regionsOf({ [name]: '*' }), [], name);
    assert.equal(parseResources({ [name]: '*' }, '').ok, false, name);
  }
});

test('each name stands for its region', () => {
  const resources = {
    [`${account}${one}`]: '*',
    [`${account}*`]: { [`${zone}${two}`]: '*', [`${zone}*`]: '*' },
    [`${zone}${one}`]: '*',
    [`${zone}*`]: '*',
    [`${user}${one}`]: '*',
  } as const;
  assert.deepEqual(parseResources(resources, ''), { ok: true, value: resources });
  assert.equal(countResources(resources), 6);
  assert.deepEqual(regionsOf(resources), [
    accountRegion(one),
    zoneRegion('*', two),
    zoneRegion('*', '*'),
    zoneRegion('*', one),
    zoneRegion('*', '*'),
    userRegion(one),
  ]);
});

test('the account of a zone is looked up unless the resource itself says it', () => {
  const accountOfZone = (id: string) => (id === one ? two : null);
  const resources = { [`${zone}${one}`]: '*', [`${account}*`]: { [`${zone}${one}`]: '*' } } as const;
  assert.deepEqual(regionsOf(resources, accountOfZone), [zoneRegion(two, one), zoneRegion(two, one)]);
  assert.deepEqual(regionsOf({ [`${account}${one}`]: { [`${zone}${one}`]: '*' } }, accountOfZone), [
    zoneRegion(one, one),
  ]);
  assert.deepEqual(regionsOf({ [`${zone}${two}`]: '*' }, accountOfZone), [zoneRegion('*', two)]);
});

const id = fc.constantFrom('*', one, two);
const region: fc.Arbitrary<Region> = fc.oneof(
  id.map(accountRegion),
  fc.tuple(id, id).map(([owner, name]) => zoneRegion(owner, name)),
  id.map(userRegion),
);

test('property: being within is an order, and overlap is what a common part makes of it', () => {
  fc.assert(
    fc.property(region, region, region, (a, b, c) => {
      assert.ok(isWithin(a, a));
      if (isWithin(a, b) && isWithin(b, c)) assert.ok(isWithin(a, c));
      if (isWithin(a, b) && isWithin(b, a)) assert.deepEqual(a, b);
      if (isWithin(a, b) && isWithin(a, c)) assert.ok(overlap(b, c));
      assert.equal(overlap(a, b), overlap(b, a));
    }),
    { numRuns: 2000 },
  );
});

test('property: two regions overlap exactly if something is within both', () => {
  const things = [one, two, '3'].flatMap((owner) => [one, two, '3'].map((name) => ({ owner, id: name })));
  fc.assert(
    fc.property(region, region, (a, b) => {
      const common = [...things.map((thing) => ({ ...thing, kind: a.kind })), { ...a }, { ...b }];
      assert.equal(
        overlap(a, b),
        common.some((thing) => isWithin(thing, a) && isWithin(thing, b)),
      );
    }),
  );
});
