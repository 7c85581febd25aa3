import { createContains, parseCidr } from '../kernel/address.ts';
import type { NamedList, NamedListType } from './rules.ts';

/** An account may have many lists, and addresses without number ask for them. */
const ADDRESSES_KEPT = 500;

/** A list as rules ask it: texts normalised, or address blocks in CIDR notation. */
export function toNamedList({ type, items }: { type: NamedListType; items: readonly string[] }): NamedList {
  if (type !== 'ip') {
    const texts = new Set(items);
    return { type, has: (text) => texts.has(text) };
  }
  // Read when it is first asked: a gate takes in all lists of an account in one turn.
  let contains: ((address: string) => boolean) | null = null;
  return {
    type,
    has: (address) => {
      contains ??= createContains(
        items.map(parseCidr).filter((block) => block !== null),
        ADDRESSES_KEPT,
      );
      return contains(address);
    },
  };
}
