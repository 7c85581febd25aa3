import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { describe, test } from 'node:test';
import { benches } from '../bench/benches.ts';
import { readArguments } from '../bench/harness/arguments.ts';
import type { Bench, BenchContext } from '../bench/harness/bench.ts';
import { type Benches, runCall } from '../bench/harness/call.ts';
import { ask, createReader } from '../bench/harness/client.ts';
import { chooseCores, pin } from '../bench/harness/cores.ts';
import { toRow, toTable } from '../bench/harness/report.ts';
import { median, ratios, spreadOf, takeTurns } from '../bench/harness/rounds.ts';
import { namesOf, renamer } from '../bench/harness/seed.ts';
import { nextMessage, startProcess } from '../bench/harness/servers.ts';

/* The harness of `npm run bench`, without measuring anything. */

describe('the arguments of a bench call', () => {
  const known = ['gate', 'api'];

  test('select benches by name, each once and in the order given', () => {
    const request = { names: ['api', 'gate'], quick: false, json: false };
    assert.deepEqual(readArguments(['api', 'gate', 'api'], known), { request });
  });

  test('select all of them when no name is given', () => {
    const request = { names: known, quick: true, json: true };
    assert.deepEqual(readArguments(['--quick', '--json'], known), { request });
  });

  for (const args of [['gat'], ['gate', 'cluster'], ['--fast'], ['gate', '--quick=yes'], ['-q'], ['']]) {
    test(`are refused with the list of benches: ${JSON.stringify(args)}`, () => {
      const reading = readArguments(args, known);
      assert.ok('problem' in reading);
      assert.match(reading.problem, /\nbenches: gate, api$/);
    });
  }

  test('name the bench that does not exist', () => {
    const reading = readArguments(['gate', 'cluster'], known);
    assert.ok('problem' in reading);
    assert.match(reading.problem, /^there is no bench named cluster\n/);
  });

  test('every bench can be loaded', async () => {
    for (const load of Object.values(benches)) assert.equal(typeof (await load()).run, 'function');
  });
});

describe('rounds', () => {
  test('go in turn, and keep each one’s values in their order', async () => {
    const order: string[] = [];
    const enter = (name: string, values: number[]) => ({
      name,
      round: async () => {
        order.push(name);
        return values.shift() ?? assert.fail();
      },
    });
    const [a, b] = [enter('a', [1, 2, 3]), enter('b', [4, 5, 6])];
    const results = await takeTurns([a, b], 3);
    assert.equal(order.join(''), 'ababab');
    assert.deepEqual(
      [results(a), results(b)],
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
    );
    assert.throws(() => results(enter('c', [])), /c took no part/);
  });

  test('have a median, which one odd round does not move', () => {
    assert.equal(median([3]), 3);
    assert.equal(median([10, 9, 1000]), 10);
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.throws(() => median([]), /no values/);
  });

  test('leave the values in their order', () => {
    const values = [3, 1, 2];
    median(values);
    assert.deepEqual(values, [3, 1, 2]);
  });

  test('have a spread', () => {
    assert.deepEqual(spreadOf([3, 1, 2]), [1, 3]);
    assert.throws(() => spreadOf([]), /no values/);
  });

  test('are compared each with the same round of the other', () => {
    assert.deepEqual(ratios([2, 9], [4, 3]), [0.5, 3]);
    assert.throws(() => ratios([1], [1, 2]), /number of rounds/);
  });
});

