import { readFileSync } from 'node:fs';
import { networkInterfaces, platform, release } from 'node:os';
import { sha256 } from '../kernel/crypto.ts';
import type { DeviceFacts } from '../protocol/state.ts';
import { readVersion } from '../server/version.ts';
import { DeviceFailed } from './device-failed.ts';

/** What can be asked of this machine. */
export interface Machine {
  readonly platform: string;
  readonly release: string;
  /** The text of a file; null where there is none, or none that may be read. */
  readonly read: (file: string) => string | null;
  /** Hardware addresses of its own networks. */
  readonly macs: readonly string[];
}

/** What is said of this machine. */
export interface Gathered {
  readonly facts: DeviceFacts;
  /** By which the machine is known again whoever enrols it; null where the system has no such name. */
  readonly hardwareId: string | null;
}

const TYPES: Readonly<Record<string, DeviceFacts['type']>> = {
  linux: 'linux',
  darwin: 'mac',
  win32: 'windows',
  android: 'android',
};

/** The machine that this runs on. */
export function thisMachine(): Machine {
  const own = Object.values(networkInterfaces()).flatMap((of) => of ?? []);
  const macs = own.filter(({ internal, mac }) => !internal && mac !== '00:00:00:00:00:00');
  return { platform: platform(), release: release(), read, macs: macs.map(({ mac }) => mac).sort() };
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

/** What a device says of itself: what its system tells everybody who runs on it. Throws for a system it does not know. */
export function gather(machine: Machine): Gathered {
  const type = TYPES[machine.platform];
  if (!type) throw new DeviceFailed(`devices on ${machine.platform} cannot be enrolled`);
  const [, version = null, extra = ''] = /^(\d+(?:\.\d+){0,3})(.*)$/s.exec(versionOf(machine)) ?? [];
  const distro = distroOf(machine);
  const dmi = (name: string) => plain(machine.read(`/sys/class/dmi/id/${name}`));
  const machineId = plain(machine.read('/etc/machine-id'));
  const facts: DeviceFacts = {
    type,
    os_version: version,
    os_version_extra: plain(extra.replace(/^[-+.]/, '')),
    os_distro_name: plain(distro.get('ID')),
    os_distro_revision: plain(distro.get('VERSION_ID')),
    serial_number: dmi('product_serial'),
    model: dmi('product_name'),
    manufacturer: dmi('sys_vendor'),
    mac_address: machine.macs[0] ?? null,
    client_version: readVersion(),
  };
  // The system asks not to tell its id as it is: whoever knows it could say that they are this machine elsewhere.
  return { facts, hardwareId: machineId === null ? null : sha256(`portcullis-device ${machineId}`) };
}

/** What people call the version: on macOS that is not the kernel's. */
function versionOf({ platform, release, read }: Machine): string {
  if (platform !== 'darwin') return release;
  const plist = read('/System/Library/CoreServices/SystemVersion.plist') ?? '';
  return /<key>ProductVersion<\/key>\s*<string>([^<]*)<\/string>/.exec(plist)?.[1] ?? release;
}

/** `NAME=value` lines, with or without quotes (os-release(5)). */
function distroOf({ platform, read }: Machine): ReadonlyMap<string, string> {
  const text = platform === 'linux' ? (read('/etc/os-release') ?? read('/usr/lib/os-release') ?? '') : '';
  return new Map(
    [...text.matchAll(/^([A-Z_]+)=(?:"([^"\n]*)"|'([^'\n]*)'|([^\n]*))$/gm)].map(
      ([, name = '', double, single, bare]) => [name, double ?? single ?? bare ?? ''],
    ),
  );
}

/** What makers write where they have nothing to say. */
const NOTHING =
  /^(?:0+|none|default string|not specified|not applicable|to be filled by o\.?e\.?m\.?|system serial number|uninitialized)$/i;

/** As it may be said: one line, not too long, and not nothing. */
function plain(text: string | null | undefined): string | null {
  const one = (text ?? '')
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]/gu, ' ')
    .trim()
    .slice(0, 255);
  return one === '' || NOTHING.test(one) ? null : one;
}
