import { randomOf } from '../kernel/crypto.ts';

/** RFC 8628 §6.1: no vowels, so that no words come of it, and nothing that is mistaken for a digit. */
const ALPHABET = 'BCDFGHJKLMNPQRSTVWXZ';
const LENGTH = 8;
const CODE = new RegExp(`^[${ALPHABET}]{${LENGTH}}$`);

/** A new code that a person compares: 34 bits, without its hyphen. */
export function newUserCode(): string {
  return randomOf(ALPHABET, LENGTH);
}

/** As it is shown: `XXXX-XXXX`. */
export function showUserCode(code: string): string {
  return `${code.slice(0, LENGTH / 2)}-${code.slice(LENGTH / 2)}`;
}

/** The code that somebody typed, in whatever case, with or without hyphen and spaces; null if it is none. */
export function readUserCode(text: string): string | null {
  const code = text.length <= 64 ? text.toUpperCase().replaceAll(/[\s\p{Pd}]/gu, '') : '';
  return CODE.test(code) ? code : null;
}
