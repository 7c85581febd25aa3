import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toNamedList } from './named-sets.ts';
import {
  type DeviceFacts,
  foldSerial,
  meetsPosture,
  type OsVersionInput,
  type PostureRule,
  parseVersion,
} from './posture.ts';

const SILENT: DeviceFacts = {
  ...{
    type: 'linux',
    os_version: null,
    os_version_extra: null,
    os_distro_name: null,
    os_distro_revision: null,
  },
  ...{ serial_number: null, model: null, manufacturer: null, mac_address: null, client_version: null },
};
const device = (facts: Partial<DeviceFacts> = {}) => ({ device_id: 'd1', facts: { ...SILENT, ...facts } });
const rule = (more: Partial<PostureRule> = {}): PostureRule => ({
  ...{ id: 'r', name: 'R', type: 'warp', platforms: [], os_version: null, list_id: null },
  ...more,
});
const LISTS = new Map([
  ['serials', toNamedList({ type: 'serial', items: ['sn-1'] })],
  ['devices', toNamedList({ type: 'device', items: ['d1'] })],
]);
const meets = (one: PostureRule, facts?: Partial<DeviceFacts>) =>
  meetsPosture(one, device(facts), (id) => LISTS.get(id));
const version = (operator: string, asked: string, more: Partial<OsVersionInput> = {}) =>
  rule({
    type: 'os_version',
    os_version: {
      operator: operator as OsVersionInput['operator'],
      version: asked,
      ...{ os_version_extra: null, os_distro_name: null, os_distro_revision: null },
      ...more,
    },
  });

test('a rule is met on its platforms alone', () => {
  assert.equal(meets(rule()), true);
  assert.equal(meets(rule({ platforms: ['mac', 'linux'] })), true);
  assert.equal(meets(rule({ platforms: ['mac'] })), false);
});

test('versions are compared number by number, and of two that begin alike the longer is the newer', () => {
  const compared: readonly (readonly [said: string, operator: string, asked: string, is: boolean])[] = [
    ['6.12.48', '>=', '6.12', true],
    ['6.9', '>=', '6.12', false],
    ['6.12', '==', '6.12', true],
    ['6.12', '==', '6.12.0', false],
    ['6.12', '<', '6.12.0', true],
    ['10.0.22631.4460', '>', '10.0.22631', true],
    ['9', '<=', '10', true],
    ['10', '<', '10', false],
    ['010.1', '==', '10.01', true],
  ];
  for (const [said, operator, asked, is] of compared)
    assert.equal(meets(version(operator, asked), { os_version: said }), is, `${said} ${operator} ${asked}`);
});

test('what a device does not say, says oddly, or is asked in an odd way, cannot be known', () => {
  const odd = [null, '', '6.12-rc1', 'v6', '6..1', '1.2.3.4.5.6.7.8.9', '1234567890'];
  for (const os_version of odd)
    assert.equal(meets(version('>=', '1'), { os_version }), null, String(os_version));
  for (const asked of ['', 'x', '1.']) assert.equal(meets(version('>=', asked), { os_version: '6' }), null);
  assert.equal(meets(version('~', '1'), { os_version: '6' }), null);
  assert.equal(meets(rule({ type: 'firewall' as 'warp' })), null);
  assert.deepEqual([parseVersion('6.12.48'), parseVersion('6 ')], [[6, 12, 48], null]);
});

test('everything that is asked of a version must be so, and one that is not decides', () => {
  const asked = version('>=', '6', { os_distro_name: 'Debian', os_distro_revision: '13' });
  const said = { os_version: '6.1', os_distro_name: 'debian', os_distro_revision: '13' };
  assert.equal(meets(asked, said), true);
  assert.equal(meets(asked, { ...said, os_distro_revision: '12' }), false);
  assert.equal(meets(asked, { ...said, os_distro_revision: null }), null);
  assert.equal(meets(asked, { ...said, os_distro_revision: null, os_distro_name: 'ubuntu' }), false);
});

test('a list must be there, of its type, and have the device', () => {
  const serial = (id: string | null) => rule({ type: 'serial_number', list_id: id });
  assert.equal(meets(serial('serials'), { serial_number: ' SN-1 ' }), true);
  assert.equal(meets(serial('serials'), { serial_number: 'SN-2' }), false);
  assert.equal(meets(serial('serials')), null);
  for (const id of ['gone', 'devices', null])
    assert.equal(meets(serial(id), { serial_number: 'SN-1' }), null);
  assert.equal(meets(rule({ type: 'unique_client_id', list_id: 'devices' })), true);
  assert.equal(meets(rule({ type: 'unique_client_id', list_id: 'serials' })), null);
  assert.equal(foldSerial(foldSerial('  ΣΑΣ ')), foldSerial('σας'));
});
