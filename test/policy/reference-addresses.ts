/** Addresses by plain arithmetic on their text, for the reference evaluator alone. */
export interface PlainAddress {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** An address that is known to be well formed. A mapped one (`::ffff:10.0.0.1`) is IPv4. */
export function readAddress(text: string): PlainAddress {
  if (!text.includes(':')) return { bits: 32, value: readOctets(text) };
  const value = readGroups(text);
  return value >> 32n === 0xffffn ? { bits: 32, value: value & 0xffff_ffffn } : { bits: 128, value };
}

/** Whether an address lies in a block, or is the one address that the text names. */
export function liesIn(address: string, block: string): boolean {
  const [network = '', length] = block.split('/');
  const asked = readAddress(address);
  const named = readAddress(network);
  if (asked.bits !== named.bits) return false;
  const isMapped = named.bits === 32 && network.includes(':');
  const prefix = length === undefined ? named.bits : Number(length) - (isMapped ? 96 : 0);
  const hostBits = BigInt(named.bits - prefix);
  return asked.value >> hostBits === named.value >> hostBits;
}

function readOctets(text: string): bigint {
  return text.split('.').reduce((value, octet) => value * 256n + BigInt(octet), 0n);
}

function readGroups(text: string): bigint {
  const [before = '', after] = text.split('::');
  const head = toGroups(before);
  const tail = after === undefined ? [] : toGroups(after);
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => 0n);
  return [...head, ...zeros, ...tail].reduce((value, group) => value * 65_536n + group, 0n);
}

function toGroups(text: string): bigint[] {
  const groups = text === '' ? [] : text.split(':');
  return groups.flatMap((group) => {
    if (!group.includes('.')) return [BigInt(`0x${group}`)];
    const octets = readOctets(group);
    return [octets / 65_536n, octets % 65_536n];
  });
}
