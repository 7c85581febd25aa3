import { createContains, parseCidr } from '../kernel/address.ts';
import type { NamedList } from './rules.ts';

/** A list as rules ask it: e-mails normalised, or address blocks in CIDR notation. */
export function toNamedList({ type, items }: { type: 'email' | 'ip'; items: readonly string[] }): NamedList {
  if (type === 'email') {
    const emails = new Set(items);
    return { type, has: (email) => emails.has(email) };
  }
  return { type, has: createContains(items.map(parseCidr).filter((block) => block !== null)) };
}
