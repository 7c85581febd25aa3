import { invalidInput } from './errors.ts';
import { below, isObject, own } from './result.ts';

/**
 * Whether a setting is in the state that asks for nothing: absent, null, false, empty, an object of such, or
 * one that is switched off as a whole. A client that sends a whole object back sends these too; only another
 * value asks for something.
 */
export function isOff(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  if (!isObject(value)) return false;
  return own(value, 'enabled') === false || isDisabled(value) || Object.values(value).every(isOff);
}

/** The one setting of Cloudflare's that is off when it is true (`mfa_config`). */
function isDisabled(value: Record<string, unknown>): boolean {
  return own(value, 'mfa_disabled') === true;
}

/** Refuses, all at once, those of these settings that ask for something: they are known, and not here yet. */
export function refuseAsked(
  input: Readonly<Record<string, unknown>>,
  names: readonly string[],
  pointer = '',
): void {
  const asked = names.filter((name) => Object.hasOwn(input, name) && !isOff(input[name]));
  if (asked.length === 0) return;
  throw invalidInput(
    asked.map((name) => ({ pointer: below(pointer, name), message: name })),
    'notSupported',
  );
}
