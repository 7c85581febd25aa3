import { below, collect, isObject, misread, own, type Parsed, parsed } from '../kernel/result.ts';
import type { DeviceFacts } from '../protocol/state.ts';

/** What a device that wants to be enrolled says of itself. */
export interface AskedEnrolment {
  readonly name: string;
  readonly hardwareId: string | null;
  readonly facts: DeviceFacts;
}

/** What an enrolled device says of itself anew. */
export interface DeviceReport {
  readonly facts: DeviceFacts;
  readonly name: string | null;
}

const TYPES: readonly string[] = ['windows', 'mac', 'linux', 'android', 'ios', 'chromeos'];

const TEXTS = [
  'os_version',
  'os_version_extra',
  'os_distro_name',
  'os_distro_revision',
  'serial_number',
  'model',
  'manufacturer',
  'mac_address',
  'client_version',
] as const satisfies readonly (keyof DeviceFacts)[];

const LONGEST_NAME = 100;
const LONGEST_TEXT = 255;

/** Controls, lone surrogates, and what would show a text in another order than it is written. */
const NOT_SHOWN = /[\p{Cc}\p{Cs}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** In a name no mark of form or line either: names are read by people, side by side. */
const NOT_IN_NAMES = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** What alone shows nothing. */
const BLANK = /[\s\p{Default_Ignorable_Code_Point}\p{M}\u2800]/gu;

/** Reads `{name, hardware_id?, facts}`, and nothing else. */
export function readEnrolment(body: unknown): Parsed<AskedEnrolment> {
  if (!isObject(body)) return misread('', 'must be a JSON object');
  const strange = refuseOthers(body, ['name', 'hardware_id', 'facts'], '');
  const name = readName(own(body, 'name'));
  const hardwareId = readHardwareId(own(body, 'hardware_id'));
  const facts = readFacts(own(body, 'facts'));
  if (strange.ok && name.ok && hardwareId.ok && facts.ok)
    return parsed({ name: name.value, hardwareId: hardwareId.value, facts: facts.value });
  return problemsOf([strange, name, hardwareId, facts]);
}

/** Reads `{name?, facts}`, and nothing else. */
export function readReport(body: unknown): Parsed<DeviceReport> {
  if (!isObject(body)) return misread('', 'must be a JSON object');
  const strange = refuseOthers(body, ['name', 'facts'], '');
  const given = own(body, 'name');
  const name = given === undefined || given === null ? parsed(null) : readName(given);
  const facts = readFacts(own(body, 'facts'));
  if (strange.ok && name.ok && facts.ok) return parsed({ name: name.value, facts: facts.value });
  return problemsOf([strange, name, facts]);
}

function problemsOf(readings: readonly Parsed<unknown>[]): Parsed<never> {
  const all = collect(readings);
  return all.ok ? misread('', 'is not understood') : all;
}

function refuseOthers(body: object, known: readonly string[], pointer: string): Parsed<null> {
  const others = Object.keys(body).filter((key) => !known.includes(key));
  const [first] = others;
  return first === undefined ? parsed(null) : misread(below(pointer, first.slice(0, 60)), 'is not known');
}

function readName(value: unknown): Parsed<string> {
  const name = typeof value === 'string' ? value.normalize('NFC').trim() : '';
  const isBlank = name.replaceAll(BLANK, '') === '';
  const isOk = !isBlank && name.length <= LONGEST_NAME && !NOT_IN_NAMES.test(name);
  return isOk
    ? parsed(name)
    : misread('/name', `must be a text of 1 to ${LONGEST_NAME} characters that can be seen`);
}

function readHardwareId(value: unknown): Parsed<string | null> {
  if (value === undefined || value === null) return parsed(null);
  if (typeof value === 'string' && /^[\x21-\x7e]{8,128}$/.test(value)) return parsed(value);
  return misread('/hardware_id', 'must be 8 to 128 printable characters without spaces');
}

function readFacts(value: unknown): Parsed<DeviceFacts> {
  if (!isObject(value)) return misread('/facts', 'must be a JSON object');
  const strange = refuseOthers(value, ['type', ...TEXTS], '/facts');
  const type = own(value, 'type');
  const texts = TEXTS.map((key) => readText(own(value, key), below('/facts', key)));
  const kind: Parsed<string> =
    typeof type === 'string' && TYPES.includes(type)
      ? parsed(type)
      : misread('/facts/type', `must be one of ${TYPES.join(', ')}`);
  const all = collect<string | null>([kind, ...texts]);
  if (!strange.ok) return strange;
  if (!all.ok) return all;
  const [, ...values] = all.value;
  const facts = Object.fromEntries(TEXTS.map((key, at) => [key, values[at] ?? null]));
  return parsed({ type, ...facts } as DeviceFacts);
}

function readText(value: unknown, pointer: string): Parsed<string | null> {
  if (value === undefined || value === null) return parsed(null);
  const isOk = typeof value === 'string' && value.length <= LONGEST_TEXT && !NOT_SHOWN.test(value);
  return isOk
    ? parsed(value.trim() || null)
    : misread(pointer, `must be a text of at most ${LONGEST_TEXT} characters, or null`);
}
