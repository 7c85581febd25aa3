import { own } from '../kernel/result.ts';
import type { Claims } from '../policy/rules.ts';
import { invalidAnswer } from './refused.ts';

/** What an OpenID provider told of a person: an ID token, with what was asked for beside it. */
export type Told = Readonly<Record<string, unknown>>;

const MOST_VALUES = 200;
/** Characters of one value that is kept. */
export const LONGEST_VALUE = 1024;
/** Bytes of UTF-8 of all names and values that are kept of a person: a gate holds them for each session. */
const MOST_KEPT = 16 * 1024;

/**
 * The claims of these names, each with its values as texts: texts, numbers, booleans, and lists of these; what holds
 * further parts is left out. Beyond the bounds, and where the provider keeps a claim somewhere else (OpenID Connect
 * Core §5.6.2; Entra's overage of groups), the sign-in is refused: a policy must not be evaluated on a part of what
 * the provider knows, since what it excludes might be in the rest.
 */
export function keepClaims(told: Told, names: readonly string[]): Claims {
  return keepValues(names, (name) => {
    if (isElsewhere(told, name)) throw invalidAnswer(`${name} is left out of the token`);
    const values = textsOf(own(told, name));
    if (values.every(isKeepable)) return values;
    throw invalidAnswer(`a value of ${name} that cannot be kept`);
  });
}

/** The values of these names, each name once; without those that have none. Beyond the bounds it refuses the sign-in. */
export function keepValues(names: readonly string[], valuesOf: (name: string) => readonly string[]): Claims {
  const kept: [string, readonly string[]][] = [];
  let size = 0;
  for (const name of new Set(names)) {
    const values = valuesOf(name);
    if (values.length === 0) continue;
    size += bytesOf([name, ...values]);
    if (values.length > MOST_VALUES || size > MOST_KEPT) throw invalidAnswer(`too many values of ${name}`);
    kept.push([name, values]);
  }
  // Own properties, whatever they are called.
  return Object.fromEntries(kept);
}

/** How they proved themselves (RFC 8176); some providers send one method as a text. */
export function readAmr({ amr }: Told): string[] {
  const methods = textsOf(amr);
  const isTooMuch = methods.length > MOST_VALUES || bytesOf(methods) > MOST_KEPT;
  if (isTooMuch || !methods.every(isKeepable)) throw invalidAnswer('amr cannot be kept');
  return methods;
}

function bytesOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

/** Entra says `hasgroups` where a token has no room for any of them. */
function isElsewhere(told: Told, name: string): boolean {
  const elsewhere = told._claim_names;
  if (name === 'groups' && told.hasgroups !== undefined && told.hasgroups !== false) return true;
  return typeof elsewhere === 'object' && elsewhere !== null && Object.hasOwn(elsewhere, name);
}

function textsOf(value: unknown): string[] {
  return (Array.isArray(value) ? value : [value]).flatMap((one: unknown) => {
    if (typeof one === 'string') return [one];
    return typeof one === 'number' || typeof one === 'boolean' ? [String(one)] : [];
  });
}

/** Nothing that a database could not keep as it is, or a reader would not see. */
function isKeepable(value: string): boolean {
  return value.length <= LONGEST_VALUE && value.isWellFormed() && !/\p{Cc}/u.test(value);
}
