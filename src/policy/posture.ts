import { foldCase } from '../kernel/text.ts';
import type { NamedList } from './rules.ts';

/** What a device says of itself, when it enrols and whenever it reports; null where it does not say. */
export interface DeviceFacts {
  readonly type: 'windows' | 'mac' | 'linux' | 'android' | 'ios' | 'chromeos';
  /** As `6.12.48`, of the kernel on Linux. */
  readonly os_version: string | null;
  readonly os_version_extra: string | null;
  readonly os_distro_name: string | null;
  readonly os_distro_revision: string | null;
  readonly serial_number: string | null;
  readonly model: string | null;
  readonly manufacturer: string | null;
  readonly mac_address: string | null;
  readonly client_version: string | null;
}

/** A device that whoever asks has proven to be theirs. */
export interface ProvenDevice {
  /** The physical device. */
  readonly device_id: string;
  readonly facts: DeviceFacts;
}

/** A device posture rule, as it is evaluated. */
export interface PostureRule {
  readonly id: string;
  readonly name: string;
  readonly type: 'warp' | 'os_version' | 'serial_number' | 'unique_client_id';
  /** Kinds of devices that it is for; empty for all. On any other it is not met. */
  readonly platforms: readonly DeviceFacts['type'][];
  /** Of `os_version`. */
  readonly os_version: OsVersionInput | null;
  /** Of `serial_number` and `unique_client_id`: the list that must have the device. */
  readonly list_id: string | null;
}

export interface OsVersionInput {
  readonly operator: '<' | '<=' | '>' | '>=' | '==';
  /** Numbers with dots between them. */
  readonly version: string;
  readonly os_version_extra: string | null;
  readonly os_distro_name: string | null;
  readonly os_distro_revision: string | null;
}

/** As evaluate.ts has it; null: it cannot be known. */
type Truth = boolean | null;

/**
 * Whether a device meets a posture rule. On a platform that the rule is not for it is not met. What the device does not
 * say, and a list that is not there, cannot be known.
 */
export function meetsPosture(
  rule: PostureRule,
  { device_id: id, facts }: ProvenDevice,
  list: (id: string) => NamedList | undefined,
): Truth {
  if (rule.platforms.length > 0 && !rule.platforms.includes(facts.type)) return false;
  const listed = (type: NamedList['type'], value: string | null): Truth => {
    const named = rule.list_id === null ? undefined : list(rule.list_id);
    return named?.type === type && value !== null ? named.has(value) : null;
  };
  switch (rule.type) {
    case 'warp':
      return true;
    case 'os_version':
      return rule.os_version && meetsVersion(rule.os_version, facts);
    case 'serial_number':
      return listed('serial', facts.serial_number && foldSerial(facts.serial_number));
    case 'unique_client_id':
      return listed('device', id);
    default:
      // Of a newer control plane: what is not known here is met by nobody.
      return null;
  }
}

/** A serial number as lists keep it: people write it in any case, and with blanks around it. */
export function foldSerial(text: string): string {
  return foldCase(text.trim());
}

/** The numbers of a version such as `6.12.48`; null for anything else. */
export function parseVersion(text: string): readonly number[] | null {
  return VERSION.test(text) ? text.split('.').map(Number) : null;
}

const VERSION = /^\d{1,9}(?:\.\d{1,9}){0,7}$/;

/** Three values: what is false of one part is false of all, and what cannot be known of one may be false. */
function meetsVersion(asked: OsVersionInput, facts: DeviceFacts): Truth {
  const truths = [
    compareVersions(asked, facts.os_version),
    says(asked.os_version_extra, facts.os_version_extra),
    says(asked.os_distro_name, facts.os_distro_name),
    says(asked.os_distro_revision, facts.os_distro_revision),
  ];
  if (truths.includes(false)) return false;
  return truths.includes(null) ? null : true;
}

function says(asked: string | null, said: string | null): Truth {
  if (asked === null || asked === '') return true;
  return said === null ? null : foldCase(said.trim()) === foldCase(asked.trim());
}

function compareVersions({ operator, version }: OsVersionInput, said: string | null): Truth {
  const [theirs, ours] = [said === null ? null : parseVersion(said), parseVersion(version)];
  if (!theirs || !ours) return null;
  const order = orderOf(theirs, ours);
  switch (operator) {
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
    case '==':
      return order === 0;
    default:
      return null;
  }
}

/** Number by number; of two that begin alike, the longer is the newer. */
function orderOf(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((number, index) => number !== other[index]);
  if (at < 0 || at >= other.length) return one.length - other.length;
  return (one[at] ?? 0) - (other[at] ?? 0);
}
