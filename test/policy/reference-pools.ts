import { formatAddress, parseAddress } from '../../src/kernel/address.ts';
import type { ExternalQuestion } from '../../src/policy/rules.ts';

/** Choices, one after the other; when they have run out, every choice is the first, which is the simplest. */
export interface Tape {
  /** From 0 to below `count`. */
  draw(count: number): number;
  pick<Item>(items: readonly [Item, ...Item[]]): Item;
  /** Of this length, or shorter by up to `spread`. */
  several<Item>(most: number, make: () => Item): Item[];
}

export function createTape(bytes: Uint8Array): Tape {
  let at = 0;
  const draw = (count: number) => (bytes[at++] ?? 0) % count;
  return {
    draw,
    pick: (items) => items[draw(items.length)] as (typeof items)[0],
    several: (most, make) => Array.from({ length: draw(most + 1) }, make),
  };
}

/** A value as rules hold it, and as somebody may have written it. */
export interface Spelled<Value> {
  readonly clean: Value;
  readonly raw: Value;
}

type Some<Item> = readonly [Item, ...Item[]];

/** One pool for groups, lists, providers and tokens: what is kept by id must not take one for the other. */
export const IDS: Some<string> = [
  'a1b2c3d4-0000-4000-8000-00000000000a',
  'a1b2c3d4-0000-4000-8000-00000000000b',
  'a1b2c3d4-0000-4000-8000-00000000000c',
  'a1b2c3d4-0000-4000-8000-00000000000d',
  'a1b2c3d4-0000-4000-8000-00000000000e',
  'a1b2c3d4-0000-4000-8000-00000000000f',
];

/** The first of each is the key; the others are spellings of the same. */
const EMAILS: Some<Some<string>> = [
  ['ann@example.com', 'Ann@EXAMPLE.com', 'ANN@example.com'],
  ['bob@example.com', 'bob@Example.Com'],
  ['ann@sub.example.com', 'ann@SUB.example.com'],
  ['ann@notexample.com'],
  ['ann@xn--bcher-kva.example', 'Ann@Bücher.example', 'ann@bu\u0308cher.example'],
  ['ren\u00e9@example.org', 'Rene\u0301@EXAMPLE.org'],
  ['u7@example.com', 'U7@example.com'],
  ['ann+x@localhost', 'ann+X@LOCALHOST'],
];

const DOMAINS: Some<Some<string>> = [
  ['example.com', 'Example.COM'],
  ['sub.example.com', 'SUB.example.com'],
  ['xn--bcher-kva.example', 'bücher.example', 'BÜCHER.Example'],
  ['localhost', 'LocalHost'],
  ['example.org', 'EXAMPLE.org'],
];

const URLS: Some<Some<string>> = [
  ['https://asks.example/a', 'HTTPS://Asks.EXAMPLE:443/a'],
  ['https://asks.example/a?b', 'https://asks.example/x/../a?b'],
];

/** Names that an object has anyway, and texts that look like what keys are joined with. */
const TEXTS = [
  'a',
  'b',
  'A',
  'a:b',
  'b:a',
  'groups',
  'constructor',
  '__proto__',
  'a/b',
  '["a"]',
  'a\u0000b',
] as const;
export const METHODS = ['mfa', 'pwd', 'MFA', 'constructor'] as const;
export const ORGANIZATIONS = ['acme', 'acme-labs', 'dev'] as const;
export const COMMON_NAMES = ['robot', 'Robot', 'robot.example.com'] as const;

export const drawEmail = (tape: Tape) => spelledOf(tape, tape.pick(EMAILS));
export const drawDomain = (tape: Tape) => spelledOf(tape, tape.pick(DOMAINS));

/** The first more often than the others, so that what is named is met. */
export function drawKnownId(tape: Tape): string {
  return tape.draw(2) === 0 ? IDS[0] : tape.pick(IDS);
}

