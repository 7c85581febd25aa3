import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect as connectPlain, createServer } from 'node:net';
import { before, it } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { TestPair } from '../support/certificates.ts';
import { createPair } from '../support/certificates.ts';
import { createAuthority, createClient, withChain } from '../support/client-certificates.ts';
import { askOver } from '../support/http2.ts';
import {
  type MutualApplication,
  type MutualTls,
  mutualTlsOnBothDatabases,
  openMutualSocket,
  startMutualTls,
} from '../support/mutual-tls.ts';
import { databases } from '../support/postgres.ts';

/*
 * Connections with client certificates while things change: who is asked for one, what is open when an authority comes
 * or goes, and that no session is resumed past any of it.
 */

const HOUR = 60 * 60 * 1000;
const FOR_CERTIFICATES = [{ name: 'Machines', decision: 'non_identity', include: [{ certificate: {} }] }];

function optionsFor({ hostname }: MutualApplication, client?: TestPair): ConnectionOptions {
  return { servername: hostname, rejectUnauthorized: false, ...client };
}

function openSession({ app }: MutualTls, to: MutualApplication, client?: TestPair): ClientHttp2Session {
  return connectHttp2(`https://127.0.0.1:${app.port}`, optionsFor(to, client)).on('error', () => {});
}

async function statusOver(
  session: ClientHttp2Session,
  { host }: MutualApplication,
): Promise<number | undefined> {
  return (await askOver(session, { ':path': '/echo', ':authority': host })).status;
}

