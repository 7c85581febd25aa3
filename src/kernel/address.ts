import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { createBoundedMap } from './bounded-map.ts';

/** An IPv4 or IPv6 address. An IPv4-mapped IPv6 address never occurs here: it is read as IPv4. */
export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** A block of addresses; host bits of the network as it was written do not matter. */
export interface Cidr {
  readonly network: Address;
  readonly prefix: number;
}

/**
 * An address in its strict textual form: four decimal octets without leading zeros, or RFC 4291 §2.2.
 * Null for anything else, zone ids, ports and brackets included. `::ffff:1.2.3.4` is read as `1.2.3.4`.
 */
export function parseAddress(text: string): Address | null {
  // The library alone would take `0x7f.1` and the like.
  const family = isIP(text);
  if (family === 0 || text.includes('%')) return null;
  return ipaddr.process(family === 6 ? withoutDots(text) : text);
}

/**
 * What stands for the network of an address, to count by: whoever has one IPv6 address has a /64 of them, and often a
 * whole /48. An IPv4 address stands for itself, and so does what is no address.
 */
export function networkOf(ip: string, prefix: 48 | 64 = 64): string {
  const address = parseAddress(ip);
  return address?.kind() === 'ipv6'
    ? address
        .toByteArray()
        .slice(0, prefix / 8)
        .join('.')
    : ip;
}

/** Canonical text: dotted decimal, or RFC 5952. */
export function formatAddress(address: Address): string {
  return address.toString();
}

/**
 * A block in CIDR notation, or a bare address as the block that holds it alone; null if it is neither.
 * Host bits are masked, as Cloudflare does. A mapped block (`::ffff:10.0.0.0/104`) is read as IPv4, and is
 * refused if it reaches beyond the mapped addresses.
 */
export function parseCidr(text: string): Cidr | null {
  const [address = '', length, ...more] = text.split('/', 3);
  const network = parseAddress(address);
  if (network === null || more.length > 0) return null;
  const bits = network.kind() === 'ipv4' ? 32 : 128;
  if (length === undefined) return { network, prefix: bits };
  const shift = bits === 32 && address.includes(':') ? 96 : 0;
  const prefix = parsePrefix(length) - shift;
  return prefix >= 0 && prefix <= bits ? { network, prefix } : null;
}

/** Canonical text of a block, its host bits masked: two blocks with the same addresses have the same. */
export function formatCidr({ network, prefix }: Cidr): string {
  const bytes = network.toByteArray().map((byte, at) => {
    const kept = Math.min(8, Math.max(0, prefix - 8 * at));
    return byte & (0xff << (8 - kept));
  });
  return `${formatAddress(ipaddr.fromByteArray(bytes))}/${prefix}`;
}

/** A block as `formatCidr` writes it; null for what is none. */
export function normaliseCidr(text: string): string | null {
  const block = parseCidr(text);
  return block && formatCidr(block);
}

/** Whether any of the blocks holds the address. */
export function contains(blocks: readonly Cidr[], address: Address): boolean {
  return blocks.some(
    ({ network, prefix }) => network.kind() === address.kind() && address.match(network, prefix),
  );
}

/** Whether this server must not call an address, whoever asks it to: link-local, where clouds keep their secrets. */
export function isNeverCalled(address: Address): boolean {
  return contains(NEVER_CALLED, address);
}

/** Blocks that are asked for many addresses: what an answer takes does not grow with their number. */
export interface BlockSet {
  /** Whether any of them holds the address. */
  has(address: Address): boolean;
  /** Whether all of them do. */
  allHave(address: Address): boolean;
}

export function createBlockSet(blocks: readonly Cidr[]): BlockSet {
  const networks = new Map<string, { kind: string; shift: bigint; values: Set<bigint> }>();
  for (const { network, prefix } of blocks) {
    const kind = network.kind();
    const shift = BigInt(bitsOf(network) - prefix);
    const of = networks.get(`${kind} ${prefix}`) ?? { kind, shift, values: new Set() };
    networks.set(`${kind} ${prefix}`, of);
    of.values.add(toNumber(network) >> shift);
  }
  const common = intersection(blocks);
  const all = [...networks.values()];
  return {
    has: (address) => {
      const [kind, value] = [address.kind(), toNumber(address)];
      return all.some((of) => of.kind === kind && of.values.has(value >> of.shift));
    },
    allHave: (address) => blocks.length === 0 || (common !== null && contains([common], address)),
  };
}