export function drawText(tape: Tape): string {
  return tape.draw(2) === 0 ? tape.pick(['a', 'groups', 'b']) : tape.pick(TEXTS);
}

export function drawId(tape: Tape): Spelled<string> {
  const clean = drawKnownId(tape);
  return { clean, raw: tape.draw(2) === 0 ? clean : clean.toUpperCase() };
}

export function drawName(tape: Tape): Spelled<string> {
  const clean = tape.pick(ORGANIZATIONS);
  return { clean, raw: tape.draw(2) === 0 ? clean : clean.toUpperCase() };
}

/** Every one of them, so that a case can say beforehand what would be answered. */
export const QUESTIONS: readonly ExternalQuestion[] = URLS.flatMap(([evaluate]) =>
  URLS.map(([keys]) => ({ evaluate_url: evaluate, keys_url: keys })),
);

export function drawQuestion(tape: Tape): Spelled<ExternalQuestion> {
  const evaluate = spelledOf(tape, tape.pick(URLS));
  const keys = spelledOf(tape, tape.pick(URLS));
  return {
    clean: { evaluate_url: evaluate.clean, keys_url: keys.clean },
    raw: { evaluate_url: evaluate.raw, keys_url: keys.raw },
  };
}

function spelledOf(tape: Tape, spellings: readonly [string, ...string[]]): Spelled<string> {
  return { clean: spellings[0], raw: tape.pick(spellings) };
}

const V4_BASES = [0x0a000000n, 0xc000024dn, 0xc6336407n, 0xffffffffn, 0n] as const;
const V6_BASES = [0x20010db8n << 96n, 1n, 0n, (1n << 128n) - 1n, 0x0064ff9bn << 96n] as const;
const V4_PREFIXES = [32, 24, 8, 0, 1, 7, 9, 15, 16, 17, 23, 25, 31] as const;
const V6_PREFIXES = [128, 64, 32, 0, 1, 31, 33, 63, 65, 96, 104, 127] as const;

/** An address near one of a few, with at most one bit flipped, so that blocks of any length are met and missed. */
export function drawAddress(tape: Tape): Spelled<string> {
  const isV4 = tape.draw(2) === 0;
  const base = isV4 ? tape.pick(V4_BASES) : tape.pick(V6_BASES);
  const prefix = isV4 ? tape.pick(V4_PREFIXES) : tape.pick(V6_PREFIXES);
  const bits = isV4 ? 32 : 128;
  const at = (prefix + tape.draw(2)) % bits;
  const value = tape.draw(3) === 0 ? base : base ^ (1n << BigInt(bits - 1 - at));
  const mapped = `::ffff:${toOctets(value & 0xffff_ffffn)}`;
  if (isV4) return { clean: toOctets(value), raw: tape.draw(3) === 0 ? mapped : toOctets(value) };
  return {
    clean: canonical(toGroups(value)),
    raw: tape.draw(2) === 0 ? canonical(toGroups(value)) : toGroups(value),
  };
}

export function drawBlock(tape: Tape): Spelled<string> {
  const { clean, raw } = drawAddress(tape);
  const isV4 = !clean.includes(':');
  const listed = isV4 ? tape.pick(V4_PREFIXES) : tape.pick(V6_PREFIXES);
  const bits = isV4 ? 32 : 128;
  const prefix = tape.draw(4) === 0 ? tape.draw(bits + 1) : listed;
  const shift = isV4 && raw.includes(':') ? 96 : 0;
  const isBare = prefix === bits && tape.draw(2) === 0;
  return { clean: `${clean}/${prefix}`, raw: isBare ? raw : `${raw}/${prefix + shift}` };
}

/** As the gate tells the client's address. */
export function canonical(text: string): string {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return formatAddress(address);
}

function toOctets(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');
}

function toGroups(value: bigint): string {
  const hex = value.toString(16).padStart(32, '0').toUpperCase();
  return hex.match(/.{4}/g)?.join(':') ?? '';
}