describe('a row', () => {
  const unit = 'requests per CPU second';
  const versus = { name: 'bare', values: [10, 10, 20] };

  test('has exactly the fields that were promised', () => {
    assert.deepEqual(toRow({ name: 'x', unit, values: [3, 1, 2] }), {
      name: 'x',
      value: 2,
      unit,
      versus: null,
      ratio: null,
      spread: [1, 3],
      goal: null,
      holds: null,
    });
  });

  test('with a peer has the median of the ratios, and their spread', () => {
    const row = toRow({ name: 'x', unit, values: [9, 7, 2], versus });
    assert.deepEqual(row.versus, { name: 'bare', value: 10 });
    assert.deepEqual([row.value, row.ratio, row.spread, row.holds], [7, 0.7, [0.1, 0.9], null]);
  });

  test('reaches its goal or does not, at the very bound too', () => {
    const holds = (values: number[], goal: object) =>
      toRow({ name: 'x', unit, values, versus, goal: { of: 'ratio', ...goal } }).holds;
    assert.equal(holds([7.5, 7.5, 15], { atLeast: 0.75 }), true);
    assert.equal(holds([7.4, 7.4, 14.8], { atLeast: 0.75 }), false);
    assert.equal(holds([11, 11, 22], { atMost: 1.1 }), true);
    assert.equal(holds([12, 12, 24], { atMost: 1.1 }), false);
  });

  test('is not rounded up to its goal', () => {
    const row = toRow({ name: 'x', unit: 'MB', values: [150.001], goal: { of: 'value', atMost: 150 } });
    assert.deepEqual([row.value, row.goal, row.holds], [150, '≤ 150 MB', false]);
  });

  test('says of a peer that is not there that it is absent, and reaches no goal beside it', () => {
    const goal = { of: 'ratio', atLeast: 1 } as const;
    const row = toRow({ name: 'x', unit, values: [1], versus: { name: 'nginx', values: null }, goal });
    assert.deepEqual([row.versus, row.ratio, row.holds], [{ name: 'nginx', value: null }, null, false]);
    assert.match(toTable([row]), /nginx: absent .* MISSED$/);
  });
});

describe('a call', () => {
  test('writes one JSON object as its last line', async () => {
    const { code, written } = await call(['--json'], async ({ record }) => {
      record({ name: 'thing', unit: 'ms', values: [1], goal: { of: 'value', atMost: 2 } });
    });
    assert.equal(code, 0);
    assert.equal(written.length, 1);
    const { machine, versions, rows, ...rest } = JSON.parse(written[0] ?? '');
    assert.deepEqual(rest, {});
    const facts = ['processor', 'cores', 'memory_gb', 'system', 'pinning'];
    assert.deepEqual(Object.keys(machine), facts);
    assert.deepEqual(versions, { ...versions, node: process.versions.node, peer: '1.2.3' });
    const fields = ['name', 'value', 'unit', 'versus', 'ratio', 'spread', 'goal', 'holds'];
    assert.deepEqual(rows.map(Object.keys), [fields]);
    assert.equal(rows[0].holds, true);
  });

  test('writes a table otherwise, and ends well though a goal is missed', async () => {
    const { code, written } = await call([], async ({ record }) => {
      record({ name: 'thing', unit: 'ms', values: [3], goal: { of: 'value', atMost: 2 } });
    });
    assert.equal(code, 0);
    assert.match(written.join('\n'), /^thing +3 ms .*MISSED$/m);
  });

  test('is quick when told so: marked rows, shorter rounds, and never fewer than seven', async () => {
    const seen: BenchContext[] = [];
    const run = async (context: BenchContext) => {
      seen.push(context);
      context.record({ name: 'thing', unit: 'ms', values: [3] });
    };
    const quick = await call(['--quick', '--json'], run);
    const full = await call(['--json'], run);
    const names = [quick, full].map(({ written }) => JSON.parse(written[0] ?? '').rows[0].name);
    assert.deepEqual(names, ['thing (quick)', 'thing']);
    assert.deepEqual(
      seen.map((context) => [context.quick, context.rounds >= 7]),
      [
        [true, true],
        [false, true],
      ],
    );
    assert.ok((seen[0]?.roundFor ?? 0) < (seen[1]?.roundFor ?? 0));
  });

  test('that fails writes what it had measured, ends with 1, and gives everything back', async () => {
    const given: string[] = [];
    const { code, written, said } = await call(['--json'], async ({ record, stack, folder }) => {
      record({ name: 'thing', unit: 'ms', values: [3] });
      stack.defer(() => void given.push(folder));
      assert.ok(existsSync(folder));
      throw new Error('the peer is gone');
    });
    assert.equal(code, 1);
    assert.equal(JSON.parse(written[0] ?? '').rows.length, 1);
    assert.match(said.join('\n'), /the peer is gone/);
    assert.deepEqual(given.map(existsSync), [false]);
  });

  test('with an unknown name runs nothing and ends with 2', async () => {
    const { code, written, said } = await call(['thing', 'other'], () => assert.fail());
    assert.deepEqual([code, written], [2, []]);
    assert.match(said.join('\n'), /^there is no bench named other\n(?:.*\n)*benches: thing$/);
  });

  async function call(args: string[], run: Bench['run']) {
    const [written, said]: [string[], string[]] = [[], []];
    const all: Benches = { thing: async () => ({ run, versions: async () => ({ peer: '1.2.3' }) }) };
    const write = (text: string) => void written.push(text);
    const code = await runCall(args, all, { write, say: (line) => void said.push(line) });
    return { code, written, said };
  }
});