mutualTlsOnBothDatabases('an open connection with a client certificate', (world) => {
  const PEOPLE = [
    {
      name: 'People',
      decision: 'allow',
      include: [{ everyone: {} }],
      require: [{ certificate: {} }],
    },
  ];

  let free: MutualApplication;
  before(async () => {
    free = await world().createApplication('free', [{ ...PEOPLE[0], require: [] }]);
  });

  const ending: Readonly<Record<string, (id: string) => Promise<unknown>>> = {
    deleted: (id) => {
      const { sdk, account_id } = world();
      return sdk.zeroTrust.access.certificates.delete(id, { account_id });
    },
    taken: (id) => {
      const { sdk, account_id } = world();
      return sdk.zeroTrust.access.certificates.update(id, { account_id, associated_hostnames: [] });
    },
  };
  for (const [name, end] of Object.entries(ending)) {
    it(`is cut when its authority, or the host from it, is ${name}, at the return, and nobody else is`, async () => {
      const root = await createAuthority();
      const client = await createClient(root);
      const machines = await world().createApplication(`${name}-m`, FOR_CERTIFICATES);
      const people = await world().createApplication(name, PEOPLE);
      const id = await world().addAuthority(root, machines.hostname, people.hostname);
      const cookie = await world().signIn(people);
      const unbound = { headers: { cookie: await world().signIn(free) }, client };
      const stays = await openMutualSocket(world(), free, unbound);
      const ends = [
        await openMutualSocket(world(), machines, { client }),
        await openMutualSocket(world(), people, { client, headers: { cookie } }),
      ];
      for (const one of [stays, ...ends]) assert.equal(await one.isAlive(), true);
      const session = openSession(world(), machines, client);
      assert.equal(await statusOver(session, machines), 200);
      const heard: string[] = [];
      for (const webSocket of world().upstream.webSockets)
        webSocket.on('message', (said) => heard.push(String(said)));
      const arrived = world().upstream.arrivals.length;
      await end(id);
      for (const one of ends) assert.equal(await one.isAlive(), false);
      assert.notEqual(await statusOver(session, machines), 200, 'the same connection');
      session.close();
      assert.deepEqual(heard, []);
      assert.equal(world().upstream.arrivals.length, arrived);
      assert.equal(await stays.isAlive(), true);
      stays.close();
    });
  }

  it('does not count before it is made anew where its authority came later', async () => {
    const root = await createAuthority();
    const client = await createClient(root);
    const late = await world().createApplication('late', FOR_CERTIFICATES);
    const session = openSession(world(), late, client);
    assert.notEqual(await statusOver(session, late), 200);
    await world().addAuthority(root, late.hostname);
    assert.equal(await statusOver(session, late), 421, 'it was not asked for this one');
    assert.equal(session.closed || (await once(session, 'goaway')).length > 0, true, 'nor will it be');
    session.close();
    const anew = openSession(world(), late, client);
    assert.equal(await statusOver(anew, late), 200);
    anew.close();
  });

  it('counts no longer when the certificate, or its authority, has come to its end', async () => {
    const short = { until: Date.now() + HOUR };
    const [root, brief] = [await createAuthority(), await createAuthority(short)];
    const ending = await world().createApplication('ending', FOR_CERTIFICATES);
    const under = await world().createApplication('under', FOR_CERTIFICATES);
    await world().addAuthority(root, ending.hostname);
    await world().addAuthority(brief, under.hostname);
    const sessions = [
      [openSession(world(), ending, await createClient(root, short)), ending],
      [openSession(world(), under, await createClient(brief)), under],
    ] as const;
    const lasting = openSession(world(), ending, await createClient(root));
    for (const [session, to] of sessions) assert.equal(await statusOver(session, to), 200);
    world().app.clock.advance(2 * HOUR);
    for (const [session, to] of sessions) assert.notEqual(await statusOver(session, to), 200);
    assert.equal(await statusOver(lasting, ending), 200);
    for (const session of [lasting, ...sessions.map(([one]) => one)]) session.close();
  });

  it('by an authority in between hangs on all authorities of the host, and on none that comes later', async () => {
    const [root, second] = [await createAuthority(), await createAuthority()];
    const between = await createAuthority({}, root);
    const client = withChain(await createClient(between), between);
    const host = await world().createApplication('several', FOR_CERTIFICATES);
    const first = await world().addAuthority(root, host.hostname);
    const other = await world().addAuthority(second, host.hostname);
    const session = openSession(world(), host, client);
    assert.equal(await statusOver(session, host), 200);
    const third = await world().addAuthority(await createAuthority(), host.hostname);
    assert.equal(await statusOver(session, host), 200);
    const { sdk, account_id } = world();
    await sdk.zeroTrust.access.certificates.delete(third, { account_id });
    assert.equal(await statusOver(session, host), 200);
    await sdk.zeroTrust.access.certificates.delete(other, { account_id });
    assert.notEqual(await statusOver(session, host), 200, 'it may have been that one');
    session.close();
    const anew = openSession(world(), host, client);
    assert.equal(await statusOver(anew, host), 200);
    await sdk.zeroTrust.access.certificates.delete(first, { account_id });
    assert.notEqual(await statusOver(anew, host), 200);
    anew.close();
  });

  it('that was made for another host is sent to make one of its own (421)', async () => {
    const root = await createAuthority();
    const client = await createClient(root);
    const [asking, plain] = [
      await world().createApplication('asking', FOR_CERTIFICATES),
      await world().createApplication('plain', FOR_CERTIFICATES),
    ];
    await world().addAuthority(root, asking.hostname);
    const session = openSession(world(), plain, client);
    const arrived = world().upstream.arrivals.length;
    assert.equal(await statusOver(session, asking), 421);
    assert.notEqual(await statusOver(session, plain), 421);
    assert.equal(world().upstream.arrivals.length, arrived);
    session.close();
    // Whoever shares the authority needs no connection of its own.
    const both = await world().createApplication('both', FOR_CERTIFICATES);
    await world().addAuthority(await createAuthority(), both.hostname);
    const shared = openSession(world(), asking, client);
    assert.equal(await statusOver(shared, asking), 200);
    assert.equal(await statusOver(shared, both), 421, 'its authority is not that of the other host');
    assert.equal(await statusOver(shared, asking), 200, 'the connection is as good as it was');
    shared.close();
    for (const sent of [client, undefined]) {
      const own = openSession(world(), both, sent);
      for (let time = 0; time < 2; time++) assert.equal(await statusOver(own, both), 401, 'not in a loop');
      own.close();
    }
  });

  it('that was asked rightly is not sent away, nor one for a host whose authorities are over', async () => {
    const root = await createAuthority();
    const client = await createClient(root);
    const brief = await createAuthority({ until: world().app.clock.now() + HOUR });
    const [other, over] = [
      await world().createApplication('over-other', FOR_CERTIFICATES),
      await world().createApplication('over', FOR_CERTIFICATES),
    ];
    const [host, more] = [
      await world().createApplication('rightly', FOR_CERTIFICATES),
      await world().createApplication('more', FOR_CERTIFICATES),
    ];
    await world().addAuthority(brief, over.hostname);
    const id = await world().addAuthority(root, host.hostname, more.hostname);
    const session = openSession(world(), other);
    const [bare, good] = [openSession(world(), host), openSession(world(), host, client)];
    assert.equal(await statusOver(session, over), 421);
    assert.equal(await statusOver(bare, host), 401);
    assert.equal(await statusOver(good, host), 200);
    await world().addAuthority(await createAuthority(), host.hostname);
    assert.equal(await statusOver(good, host), 200, 'its own still counts');
    assert.equal(await statusOver(bare, host), 421);
    const { sdk, account_id } = world();
    await sdk.zeroTrust.access.certificates.delete(id, { account_id });
    assert.equal(await statusOver(good, host), 421, 'it may have one of the other');
    const anew = openSession(world(), host, client);
    for (let time = 0; time < 2; time++) assert.equal(await statusOver(anew, host), 401);
    const plain = openSession(world(), other);
    world().app.clock.advance(2 * HOUR);
    assert.equal(await statusOver(plain, over), 401, 'nothing is asked for there');
    for (const one of [session, bare, good, anew, plain]) one.close();
  });

  it('over HTTP/1.1 is closed with its 421, so that the next is another', async () => {
    const late = await world().createApplication('late-1', FOR_CERTIFICATES);
    const socket = connect({ host: '127.0.0.1', port: world().app.port, ...optionsFor(late) });
    await once(socket, 'secureConnect');
    await world().addAuthority(await createAuthority(), late.hostname);
    socket.write(`GET /echo HTTP/1.1\r\nHost: ${late.host}\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(String(answer), /^HTTP\/1\.1 421 /);
    assert.match(String(answer), /^connection: close\r$/im);
    socket.destroy();
  });

  it('goes on while the server gets a new certificate of its own, and is asked for after it', async () => {
    const root = await createAuthority();
    const client = await createClient(root);
    const host = await world().createApplication('renewed', FOR_CERTIFICATES);
    await world().addAuthority(root, host.hostname);
    const session = openSession(world(), host, client);
    assert.equal(await statusOver(session, host), 200);
    await world().files.put(await createPair());
    await world().app.app.reloadCertificate();
    assert.equal(await statusOver(session, host), 200);
    session.close();
    const socket = connect({ host: '127.0.0.1', port: world().app.port, ...optionsFor(host, client) });
    await once(socket, 'secureConnect');
    assert.notEqual(socket.getPeerX509Certificate()?.toString(), world().pair.cert);
    socket.destroy();
    assert.equal((await world().ask(host, { client })).status, 200);
    assert.equal((await world().ask(host, { client, http2: true })).status, 200);
    assert.notEqual((await world().ask(host)).status, 200);
  });
});

const sqlite = databases.find(({ name }) => name === 'sqlite') ?? assert.fail();

/** What the server said in a handshake of TLS 1.2, of which nothing is encrypted until its end. */
async function handshakeOf(port: number, options: ConnectionOptions): Promise<Buffer> {
  const heard: Buffer[] = [];
  await using stack = new AsyncDisposableStack();
  const tap = createServer((client) => {
    const server = connectPlain(port, '127.0.0.1');
    server.on('data', (chunk) => heard.push(chunk)).pipe(client);
    client.pipe(server);
    for (const socket of [client, server]) socket.on('error', () => {});
  });
  await once(tap.listen(0, '127.0.0.1'), 'listening');
  stack.defer(() => void tap.close());
  const { port: between } = tap.address() as { port: number };
  const socket = connect({ host: '127.0.0.1', port: between, ...options, maxVersion: 'TLSv1.2' });
  await once(socket, 'secureConnect');
  socket.destroy();
  return Buffer.concat(heard);
}

it('a certificate is asked for on the hosts that have authorities, by the names of these alone', async () => {
  await using world = await startMutualTls(await sqlite.create());
  const names = ['First Authority', 'Second Authority', 'Elsewhere Authority'];
  const [first, second, elsewhere] = await Promise.all(names.map((one) => createAuthority({ names: [one] })));
  assert.ok(first && second && elsewhere);
  const asking = await world.createApplication('asking', FOR_CERTIFICATES);
  const plain = await world.createApplication('plain', FOR_CERTIFICATES);
  const other = await world.createApplication('other', FOR_CERTIFICATES);
  const asked = async (servername: string) => {
    const said = await handshakeOf(world.app.port, { servername, rejectUnauthorized: false });
    return { names: names.filter((name) => said.includes(name)), isAsked: asksForCertificate(said) };
  };
  const nobody = { names: [], isAsked: false };
  assert.deepEqual(await asked(asking.hostname), nobody);
  await world.addAuthority(first, asking.hostname);
  const id = await world.addAuthority(second, asking.hostname, other.hostname);
  await world.addAuthority(elsewhere, other.hostname);
  assert.deepEqual(await asked(asking.hostname), { names: names.slice(0, 2), isAsked: true });
  assert.deepEqual(await asked(asking.hostname.toUpperCase()), { names: names.slice(0, 2), isAsked: true });
  assert.deepEqual(await asked(other.hostname), { names: names.slice(1), isAsked: true });
  const teamDomain = world.app.teamDomain.replace(/:\d+$/, '');
  for (const name of [plain.hostname, teamDomain, 'localhost', ''])
    assert.deepEqual(await asked(name), nobody);
  await world.sdk.zeroTrust.access.certificates.delete(id, { account_id: world.account_id });
  assert.deepEqual(await asked(asking.hostname), { names: names.slice(0, 1), isAsked: true });
});

/** Whether a CertificateRequest (13) is among the handshake messages (RFC 5246 §7.4). */
function asksForCertificate(said: Buffer): boolean {
  let messages = Buffer.alloc(0);
  for (let at = 0; at + 5 <= said.length; at += 5 + said.readUInt16BE(at + 3)) {
    if (said[at] !== 22) break;
    messages = Buffer.concat([messages, said.subarray(at + 5, at + 5 + said.readUInt16BE(at + 3))]);
  }
  for (let at = 0; at + 4 <= messages.length; at += 4 + messages.readUIntBE(at + 1, 3)) {
    if (messages[at] === 13) return true;
  }
  return false;
}

/** A connection that was made with what an earlier one left to resume, and what it leaves itself. */
async function dial(
  world: MutualTls,
  options: ConnectionOptions,
): Promise<{ socket: TLSSocket; session: Buffer[] }> {
  const session: Buffer[] = [];
  const socket = connect({
    host: '127.0.0.1',
    port: world.app.port,
    ALPNProtocols: ['http/1.1'],
    ...options,
  });
  socket.on('session', (one) => session.push(one)).on('error', () => {});
  await once(socket, 'secureConnect');
  // Tickets of TLS 1.3 come after the handshake.
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(socket, 'data');
  return { socket, session };
}

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  it(`no session is resumed while certificates are asked for, not even one from before (${maxVersion})`, async () => {
    await using world = await startMutualTls(await sqlite.create());
    const root = await createAuthority();
    const client = await createClient(root);
    const host = await world.createApplication('machines', FOR_CERTIFICATES);
    const options = { ...optionsFor(host, client), maxVersion };
    const resumes = async (left: readonly Buffer[]) => {
      const { socket, session } = await dial(world, { ...options, ...(left[0] ? { session: left[0] } : {}) });
      const isReused = socket.isSessionReused();
      socket.destroy();
      return { isReused, session };
    };
    const { session: former } = await resumes([]);
    assert.equal((await resumes(former)).isReused, true, 'without authorities they are');
    const id = await world.addAuthority(root, host.hostname);
    const first = await resumes(former);
    assert.equal(first.isReused, false);
    assert.equal((await resumes(first.session)).isReused, false);
    const tls: ConnectionOptions = { maxVersion, ...(first.session[0] ? { session: first.session[0] } : {}) };
    assert.equal((await world.ask(host, { client, tls })).status, 200);
    assert.notEqual((await world.ask(host, { tls })).status, 200, 'a session is no certificate');
    await world.sdk.zeroTrust.access.certificates.delete(id, { account_id: world.account_id });
    assert.notEqual((await world.ask(host, { client, tls })).status, 200);
    const last = await resumes(first.session);
    assert.equal(last.isReused, false);
    assert.equal((await resumes(last.session)).isReused, true, 'nobody is asked any more');
  });
}

it('what a trusted proxy presents is none of its clients’', async () => {
  await using world = await startMutualTls(await sqlite.create(), ['--trusted-proxy=127.0.0.0/8']);
  const root = await createAuthority();
  const client = await createClient(root);
  const host = await world.createApplication('machines', FOR_CERTIFICATES);
  await world.addAuthority(root, host.hostname);
  const forwarded = { 'x-forwarded-for': '203.0.113.7' };
  for (const http2 of [false, true]) {
    assert.notEqual((await world.ask(host, { client, http2 })).status, 200);
    assert.notEqual((await world.ask(host, { client, http2, headers: forwarded })).status, 200);
  }
  assert.deepEqual(world.upstream.arrivals, []);
});
