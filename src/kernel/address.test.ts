import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Cidr,
  clientAddress,
  contains,
  formatAddress,
  formatCidr,
  networkOf,
  parseAddress,
  parseCidr,
} from './address.ts';

function read(text: string): string | null {
  const address = parseAddress(text);
  return address && formatAddress(address);
}

function blocks(...texts: string[]): Cidr[] {
  return texts.map((text) => {
    const block = parseCidr(text);
    assert.ok(block, text);
    return block;
  });
}

function holds(block: string, text: string): boolean {
  const address = parseAddress(text);
  assert.ok(address, text);
  return contains(blocks(block), address);
}

test('what is no strict address is refused', () => {
  const texts = [
    '',
    ' 10.0.0.1',
    '10.0.0.1\n',
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '0x7f.1',
    '2130706433',
    '127.1',
  ];
  const six = [
    'fe80::1%eth0',
    '::ffff:1.2.3.4%1',
    '[::1]',
    '::1:80:',
    '1::2::3',
    '::ffff:0x7f.0.0.1',
    '12345::',
  ];
  const others = ['10.0.0.1:443', '10.0.0.1/8', 'localhost', 'unknown', '_hidden', '::'.repeat(1_000_000)];
  for (const text of [...texts, ...six, ...others]) assert.equal(parseAddress(text), null, text.slice(0, 40));
});

test('an address is written in one form', () => {
  assert.equal(read('10.0.0.1'), '10.0.0.1');
  assert.equal(read('2001:DB8:0:0:0:0:0:1'), '2001:db8::1');
  assert.equal(read('::'), '::');
});

test('an IPv4-mapped address is the IPv4 address, and no other embedding is', () => {
  for (const text of ['::ffff:1.2.3.4', '::FFFF:102:304', '0:0:0:0:0:ffff:1.2.3.4'])
    assert.equal(read(text), '1.2.3.4');
  assert.equal(read('::1.2.3.4'), '::102:304');
  assert.equal(read('64:ff9b::1.2.3.4'), '64:ff9b::102:304');
  assert.equal(read('::ffff:0:1.2.3.4'), '::ffff:0:102:304');
});

test('the network of an IPv6 address is its /64, and an IPv4 address stands for itself', () => {
  assert.equal(networkOf('2001:db8:0:1::1'), networkOf('2001:0db8::1:ffff:0:0:2'));
  assert.notEqual(networkOf('2001:db8:0:1::1'), networkOf('2001:db8:0:2::1'));
  assert.notEqual(networkOf('192.0.2.1'), networkOf('192.0.2.2'));
  assert.equal(networkOf('::ffff:192.0.2.1'), '::ffff:192.0.2.1');
  assert.equal(networkOf('nobody'), 'nobody');
  assert.equal(networkOf('2001:db8:0:1::1', 48), networkOf('2001:db8:0:2::1', 48));
  assert.notEqual(networkOf('2001:db8:0:1::1', 48), networkOf('2001:db8:1:1::1', 48));
  assert.equal(networkOf('192.0.2.1', 48), '192.0.2.1');
});

test('what is no block is refused', () => {
  const lengths = [
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '10.0.0.0/+8',
    '10.0.0.0/8.0',
    '10.0.0.0/ 8',
  ];
  const others = [
    '::/129',
    '/8',
    '10.0.0.0/8/8',
    '10.0.0.0/255.0.0.0',
    'fe80::%eth0/64',
    '10.0.0/8',
    '',
    '::/1e1',
  ];
  const mapped = ['::ffff:10.0.0.0/95', '::ffff:10.0.0.0/8'];
  for (const text of [...lengths, ...others, ...mapped]) assert.equal(parseCidr(text), null, text);
});

test('a block holds its addresses and no neighbour', () => {
  assert.equal(holds('10.0.0.0/8', '11.0.0.0'), false);
  assert.equal(holds('10.0.0.0/8', '9.255.255.255'), false);
  assert.equal(holds('10.0.0.0/8', '10.255.255.255'), true);
  assert.equal(holds('192.168.4.0/22', '192.168.8.0'), false);
  assert.equal(holds('192.168.4.0/22', '192.168.7.255'), true);
  assert.equal(holds('2001:db8::/33', '2001:db8:8000::'), false);
  assert.equal(holds('2001:db8::/33', '2001:db8:7fff::1'), true);
});

test('a bare address is a block of one', () => {
  assert.equal(holds('10.0.0.1', '10.0.0.2'), false);
  assert.equal(holds('10.0.0.1', '10.0.0.1'), true);
  assert.equal(holds('::1', '::2'), false);
  assert.equal(holds('::1', '::1'), true);
});

test('host bits of a block are masked', () => {
  assert.equal(holds('10.1.2.3/8', '10.9.9.9'), true);
  assert.equal(holds('2001:db8::5/64', '2001:db8::9'), true);
});

test('a block of one family never holds an address of the other', () => {
  assert.equal(holds('::/0', '10.0.0.1'), false);
  assert.equal(holds('0.0.0.0/0', '::1'), false);
  assert.equal(holds('0.0.0.0/0', '255.255.255.255'), true);
  assert.equal(holds('::/0', 'ffff::'), true);
});

test('a mapped block is the IPv4 block', () => {
  assert.equal(holds('::ffff:10.0.0.0/104', '10.200.0.1'), true);
  assert.equal(holds('::ffff:10.0.0.0/104', '::ffff:11.0.0.1'), false);
  assert.equal(holds('10.0.0.0/8', '::ffff:10.0.0.1'), true);
  assert.equal(holds('::ffff:10.0.0.1', '10.0.0.1'), true);
});

const trusted = blocks('127.0.0.1', '::1', '10.0.0.0/8');