describe('the client that asks', () => {
  const requests = ['/a', '/b', '/c'].map((target) =>
    Buffer.from(`GET ${target} HTTP/1.1\r\nhost: a\r\n\r\n`),
  );

  test('asks every request once, each after the answer to the one before', async () => {
    const asked: string[] = [];
    const outcome = await askServer((request, response) => {
      asked.push(request.url ?? '');
      response.end('1234');
    }, 1);
    assert.deepEqual([asked, outcome.answers, outcome.bytes], [['/a', '/b', '/c'], 3, 12]);
  });

  test('takes no answer but a 200', async () => {
    await assert.rejects(
      askServer((request, response) => {
        response.statusCode = request.url === '/b' ? 403 : 200;
        response.end();
      }, 1),
      /an answer is no 200: HTTP\/1\.1 403/,
    );
  });

  test('takes no connection that ends early', async () => {
    await assert.rejects(
      askServer((_request, response) => response.destroy(), 1),
      /ECONNRESET|closed a connection/,
    );
  });

  test('reads an answer however it is cut', () => {
    const answer = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');
    for (let at = 1; at < answer.length; at += 1) {
      const sizes: number[] = [];
      const read = createReader((size) => sizes.push(size));
      for (const part of [answer.subarray(0, at), answer.subarray(at), answer]) read(part);
      assert.deepEqual(sizes, [5, 5], `cut at ${at}`);
    }
  });

  test('refuses an answer without a length, and one that is longer than it said', () => {
    const read = (text: string) => createReader(() => {})(Buffer.from(text));
    assert.throws(() => read('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'), /has no length/);
    assert.throws(() => read('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab'), /longer than it said/);
  });

  async function askServer(listener: RequestListener, connections: number) {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    assert.ok(typeof address === 'object' && address);
    try {
      return await ask({ port: address.port, requests, connections });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }
});

describe('a process that a bench starts', () => {
  const idle = [process.execPath, '--eval', 'setInterval(() => {}, 1000); process.send("here")'];
  const { server: core } = chooseCores();

  test('is kept on one core, all of its threads', {
    skip: core === null && 'nothing is pinned here',
  }, async () => {
    await using started = startProcess(idle, { ipc: true });
    assert.equal(await nextMessage(started, 60_000), 'here');
    pin(started.pid, core);
    for (const thread of readdirSync(`/proc/${started.pid}/task`)) {
      const status = readFileSync(`/proc/${started.pid}/task/${thread}/status`, 'utf8');
      assert.equal(/^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1], String(core));
    }
  });

  test('is gone when it is disposed of', async () => {
    const started = startProcess(idle, { ipc: true });
    await nextMessage(started, 60_000);
    await started[Symbol.asyncDispose]();
    assert.equal(started.child.signalCode, 'SIGTERM');
  });

  test('that ends too early is an error with what it wrote', async () => {
    const script = 'console.error("no such port"); process.exit(3)';
    await using started = startProcess([process.execPath, '--eval', script], { ipc: true });
    await assert.rejects(nextMessage(started, 60_000), /it ended: no such port/);
  });
});

describe('a copy of a row', () => {
  test('has another person’s names wherever the row has its own, and nothing else changed', () => {
    const template = namesOf(1);
    const rename = renamer(`{"email":"${template.email}","id":"${template.userId}","n":1}`, template);
    const { email, userId } = namesOf(2);
    assert.equal(rename(namesOf(2)), `{"email":"${email}","id":"${userId}","n":1}`);
    assert.equal(renamer('nothing of a person', template)(namesOf(2)), 'nothing of a person');
    assert.equal(renamer(7, template)(namesOf(2)), 7);
  });

  test('is nobody else’s', () => {
    const names = Array.from({ length: 100 }, (_, n) => Object.values(namesOf(n)));
    assert.equal(new Set(names.flat()).size, names.flat().length);
  });
});
