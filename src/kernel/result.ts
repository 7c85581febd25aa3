/** One fault of an input: where it lies (RFC 6901) and what is wrong, in words fit for the caller. */
export interface Problem {
  readonly pointer: string;
  readonly message: string;
}

/** What came of reading an input: the value, or every problem found in it, at least one. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export function parsed<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

/** A reading that failed at one place. */
export function misread(pointer: string, message: string): Parsed<never> {
  return { ok: false, problems: [{ pointer, message }] };
}

/** All values if every reading succeeded, otherwise the problems of all that did not. */
export function collect<T>(readings: readonly Parsed<T>[]): Parsed<T[]> {
  const problems = readings.flatMap((reading) => (reading.ok ? [] : reading.problems));
  if (problems.length > 0) return { ok: false, problems };
  return parsed(readings.flatMap((reading) => (reading.ok ? [reading.value] : [])));
}

/** The RFC 6901 pointer of a member or element below another pointer. */
export function below(pointer: string, key: string | number): string {
  return `${pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** Whether a value is a JSON object: no array, no null. Its keys are to be read as own properties only. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value of an own property; undefined for what an object merely inherits. */
export function own(object: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** A text of the caller's as a problem may repeat it: quoted, and not at length. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
