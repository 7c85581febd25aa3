/** Why a request target has no path that means one thing to every server on the way. */
export type PathRefusal =
  | 'not_a_path'
  | 'fragment'
  | 'non_ascii'
  | 'invalid_escape'
  | 'control_character'
  | 'backslash'
  | 'semicolon'
  | 'empty_segment'
  | 'encoded_slash'
  | 'encoded_dot_segment'
  | 'invalid_utf8'
  | 'double_encoding'
  | 'above_root';

export type NormalisedPath = { readonly path: string } | { readonly refused: PathRefusal };

/**
 * The one path of a raw request target, for matching applications. A query is dropped.
 *
 * Percent-encoded unreserved characters are decoded, once; other escapes get upper-case digits (RFC 3986
 * §6.2.2); literal dot segments are removed (§5.2.4). Refused is whatever servers are known to read in
 * different ways (standards §4.3): any form but origin-form, fragments, empty segments, encoded slashes and
 * dot segments, backslashes and semicolons in either form, controls, non-ASCII bytes, bad escapes, `..` above
 * the root, and what decoding twice would turn into one of these or into another path. Idempotent, linear.
 */
export function normalisePath(rawTarget: string): NormalisedPath {
  const raw = beforeQuery(rawTarget);
  if (rawTarget.includes('#')) return { refused: 'fragment' };
  // Most paths need no work, and every request at the gate comes through here.
  if (PLAIN.test(raw)) return { path: raw };
  for (const [refused, pattern] of AMBIGUOUS) if (pattern.test(raw)) return { refused };
  if (!isUtf8(raw)) return { refused: 'invalid_utf8' };
  const decoded = raw.replace(ESCAPE, decodeUnreserved);
  return isEncodedTwice(decoded) ? { refused: 'double_encoding' } : removeDotSegments(decoded);
}

/** Unreserved characters alone, no segment empty or beginning with a dot. */
const PLAIN = /^(?:\/|(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+\/?)$/;

/** In this order; the later patterns rely on the escapes being well formed. */
const AMBIGUOUS: readonly (readonly [PathRefusal, RegExp])[] = [
  ['not_a_path', /^(?!\/)/],
  ['non_ascii', /\P{ASCII}/u],
  ['invalid_escape', /%(?![0-9a-f]{2})/i],
  ['control_character', /[^!-~]|%[01]|%7f/i],
  ['backslash', /\\|%5c/i],
  ['semicolon', /;|%3b/i],
  ['empty_segment', /\/\//],
  ['encoded_slash', /%2f/i],
  ['encoded_dot_segment', /\/(?:%2e(?:\.|%2e)?|\.%2e)(?=\/|$)/i],
];

const ESCAPE = /%[0-9a-f]{2}/gi;
const ENCODED_PERCENT = /%25([0-9a-f]{2})/gi;
const UNRESERVED = /[A-Za-z0-9._~-]/;

/** What nobody encodes twice but to slip past one of two decoders: the ambiguous, and what needs no encoding. */
const SUSPECT = /[^ -~]|[A-Za-z0-9._~\-/\\;%]/;

function beforeQuery(target: string): string {
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
}

/** Overlong forms, such as `%c0%af` for a slash, are no UTF-8. */
function isUtf8(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

function decodeUnreserved(triplet: string): string {
  const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
  return UNRESERVED.test(character) ? character : triplet.toUpperCase();
}

function isEncodedTwice(path: string): boolean {
  for (const [, digits = ''] of path.matchAll(ENCODED_PERCENT)) {
    const code = Number.parseInt(digits, 16);
    if (code < 0x80 && SUSPECT.test(String.fromCharCode(code))) return true;
  }
  return false;
}

function removeDotSegments(path: string): NormalisedPath {
  const kept: string[] = [];
  const segments = path.split('/').slice(1);
  for (const [index, segment] of segments.entries()) {
    const isDots = segment === '.' || segment === '..';
    if (segment === '..' && kept.pop() === undefined) return { refused: 'above_root' };
    if (!isDots) kept.push(segment);
    else if (index === segments.length - 1) kept.push('');
  }
  return { path: `/${kept.join('/')}` };
}
