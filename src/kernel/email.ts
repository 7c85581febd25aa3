import { domainToASCII, domainToUnicode } from 'node:url';

/**
 * The unique key of an e-mail address, or null if the text is no plausible address.
 *
 * The key is the address in NFC, its local part lower-cased in ASCII only, its domain in ASCII (UTS 46),
 * lower-cased. Two spellings with one key are one person, so it is computed here and never by a database.
 * Local parts are dot-atoms (RFC 5321 §4.1.2) whose atoms may hold any visible non-ASCII character
 * (RFC 6531); quoted local parts, address literals and invisible characters are refused. The function is
 * idempotent.
 */
export function normaliseEmail(text: string): string | null {
  const composed = compose(text);
  if (composed === null) return null;
  const [local = '', domain = '', ...more] = composed.split('@');
  if (more.length > 0) return null;
  const left = normaliseLocal(local);
  const right = normaliseDomain(domain);
  if (left === null || right === null) return null;
  const key = `${left}@${right}`;
  return key.length > LONGEST_KEY ? null : key;
}

/** The domain of a key that `normaliseEmail` made. */
export function emailDomain(key: string): string {
  return key.slice(key.indexOf('@') + 1);
}

/**
 * A mail domain in ASCII (UTS 46), lower-cased, or null if it is none. One label is enough (`localhost`);
 * IP addresses, empty labels, a trailing dot and A-labels that decode to nothing are refused.
 */
export function normaliseDomain(text: string): string | null {
  // domainToASCII reads its argument as a URL host: it would cut it at a slash and decode per cent signs.
  const composed = compose(text);
  if (composed === null || !HOST_CHARACTERS.test(composed)) return null;
  const domain = domainToASCII(composed).toLowerCase();
  if (domain.length > LONGEST_DOMAIN) return null;
  const labels = domain.split('.');
  return labels.every(isLabel) && !ALL_DIGITS.test(labels.at(-1) ?? '') && isDecodable(domain)
    ? domain
    : null;
}

/** RFC 5321 §4.5.3.1 gives 64 + 1 + 255; the first is not enforced alone, since real mailboxes exceed it. */
const LONGEST_KEY = 320;
const LONGEST_DOMAIN = 253;
const LONGEST_LABEL = 63;
const LONGEST_INPUT = 4 * LONGEST_KEY;

const HOST_CHARACTERS = /^[A-Za-z0-9.\-\u0080-\u{10ffff}]+$/u;
const LOCAL_CHARACTERS = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.\u0080-\u{10ffff}]+$/u;
const LABEL_CHARACTERS = /^[a-z0-9-]+$/;
const ALL_DIGITS = /^[0-9]+$/;

/** Controls, spaces, format characters, lone surrogates; and unassigned ones, whose NFC is not settled. */
const INVISIBLE = /[\p{C}\p{Z}]/u;

/** Further at signs that a reader, or a mail system, might take for the real one. */
const AT_SIGNS = /[\ufe6b\uff20]/;

/** NFC comes before every other look at the text: it makes ASCII of some characters, and hides some. */
function compose(text: string): string | null {
  if (text.length > LONGEST_INPUT) return null;
  const composed = text.normalize('NFC');
  return INVISIBLE.test(composed) || AT_SIGNS.test(composed) ? null : composed;
}

function normaliseLocal(text: string): string | null {
  if (!LOCAL_CHARACTERS.test(text) || text.split('.').includes('')) return null;
  const lower = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  // Once more: h with a macron below is one character, H with it is two.
  return lower.normalize('NFC');
}

function isLabel(label: string): boolean {
  if (label.length > LONGEST_LABEL || !LABEL_CHARACTERS.test(label)) return false;
  return !label.startsWith('-') && !label.endsWith('-');
}

function isDecodable(domain: string): boolean {
  if (!domain.includes('xn--')) return true;
  return !domainToUnicode(domain)
    .split('.')
    .some((label) => label.startsWith('xn--'));
}
