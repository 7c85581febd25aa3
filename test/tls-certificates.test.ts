import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect as connectPlain } from 'node:net';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { StartError } from '../src/server/start-error.ts';
import { createTestClock, startTestApp, type TestApp } from './support/app.ts';
import { createPair, createPairFolder, type TestPair, trust } from './support/certificates.ts';
import { freePort } from './support/free-port.ts';
import { askOver, openSession } from './support/http2.ts';
import { databases, type TestDatabase } from './support/postgres.ts';
import { runToEnd, serve } from './support/program.ts';
import { createLog, startTlsServer } from './support/tls-world.ts';

/* Which certificates are served, from when on, and how connections end that were given one. */

const NEW_ONE = 'a new TLS certificate is served';
const LAST_STAYS = 'no new TLS certificate: the last one stays';
const HOUR = 60 * 60 * 1000;

/** Less than the minute after which the files are read without a cause. */
const WITHIN = { timeout: 40_000 };

let first: TestPair;
let second: TestPair;
before(async () => {
  [first, second] = [await createPair(), await createPair()];
  trust(first, second);
});

async function newDatabase(): Promise<TestDatabase> {
  const [kind] = databases;
  assert.ok(kind);
  return await kind.create();
}

const encrypted = ({ key }: TestPair) =>
  createPrivateKey(key)
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
    .toString();

