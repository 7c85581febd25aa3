import { normaliseCidr } from '../../kernel/address.ts';
import { normaliseEmail } from '../../kernel/email.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { below, type Problem, quote } from '../../kernel/result.ts';
import { foldSerial } from '../../policy/posture.ts';

/** An item as it was written, with the form in which it is compared. */
export interface Item {
  readonly key: string;
  readonly value: string;
  readonly description: string;
}

interface Kind {
  readonly expected: string;
  /** The form in which items are compared; null for what is none. */
  keyOf(value: string): string | null;
}

/** The types of which lists are. */
const KINDS: ReadonlyMap<string, Kind> = new Map([
  ['EMAIL', { expected: 'an e-mail address', keyOf: normaliseEmail }],
  ['IP', { expected: 'an IP address or a block in CIDR notation', keyOf: normaliseCidr }],
  ['SERIAL', { expected: 'a serial number of at most 255 printable characters', keyOf: serialKey }],
  ['DEVICE', { expected: 'the UUID of a physical device', keyOf: deviceKey }],
]);

const MOST_OF_SERIAL = 255;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function serialKey(value: string): string | null {
  const key = foldSerial(value);
  return key !== '' && [...key].length <= MOST_OF_SERIAL && !/\p{C}/u.test(key) ? key : null;
}

/** A device may be named before it is enrolled, and stays named after it is deleted: ids are never given twice. */
function deviceKey(value: string): string | null {
  const key = value.trim().toLowerCase();
  return UUID.test(key) ? key : null;
}

/** Those that Cloudflare has and that no rule of ours could name. */
const NOT_YET: ReadonlySet<string> = new Set(['AAGUID', 'CATEGORY', 'DOMAIN', 'LOCATION', 'URL']);

/** Whether it is a type of list that Cloudflare has. */
export function isListType(type: string): boolean {
  return KINDS.has(type) || NOT_YET.has(type);
}

/** Refuses a type that is not here, with a pointer. */
export function refuseType(type: string): void {
  if (KINDS.has(type)) return;
  const pointer = '/type';
  if (NOT_YET.has(type)) throw refusal('notSupported', { detail: `lists of the type ${type} yet`, pointer });
  throw invalidInput([{ pointer, message: `must be one of ${[...KINDS.keys()].join(', ')}` }]);
}

/**
 * Items of a list of that type. Of several with the same meaning the first counts: one person twice is one person.
 * What cannot be read is a 400 that names each place.
 */
export function readItems(
  type: string,
  given: readonly { readonly value: string; readonly description?: string }[],
  pointer: string,
): Item[] {
  const keys = readKeys(
    type,
    given.map(({ value }) => value),
    (index) => `${below(pointer, index)}/value`,
  );
  const items = new Map<string, Item>();
  for (const [index, { value, description = '' }] of given.entries()) {
    const key = keys[index] ?? '';
    if (!items.has(key)) items.set(key, { key, value, description });
  }
  return [...items.values()];
}

/** Values of a list of that type, in the form in which they are compared. */
export function readKeys(
  type: string,
  values: readonly string[],
  pointerOf: (index: number) => string,
): string[] {
  const { keyOf, expected } = KINDS.get(type) ?? unknownKind(type);
  const keys = values.map(keyOf);
  const problems: Problem[] = keys.flatMap((key, index) =>
    key === null
      ? [{ pointer: pointerOf(index), message: `${quote(values[index] ?? '')} is not ${expected}` }]
      : [],
  );
  if (problems.length > 0) throw invalidInput(problems.slice(0, 20));
  return keys.filter((key) => key !== null);
}

/** Rows are written with a type that was checked. */
function unknownKind(type: string): never {
  throw new Error(`a list of the type ${type}`);
}