/** Of two blocks, one lies in the other or they have nothing in common: so the smallest is in all, or nothing is. */
function intersection(blocks: readonly Cidr[]): Cidr | null {
  const [smallest] = [...blocks].sort((one, other) => other.prefix - one.prefix);
  return smallest && blocks.every((block) => contains([block], smallest.network)) ? smallest : null;
}

function bitsOf(address: Address): number {
  return address.kind() === 'ipv4' ? 32 : 128;
}

function toNumber(address: Address): bigint {
  return address.toByteArray().reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

/** Whether any block has an address in text, which comes again and again; what is no address is in no block. */
export function createContains(blocks: readonly Cidr[], mostKept = 10_000): (text: string) => boolean {
  const known = createBoundedMap<string, boolean>(mostKept);
  const set = createBlockSet(blocks);
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const address = parseAddress(text);
    const isIn = address !== null && set.has(address);
    known.set(text, isIn);
    return isIn;
  };
}

export interface Hops {
  /** The address at the other end of the connection. */
  readonly peer: string;
  /** X-Forwarded-For, several lines joined by commas in their order; nearest hop last. */
  readonly forwardedFor: string | undefined;
  /** The proxies whose word is taken. */
  readonly trusted: readonly Cidr[];
}

/**
 * The client's address: going from the peer leftwards through X-Forwarded-For, the first that is no trusted
 * proxy, or the last one if all are. A trusted proxy vouches only for the hop that it wrote itself, so the
 * header counts for nothing if the peer is not trusted, and nothing left of a hop that is no address is
 * believed. The answer is canonical text; a peer that is no address is returned as it is.
 */
export function clientAddress({ peer, forwardedFor, trusted }: Hops): string {
  let current = parseAddress(peer);
  if (current === null) return peer;
  const hops = forwardedFor?.split(',') ?? [];
  while (contains(trusted, current)) {
    const next = parseAddress(trimSpaces(hops.pop() ?? ''));
    if (next === null) break;
    current = next;
  }
  return formatAddress(current);
}

/** -1 if it is no plain decimal number of at most three digits. */
function parsePrefix(text: string): number {
  return PREFIX.test(text) ? Number(text) : -1;
}

const PREFIX = /^(?:0|[1-9][0-9]{0,2})$/;

/** An IPv6 address whose last four octets are decimal, in hexadecimal: the library reads `::1.2.3.4` as IPv4. */
function withoutDots(text: string): string {
  if (!text.includes('.')) return text;
  const start = text.lastIndexOf(':') + 1;
  const octets = text.slice(start).split('.');
  const hex = octets.map((octet) => Number(octet).toString(16).padStart(2, '0')).join('');
  return `${text.slice(0, start)}${hex.slice(0, 4)}:${hex.slice(4)}`;
}

/** Optional white space of RFC 9110 §5.6.3, and no other. */
function trimSpaces(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text, start)) start++;
  while (end > start && isSpace(text, end - 1)) end--;
  return text.slice(start, end);
}

function isSpace(text: string, at: number): boolean {
  return text[at] === ' ' || text[at] === '\t';
}

const blocks = (...texts: string[]) => texts.map(parseCidr).filter((block) => block !== null);

/** Link-local, also as IPv6 writes it in other ways, and what names no single other machine. */
const NEVER_CALLED = [
  ...blocks('169.254.0.0/16', 'fe80::/10', '64:ff9b::a9fe:0/112', '2002:a9fe::/32', '::a9fe:0/112'),
  // Amazon's IPv6 counterpart of 169.254.169.254.
  ...blocks('fd00:ec2::254'),
  ...blocks('0.0.0.0/8', '224.0.0.0/4', '255.255.255.255', '::', 'ff00::/8'),
];