describe('nothing starts with', () => {
  type Case = readonly [name: string, pair: () => Promise<TestPair> | TestPair, problem: RegExp];
  const table: readonly Case[] = [
    [
      'a certificate that is none',
      () => ({ ...first, cert: 'none' }),
      /^--tls-cert .*tls\.crt: has no certif/,
    ],
    ['an empty certificate', () => ({ ...first, cert: '' }), /^--tls-cert .*: has no certificate in PEM$/],
    [
      'a certificate that is damaged',
      () => ({ ...first, cert: first.cert.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA') }),
      /^--tls-cert .*: has a certificate that cannot be read$/,
    ],
    [
      'a damaged one in the chain',
      () => ({
        ...first,
        cert: `${first.cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
      }),
      /^--tls-cert .*: has a certificate that cannot be read$/,
    ],
    [
      'a key that is none',
      () => ({ ...first, key: first.cert }),
      /^--tls-key .*tls\.key: has no private key/,
    ],
    ['an encrypted key', () => ({ ...first, key: encrypted(first) }), /^--tls-key .*: is encrypted/],
    [
      'the key of another',
      () => ({ ...first, key: second.key }),
      /^--tls-key .*: is not the key of the first/,
    ],
    [
      'the certificates of a chain in the wrong order',
      () => ({ ...first, cert: second.cert + first.cert }),
      /^--tls-key .*: is not the key of the first certificate in .*tls\.crt$/,
    ],
    [
      'a key that is too short',
      () => createPair({ keyType: 'rsa', keySize: 1024 }),
      /^--tls-cert .*: cannot be used: .*key too small/,
    ],
    [
      'a certificate that has expired',
      () => createPair({ from: Date.now() - 2 * HOUR, until: Date.now() - HOUR }),
      /^--tls-cert .*: expired on /,
    ],
    [
      'a certificate of tomorrow',
      () => createPair({ from: Date.now() + HOUR, until: Date.now() + 2 * HOUR }),
      /^--tls-cert .*: is not valid before /,
    ],
  ];
  for (const [name, pair, problem] of table) {
    test(name, async () => {
      await using database = await newDatabase();
      await using files = await createPairFolder(await pair());
      const start = startTestApp(database, { flags: files.flags });
      await assert.rejects(start, (error) => {
        assert.ok(error instanceof StartError, String(error));
        assert.match(error.message, problem);
        assert.doesNotMatch(error.message, /secret|BEGIN/);
        return true;
      });
      assert.deepEqual(await readdir(database.folder), [], 'nothing is made before it');
    });
  }

  test('files that are not there, or are folders; in one clear line and with exit code 2', async () => {
    await using database = await newDatabase();
    await using files = await createPairFolder(first);
    const gone = path.join(files.folder, 'gone');
    for (const [cert, key, problem] of [
      [gone, files.key, /^--tls-cert .*gone: cannot be read: ENOENT[^\n]*\n$/],
      [files.cert, gone, /^--tls-key .*gone: cannot be read: ENOENT[^\n]*\n$/],
      [files.folder, files.key, /^--tls-cert .*: cannot be read: EISDIR[^\n]*\n$/],
    ] as const) {
      const flags = [`--data=${database.folder}`, `--tls-cert=${cert}`, `--tls-key=${key}`];
      const { code, stdout, stderr } = await runToEnd(['serve', ...flags]);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, problem);
    }
  });
});

test('a chain is served whole, with an RSA key as with any other', async () => {
  const pair = await createPair({ keyType: 'rsa', keySize: 2048 });
  trust(pair);
  await using database = await newDatabase();
  await using files = await createPairFolder({ ...pair, cert: pair.cert + first.cert });
  await using app = await startTestApp(database, { flags: files.flags });
  const socket = await dial(app);
  const certificate = socket.getPeerX509Certificate();
  assert.equal(certificate?.toString(), pair.cert);
  assert.equal(certificate?.issuerCertificate?.toString(), first.cert);
  socket.destroy();
});

/** A connection that has shaken hands. */
async function dial({ port }: { port: number }): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', rejectUnauthorized: false });
  await once(
    socket.on('error', () => {}),
    'secureConnect',
  );
  return socket;
}

/** The pair that a new connection is given. */
async function servedBy(app: { port: number }, ...pairs: readonly TestPair[]): Promise<number> {
  const socket = await dial(app);
  const served = socket.getPeerX509Certificate()?.toString();
  socket.destroy();
  return pairs.findIndex(({ cert }) => cert === served);
}

describe('a new pair', () => {
  test('that replaces the files is served to who comes, and who is there stays', WITHIN, async () => {
    const metrics = `127.0.0.1:${await freePort()}`;
    await using server = await startTlsServer([`--metrics-listen=${metrics}`]);
    const { app, files, log, pair } = server;
    const expiry = async () =>
      /^portcullis_tls_certificate_expiry_seconds (\d+)$/m.exec(
        await (await fetch(`http://${metrics}/metrics`)).text(),
      )?.[1];
    const before = await expiry();
    const next = await createPair({ until: Date.now() + 48 * HOUR });
    trust(next);
    const session = openSession(app.origin);
    assert.equal((await askOver(session, { ':path': '/healthz' })).status, 200);
    const old = await dial(app);
    await files.put(next);
    await log.until(NEW_ONE);
    assert.equal(await servedBy(app, pair, next), 1);
    assert.equal((await askOver(session, { ':path': '/healthz' })).status, 200);
    old.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    const [answer] = await once(old, 'data');
    assert.match(String(answer), /^HTTP\/1\.1 200 /);
    session.close();
    assert.notEqual(await expiry(), before);
    assert.ok(Math.abs(Number(await expiry()) - Date.now() / 1000 - 48 * 3600) < 600);
  });

  test('behind a link that is turned is served, as Kubernetes does it', WITHIN, async () => {
    await using files = await createPairFolder(first);
    await keep(files.folder, 'v1', first);
    await keep(files.folder, 'v2', second);
    await symlink('v1', path.join(files.folder, '..data'));
    for (const name of ['tls.crt', 'tls.key']) {
      await rm(path.join(files.folder, name));
      await symlink(`..data/${name}`, path.join(files.folder, name));
    }
    await assertFollows(files.flags, async () => {
      await symlink('v2', path.join(files.folder, '..data_tmp'));
      await rename(path.join(files.folder, '..data_tmp'), path.join(files.folder, '..data'));
    });
  });

  test('behind links that are replaced one by one is served, as certbot does it', WITHIN, async () => {
    await using files = await createPairFolder(first);
    await keep(files.folder, 'archive', first);
    const live = path.join(files.folder, 'live');
    await mkdir(live);
    const point = async (to: string) => {
      for (const name of ['tls.crt', 'tls.key']) {
        await symlink(path.join('..', to, name), path.join(live, `${name}.new`));
        await rename(path.join(live, `${name}.new`), path.join(live, name));
      }
    };
    await point('archive');
    const flags = [`--tls-cert=${path.join(live, 'tls.crt')}`, `--tls-key=${path.join(live, 'tls.key')}`];
    await assertFollows(flags, async () => {
      await keep(files.folder, 'archive2', second);
      await point('archive2');
    });
  });

  async function keep(folder: string, name: string, { cert, key }: TestPair): Promise<void> {
    await mkdir(path.join(folder, name));
    await writeFile(path.join(folder, name, 'tls.crt'), cert);
    await writeFile(path.join(folder, name, 'tls.key'), key);
  }

  async function assertFollows(flags: readonly string[], replace: () => Promise<void>): Promise<void> {
    await using database = await newDatabase();
    const log = createLog();
    await using app = await startTestApp(database, { flags, logger: log.logger });
    assert.equal(await servedBy(app, first, second), 0);
    await replace();
    await log.until(NEW_ONE);
    assert.equal(await servedBy(app, first, second), 1);
  }

  test(
    'that cannot be served leaves the last one, is complained of once, and is no end',
    WITHIN,
    async () => {
      await using database = await newDatabase();
      await using files = await createPairFolder(first);
      const log = createLog();
      await using app = await startTestApp(database, { flags: files.flags, logger: log.logger });
      const expired = await createPair({ from: Date.now() - 2 * HOUR, until: Date.now() - HOUR });
      const broken: readonly (readonly [TestPair, RegExp])[] = [
        [{ ...second, key: first.key }, /tls\.key: is not the key/],
        [{ cert: '', key: '' }, /tls\.crt: has no certificate/],
        [{ ...second, key: encrypted(second) }, /tls\.key: is encrypted/],
        [expired, /tls\.crt: expired on/],
      ];
      for (const [pair, problem] of broken) {
        await files.put(pair);
        await app.app.reloadCertificate();
        const complaints = log.lines.filter(({ msg }) => msg === LAST_STAYS);
        assert.equal(complaints.at(-1)?.level, 50);
        assert.match(String(complaints.at(-1)?.problem), problem);
        for (let time = 0; time < 3; time++) await app.app.reloadCertificate();
        assert.equal(log.lines.filter(({ msg }) => msg === LAST_STAYS).length, complaints.length);
        assert.equal(await servedBy(app, first, second, pair), 0);
        assert.equal((await fetch(`${app.origin}/readyz`)).status, 200);
      }
      await rm(files.key);
      await app.app.reloadCertificate();
      assert.equal(await servedBy(app, first, second), 0);
      await files.put(second);
      await app.app.reloadCertificate();
      assert.equal(await servedBy(app, first, second), 1);
    },
  );

  test('is missed in the log once the one that is served has expired, which goes on', async () => {
    await using database = await newDatabase();
    await using files = await createPairFolder(first);
    const log = createLog();
    const clock = createTestClock();
    await using app = await startTestApp(database, { flags: files.flags, logger: log.logger, clock });
    clock.advance(25 * HOUR);
    await app.app.reloadCertificate();
    assert.match(String((await log.until(LAST_STAYS)).problem), /tls\.crt: expired on/);
    assert.equal(await servedBy(app, first), 0);
  });

  test('is read after SIGHUP, and the program says that it is there by https', WITHIN, async () => {
    await using database = await newDatabase();
    await using files = await createPairFolder(first);
    await using program = await serve(database, { flags: [...files.flags, '--log-level=info'] });
    assert.match(program.stdout(), / API +https:\/\/127\.0\.0\.1:\d+\/client\/v4\n/);
    assert.match(program.stdout(), / sign-in +https:\/\/team\.localhost:\d+\n/);
    await writeFile(files.cert, second.cert);
    program.child.kill('SIGHUP');
    await program.says(LAST_STAYS);
    await writeFile(files.key, second.key);
    program.child.kill('SIGHUP');
    await program.says(NEW_ONE);
    assert.equal(await servedBy(program, first, second), 1);
    assert.equal(await program.stop(), 0);
  });
});

describe('when the server stops', () => {
  const users = ({ credentials }: TestApp) => `/client/v4/accounts/${credentials.account_id}/access/users`;
  const post = (app: TestApp) => ({
    ':method': 'POST',
    ':path': users(app),
    'content-type': 'application/json',
    authorization: `Bearer ${app.credentials.api_token}`,
  });
  const openTo = (app: TestApp): ClientHttp2Session => connectHttp2(app.origin).on('error', () => {});

  test('HTTP/2 is told so, and what is under way is finished', async () => {
    await using server = await startTlsServer();
    const { app } = server;
    const [session, idle] = [openTo(app), openTo(app)];
    await askOver(idle, { ':path': '/healthz' });
    const stream = session.request(post(app), { endStream: false });
    stream.write('{"email":');
    await askOver(session, { ':path': '/healthz' });
    const toldIdle = once(idle, 'goaway');
    const told = once(session, 'goaway');
    const stopped = app.close();
    await Promise.all([told, toldIdle]);
    if (!idle.closed) await once(idle, 'close');
    stream.end('"late@example.com"}');
    const [{ ':status': status }] = await once(stream, 'response');
    assert.equal(status, 201);
    stream.resume();
    await stopped;
    assert.equal(session.closed, true);
  });

  test('what never ends is cut: a stream, a request, a handshake', async () => {
    await using server = await startTlsServer();
    const { app } = server;
    const session = openTo(app);
    const stream = session.request(post(app), { endStream: false }).on('error', () => {});
    stream.write('{"email":');
    await askOver(session, { ':path': '/healthz' });
    const slow = await dial(app);
    slow.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1');
    const silent = connectPlain(app.port, '127.0.0.1').on('error', () => {});
    await once(silent, 'connect');
    const ends = [session, slow.resume(), silent.resume()].map(
      (one) => new Promise((resolve) => one.once('close', resolve)),
    );
    await app.close();
    await Promise.all(ends);
    assert.equal(stream.destroyed, true);
  });
});
