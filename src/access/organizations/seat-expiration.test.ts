import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asking } from '../../../test/support/access.ts';
import { type Refusal, refuses } from '../../../test/support/refusals.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { HOUR } from '../../kernel/clock.ts';
import { inactiveTimeOf, listSeatExpirations } from './seat-expiration.ts';

const POINTER = '/user_seat_expiration_inactive_time';
const path = ({ app }: Stage) => `/accounts/${app.credentials.account_id}/access/organizations`;
const wrongTime: Refusal = {
  status: 400,
  code: 12139,
  pointer: POINTER,
  says: /^access\.api\.error\.user_seat_expiration_invalid_time/,
};

const wrong: readonly (readonly [name: string, value: unknown, says?: RegExp])[] = [
  ['less than a month', '729h59m59s'],
  ['as an older example has it', '720h'],
  ['more than a year', '8760h1ms'],
  ['days, which Go does not know', '31d'],
  ['a number alone', '730'],
  ['below nothing', '-730h'],
  ['a fraction', '730.5h'],
  ['blanks', ' '],
  ['a duration in blanks', ' 730h '],
  ['several, with a comma', '730h,731h'],
  ['a number', 730, /invalid_request/],
  ['true', true, /invalid_request/],
  ['a list', ['730h'], /invalid_request/],
  ['a very long one', `${'0'.repeat(64)}730h`, /invalid_request/],
];

refuses(
  'inactive times of seats that are refused',
  async (stage: Stage) => stage,
  wrong.map(([name, value, says]) => ({
    name,
    sends: (stage) => asking(stage.app, 'PUT', path(stage), { name: 'New', [POINTER.slice(1)]: value }),
    refusal: says ? { ...wrongTime, code: 12130, says } : wrongTime,
  })),
);

onBothDatabases('the inactive time of seats', (stage) => {
  const set = async (value: string | null, method = 'PUT') => {
    const { status, body } = await stage.app.api(method, path(stage), {
      body: { [POINTER.slice(1)]: value },
    });
    assert.equal(status, 200, JSON.stringify(body));
    return body.result.user_seat_expiration_inactive_time;
  };
  const known = async () => {
    const { reader } = stage.app.app.control.database;
    const { account_id } = stage.app.credentials;
    const one = await inactiveTimeOf(reader, account_id);
    const listed = await listSeatExpirations(reader);
    assert.deepEqual(listed, one === null ? [] : [{ accountId: account_id, inactiveTime: one }]);
    return one;
  };

  test('is off until it is set, and again when it is nought, empty or null', async () => {
    assert.equal(await known(), null);
    for (const off of ['0', '', '0h', null]) {
      assert.equal(await set('730h'), '730h');
      assert.equal(await known(), 730 * HOUR);
      assert.equal(await set(off), undefined);
      assert.equal(await known(), null);
    }
  });

  test('is answered as it was given, from a month to a year, and stays while other things change', async () => {
    for (const time of ['730h', '8760h', '1000h30m', '43800m']) assert.equal(await set(time, 'PATCH'), time);
    const before = (await stage.app.api('GET', path(stage))).body.result;
    const { body } = await stage.app.api('PUT', path(stage), { body: { name: 'Renamed' } });
    assert.equal(body.result.user_seat_expiration_inactive_time, '43800m');
    const again = await stage.app.api('PUT', path(stage), { body: before });
    assert.deepEqual({ ...again.body.result, updated_at: '' }, { ...before, updated_at: '' });
  });

  test('is never shorter than a month, whatever is stored', async () => {
    const { database } = stage.app.app.control;
    const settings = JSON.stringify({ user_seat_expiration_inactive_time: '1h' });
    await database.write((tx) => tx.query.updateTable('organizations').set({ settings }).execute());
    assert.equal(await known(), 730 * HOUR);
    await database.write((tx) => tx.query.updateTable('organizations').set({ settings: '{}' }).execute());
  });
});