const journeys: [string, string, string | undefined, string][] = [
  ['without the header the peer is the client', '10.0.0.1', undefined, '10.0.0.1'],
  ['an empty header says nothing', '10.0.0.1', '', '10.0.0.1'],
  ['the header of an untrusted peer counts for nothing', '203.0.113.9', '10.0.0.1, 192.0.2.1', '203.0.113.9'],
  ['the rightmost untrusted hop is the client', '10.0.0.1', '192.0.2.66, 198.51.100.7', '198.51.100.7'],
  ['trusted hops are passed over', '10.0.0.1', '192.0.2.66, 198.51.100.7, 10.1.1.1, ::1', '198.51.100.7'],
  [
    'a hop spoofed as loopback to the left is not reached',
    '10.0.0.1',
    '127.0.0.1, 198.51.100.7',
    '198.51.100.7',
  ],
  ['the leftmost hop is the client if all are trusted', '127.0.0.1', '10.2.2.2, 10.1.1.1', '10.2.2.2'],
  ['a hop that is no address ends the walk', '10.0.0.1', '198.51.100.7, unknown, 10.1.1.1', '10.1.1.1'],
  ['an empty hop ends the walk', '10.0.0.1', '198.51.100.7, , 10.1.1.1', '10.1.1.1'],
  ['a hop with a port ends the walk', '10.0.0.1', '198.51.100.7:443', '10.0.0.1'],
  ['a hop with a zone ends the walk', '10.0.0.1', 'fe80::1%eth0', '10.0.0.1'],
  ['a trailing comma ends the walk', '10.0.0.1', '198.51.100.7,', '10.0.0.1'],
  ['odd white space is no part of an address', '10.0.0.1', '198.51.100.7,\u00a010.1.1.1', '10.0.0.1'],
  ['blanks and tabs around a hop do not matter', '10.0.0.1', '\t198.51.100.7 ,\t 10.1.1.1\t', '198.51.100.7'],
  ['mapped addresses are folded everywhere', '::ffff:10.0.0.1', '::ffff:198.51.100.7', '198.51.100.7'],
  ['IPv6 hops work as well', '::1', '2001:DB8::0:7', '2001:db8::7'],
  ['a peer that is no address stays as it is', 'fe80::1%eth0', '198.51.100.7', 'fe80::1%eth0'],
];

for (const [sentence, peer, forwardedFor, client] of journeys) {
  test(sentence, () => assert.equal(clientAddress({ peer, forwardedFor, trusted }), client));
}

test('nobody is believed if nobody is trusted', () => {
  assert.equal(clientAddress({ peer: '127.0.0.1', forwardedFor: '192.0.2.1', trusted: [] }), '127.0.0.1');
});

test('property: an IPv6 address is written as the URL standard writes it, unless it is mapped', () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const written = read(text);
      if (written?.includes(':')) assert.equal(`[${written}]`, new URL(`http://[${text}]`).hostname);
      else assert.match(new URL(`http://[${text}]`).hostname, /^\[::ffff:/);
    }),
    { numRuns: 1000 },
  );
});

test('property: a block holds exactly the addresses that share its leading bits', () => {
  const octets = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 });
  const bits = (list: number[]) => list.map((octet) => octet.toString(2).padStart(8, '0')).join('');
  fc.assert(
    fc.property(octets, octets, fc.nat({ max: 32 }), fc.nat({ max: 32 }), (one, other, prefix, shared) => {
      // Half of the pairs share a random number of bits, or hardly any block would hold anything.
      const mixed = bits(one).slice(0, shared) + bits(other).slice(shared);
      const near = (mixed.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)).join('.');
      const expected = bits(one).slice(0, prefix) === mixed.slice(0, prefix);
      assert.equal(holds(`${one.join('.')}/${prefix}`, near), expected);
      assert.equal(holds(`::ffff:${one.join('.')}/${96 + prefix}`, near), expected);
    }),
    { numRuns: 1000 },
  );
});

test('property: what stands left of an untrusted or malformed hop never changes the answer', () => {
  const hop = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.constantFrom('127.0.0.1', '10.1.1.1', 'unknown', ''),
    fc.string(),
  );
  const line = fc.array(hop).map((hops) => hops.join(', '));
  fc.assert(
    fc.property(
      line,
      line,
      fc.constantFrom('198.51.100.7', 'unknown', '2001:db8::1'),
      (left, right, stop) => {
        const rest = right === '' ? stop : `${stop}, ${right}`;
        const client = clientAddress({ peer: '127.0.0.1', forwardedFor: rest, trusted });
        assert.equal(clientAddress({ peer: '127.0.0.1', forwardedFor: `${left}, ${rest}`, trusted }), client);
      },
    ),
    { numRuns: 1000 },
  );
});

test('two blocks with the same addresses have one text, whatever their host bits and spelling', () => {
  const texts: readonly [string, ...string[]][] = [
    ['10.0.0.0/8', '10.1.2.3/8', '::ffff:10.9.9.9/104'],
    ['192.0.2.1/32', '192.0.2.1', '::ffff:192.0.2.1'],
    ['192.0.2.128/25', '192.0.2.200/25'],
    ['0.0.0.0/0', '255.255.255.255/0', '::ffff:0:0/96'],
    ['2001:db8::/32', '2001:0DB8:ffff::1/32'],
    ['2001:db8::1/128', '2001:db8:0:0:0:0:0:1'],
    ['2001:db8:0:8000::/49', '2001:db8:0:ffff::/49'],
    ['::/0', 'ffff::/0'],
  ];
  for (const [expected, ...others] of texts) {
    for (const text of [expected, ...others]) {
      const block = parseCidr(text);
      assert.ok(block);
      assert.equal(formatCidr(block), expected, text);
    }
  }
});
