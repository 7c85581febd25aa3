/**
 * Milliseconds of a duration in the notation that Cloudflare shares with Go (`300ms`, `2h45m`, `730h`, `0s`;
 * reference §3.3), or null if the text is none. Terms may repeat and come in any order; units are h, m, s,
 * ms, us (or µs) and ns; a bare `0` is the one number that needs no unit.
 *
 * Signs and fractions are refused, and so is what is no whole number of milliseconds or does not fit the
 * 64-bit nanoseconds that Go counts in (about 292 years). Linear in the text, which has at most 64 characters.
 */
export function parseDuration(text: string): number | null {
  if (text.length === 0 || text.length > LONGEST) return null;
  if (text === '0') return 0;
  let total = 0n;
  for (let at = 0; at < text.length; ) {
    const unitAt = skip(text, at, isDigit);
    const end = skip(text, unitAt, (character) => !isDigit(character));
    const unit = NANOSECONDS.get(text.slice(unitAt, end));
    if (unitAt === at || unit === undefined) return null;
    total += BigInt(text.slice(at, unitAt)) * unit;
    at = end;
  }
  return total <= MOST && total % MILLISECOND === 0n ? Number(total / MILLISECOND) : null;
}

const LONGEST = 64;
const MOST = 2n ** 63n - 1n;
const MILLISECOND = 1_000_000n;

/** The micro sign has two code points, and Go knows both. */
const NANOSECONDS: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1_000n],
  ['\u00b5s', 1_000n],
  ['\u03bcs', 1_000n],
  ['ms', MILLISECOND],
  ['s', 1_000n * MILLISECOND],
  ['m', 60_000n * MILLISECOND],
  ['h', 3_600_000n * MILLISECOND],
]);

function isDigit(character: string): boolean {
  return character >= '0' && character <= '9';
}

/** The first position from `at` on whose character does not pass. */
function skip(text: string, at: number, passes: (character: string) => boolean): number {
  let end = at;
  while (end < text.length && passes(text.charAt(end))) end++;
  return end;
}
