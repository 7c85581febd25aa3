import { invalidAnswer } from './refused.ts';

/** An element of a signed assertion, by local names: what the provider signed is its own. */
export interface Element {
  attribute(name: string): string | null;
  /** Without white space around it; null where there are elements inside. */
  readonly text: string | null;
  /** Names of the elements inside. */
  readonly names: readonly string[];
  all(name: string): readonly Element[];
  /** The one of this name; two or none refuse the answer. */
  only(name: string): Element;
}

/** An element as xml2js tells it: attributes below `$`, text below `_`, and a list for each name of a child. */
export function toElement(parsed: unknown, called: string): Element {
  const fields = parsed !== null && typeof parsed === 'object' ? (parsed as Record<string, unknown>) : {};
  const own = (name: string): unknown => (Object.hasOwn(fields, name) ? fields[name] : undefined);
  const names = Object.keys(fields).filter((name) => name !== '$' && name !== '_');
  const text = typeof parsed === 'string' ? parsed : (own('_') ?? '');
  const attributes = (own('$') ?? {}) as Record<string, unknown>;
  const all = (name: string) => {
    const children = names.includes(name) ? own(name) : [];
    return Array.isArray(children) ? children.map((child) => toElement(child, name)) : [];
  };
  return {
    attribute: (name) => (Object.hasOwn(attributes, name) ? String(attributes[name]) : null),
    text: names.length > 0 ? null : String(text).trim(),
    names,
    all,
    only: (name) => {
      const [first, ...more] = all(name);
      if (!first || more.length > 0) throw invalidAnswer(`${called} has not exactly one ${name}`);
      return first;
    },
  };
}

const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/** An attribute that holds a time, in milliseconds since the epoch; null where it is absent. */
export function timeOf(element: Element, name: string): number | null {
  const text = element.attribute(name);
  if (text === null) return null;
  const at = DATE_TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw invalidAnswer(`${name} is no time`);
  return at;
}
