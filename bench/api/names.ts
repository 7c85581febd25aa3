import { hash } from 'node:crypto';

/* The same names as the statements of rows.ts make, of the n-th row from 1. */

export const SYLLABLES = 'belkortanmirvosdulfengarholjun';

export function surnameOf(n: number): string {
  return [1, 10, 100].map((divisor) => syllableOf(n, divisor)).join('');
}

export function emailOf(n: number): string {
  return `${syllableOf(n, 1000)}.${surnameOf(n)}${n}@example.com`;
}

export function userIdOf(n: number): string {
  return md5Uuid(`user${n}`);
}

export function md5(text: string): string {
  return hash('md5', text);
}

/** In the form of an id. */
export function md5Uuid(text: string): string {
  const digits = md5(text);
  const parts = [digits.slice(0, 8), digits.slice(8, 12), `4${digits.slice(13, 16)}`];
  return `${parts.join('-')}-8${digits.slice(17, 20)}-${digits.slice(20)}`;
}

export function groupNameOf(n: number): string {
  return `Team ${n}`;
}

function syllableOf(n: number, divisor: number): string {
  const at = 3 * (Math.floor(n / divisor) % 10);
  return SYLLABLES.slice(at, at + 3);
}
