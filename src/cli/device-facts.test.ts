import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEnrolment } from '../sign-in/device-input.ts';
import { gather, type Machine, thisMachine } from './device-facts.ts';

const machine = (more: Partial<Machine> = {}, files: Readonly<Record<string, string>> = {}): Machine => ({
  platform: 'linux',
  release: '6.12.48-amd64',
  macs: ['02:00:00:00:00:01'],
  read: (file) => files[file] ?? null,
  ...more,
});

test('a system that is not known is not enrolled', () => {
  assert.throws(() => gather(machine({ platform: 'sunos' })), /devices on sunos cannot be enrolled/);
});

test('what makers write where they have nothing to say is nothing', () => {
  for (const text of [
    '',
    ' \n',
    '0',
    'None\n',
    'To be filled by O.E.M.',
    'Default string',
    'Not Specified',
  ]) {
    const { facts } = gather(machine({}, { '/sys/class/dmi/id/product_serial': text }));
    assert.equal(facts.serial_number, null, text);
  }
});

test('a machine without files says little, and has no name of its own', () => {
  const { facts, hardwareId } = gather(machine({ macs: [] }));
  const { type, os_version, os_version_extra, client_version, ...rest } = facts;
  assert.deepEqual([type, os_version, os_version_extra], ['linux', '6.12.48', 'amd64']);
  assert.match(client_version ?? '', /^\d+\.\d+\.\d+/);
  assert.deepEqual(new Set(Object.values(rest)), new Set([null]));
  assert.equal(hardwareId, null);
});

test('a Linux tells its distribution, maker and serial number, and its machine id as a hash alone', () => {
  const id = '0123456789abcdef0123456789abcdef';
  const { facts, hardwareId } = gather(
    machine(
      {},
      {
        '/etc/os-release': `# comment\nNAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="13"\nX='y'\n`,
        '/etc/machine-id': `${id}\n`,
        '/sys/class/dmi/id/product_serial': 'PF-1\u0007\n',
        '/sys/class/dmi/id/product_name': 'T14\n',
        '/sys/class/dmi/id/sys_vendor': 'LENOVO\n',
      },
    ),
  );
  assert.deepEqual(
    [facts.os_distro_name, facts.os_distro_revision, facts.serial_number, facts.model, facts.manufacturer],
    ['debian', '13', 'PF-1', 'T14', 'LENOVO'],
  );
  assert.match(hardwareId ?? '', /^[0-9a-f]{64}$/);
  assert.ok(!JSON.stringify({ facts, hardwareId }).includes(id));
  assert.equal(gather(machine({}, { '/etc/machine-id': id })).hardwareId, hardwareId);
});

test('a Mac tells the version that people know, and a Windows its build', () => {
  const file = '/System/Library/CoreServices/SystemVersion.plist';
  const plist = '<key>ProductVersion</key>\n\t<string>15.3.1</string>';
  const mac = gather(machine({ platform: 'darwin', release: '24.3.0' }, { [file]: plist })).facts;
  assert.deepEqual([mac.type, mac.os_version, mac.os_distro_name], ['mac', '15.3.1', null]);
  assert.equal(gather(machine({ platform: 'darwin', release: '24.3.0' })).facts.os_version, '24.3.0');
  const windows = gather(machine({ platform: 'win32', release: '10.0.26100' })).facts;
  assert.deepEqual([windows.type, windows.os_version], ['windows', '10.0.26100']);
});

test('what this machine says of itself is an enrolment that the server understands', () => {
  const { facts, hardwareId } = gather(thisMachine());
  const read = readEnrolment({ name: 'this', hardware_id: hardwareId, facts });
  assert.ok(read.ok, JSON.stringify(read));
  assert.deepEqual(read.value, { name: 'this', hardwareId, facts });
});
