import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { type Config, readConfig } from './config.ts';
import { settings } from './settings.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'portcullis-config-'));
after(() => rmSync(folder, { recursive: true }));

function fileWith(content: string): string {
  const file = path.join(folder, `${fileWith.made++}`);
  writeFileSync(file, content);
  return file;
}
fileWith.made = 0;

function read(argv: readonly string[], env: Record<string, string> = {}): Config {
  const reading = readConfig(argv, env);
  assert.ok(reading.ok, reading.ok ? '' : reading.problems.join('\n'));
  return reading.config;
}

/** Each of these is a problem without the others. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  'tls-cert': ['--tls-key=/other'],
  'tls-key': ['--tls-cert=/other'],
  smtp: ['--mail-from=access@b.example'],
  'smtp-password': ['--smtp=smtps://user@mail.example', '--mail-from=access@b.example'],
  'mail-from': ['--smtp=smtp://mail.example'],
};

describe('without a word', () => {
  test('the server is for this machine alone', () => {
    assert.deepEqual(read([]), {
      listen: { host: '127.0.0.1', port: 8787 },
      tls: null,
      data: path.resolve('data'),
      databaseUrl: null,
      teamDomain: 'team.localhost:8787',
      teamDomainGiven: false,
      publicUrl: 'http://127.0.0.1:8787',
      publicUrlGiven: false,
      scheme: 'http',
      adminEmail: 'admin@example.com',
      zone: 'localhost',
      masterKeyFile: path.resolve('data/master.key'),
      trustedProxies: [],
      forwardAuthSecret: null,
      mail: null,
      upstreamCaFile: null,
      upstreamTimeout: 60_000,
      idleTimeout: 3_600_000,
      lease: 5000,
      notifications: true,
      metricsListen: { host: '127.0.0.1', port: 9464 },
      rateLimit: 1200,
      requestLogDays: 30,
      requestLogLines: 1_000_000,
      logLevel: 'info',
    });
  });

  test('nothing of the settings can be changed afterwards', () => {
    const config = read([]) as { zone: string };
    assert.throws(() => {
      config.zone = 'other.example';
    }, TypeError);
  });

  test('variables of others are passed over', () => {
    read([], { HOME: '/', PORTCULLIS: 'x', NODE_OPTIONS: '', LISTEN: 'x', MY_PORTCULLIS_LISTEN: 'x' });
  });
});

describe('where a setting is read', () => {
  test('a flag goes before a variable, and a variable before the file', () => {
    const file = fileWith('{"zone":"file.example","admin-email":"file@example.com","log-level":"error"}');
    const env = {
      PORTCULLIS_CONFIG: file,
      PORTCULLIS_ZONE: 'env.example',
      PORTCULLIS_ADMIN_EMAIL: 'env@a.test',
    };
    const { zone, adminEmail, logLevel } = read(['--zone', 'flag.example'], env);
    assert.deepEqual([zone, adminEmail, logLevel], ['flag.example', 'env@a.test', 'error']);
    assert.equal(
      read(['--config', fileWith('{"zone":"a.test"}')], { PORTCULLIS_CONFIG: file }).zone,
      'a.test',
    );
  });

  test('each can be a flag in two spellings, a variable, and a key of the file', () => {
    const good: Record<(typeof settings)[number]['name'], string> = {
      listen: '[::1]:1',
      'tls-cert': '/tls.crt',
      'tls-key': '/tls.key',
      data: folder,
      'database-url': 'postgresql://user:pw@db.example/x',
      'team-domain': 'Team.Example:8080',
      'public-url': 'https://api.example',
      'admin-email': 'A@B.example',
      zone: 'b\u00fccher.example',
      'master-key-file': '/k',
      'trusted-proxy': '10.0.0.0/8,::1',
      'forward-auth-secret': 's'.repeat(32),
      smtp: 'smtp://mail.example',
      'smtp-password': 'a password',
      'mail-from': 'access@b.example',
      'upstream-ca-file': '/ca.pem',
      'upstream-timeout': '5',
      'idle-timeout': '86400',
      'insecure-http': 'true',
      lease: '1',
      notifications: 'off',
      'metrics-listen': 'off',
      'rate-limit': 'off',
      'request-log-days': '7',
      'request-log-lines': '5000',
      'log-level': 'trace',
    };
    const usual = read([]);
    for (const { name } of settings) {
      const value = good[name];
      const variable = `PORTCULLIS_${name.toUpperCase().replaceAll('-', '_')}`;
      const other = NEEDED[name] ?? [];
      const readings = [
        read([`--${name}=${value}`, ...other]),
        read([
          'flag' in byName(name) ? `--${name}=${value}` : `--${name}`,
          ...('flag' in byName(name) ? [] : [value]),
          ...other,
        ]),
        read(other, { [variable]: value }),
        read([`--config=${fileWith(JSON.stringify({ [name]: value }))}`, ...other]),
      ];
      for (const reading of readings) assert.deepEqual(reading, readings[0], name);
      if (name !== 'insecure-http') assert.notDeepEqual(readings[0], usual, name);
    }
  });

  test('numbers, switches and lists of the file may be written as such', () => {
    const content = { 'rate-limit': 7, 'insecure-http': true, 'trusted-proxy': ['10.0.0.0/8', '::1'] };
    const { rateLimit, trustedProxies } = read(['--config', fileWith(JSON.stringify(content))]);
    assert.deepEqual([rateLimit, trustedProxies.length], [7, 2]);
  });

  test('what may be given many times is added up', () => {
    const argv = ['--trusted-proxy', '10.0.0.0/8', '--trusted-proxy=192.0.2.1, ::1'];
    assert.equal(read(argv).trustedProxies.length, 3);
  });

  test('a secret may lie in a file, without the newline at its end', () => {
    const secret = 'x'.repeat(40);
    const url = 'postgres://portcullis@db.example/portcullis';
    const argv = ['--forward-auth-secret-file', fileWith(`${secret}\n`)];
    const config = read(argv, { PORTCULLIS_DATABASE_URL_FILE: fileWith(`${url}\r\n`) });
    assert.deepEqual([config.forwardAuthSecret, config.databaseUrl], [secret, url]);
  });
});

function byName(name: string): object {
  return settings.find((setting) => setting.name === name) ?? {};
}

describe('what follows from what', () => {
  const table: readonly (readonly [readonly string[], Partial<Config>])[] = [
    [['--listen=localhost:1234'], { teamDomain: 'team.localhost:1234', publicUrl: 'http://localhost:1234' }],
    [['--listen=[::1]:1234'], { scheme: 'http', publicUrl: 'http://[::1]:1234' }],
    [['--listen=127.9.9.9:80'], { scheme: 'http' }],
    [['--listen=0.0.0.0:80', '--trusted-proxy=10.0.0.1'], { scheme: 'https' }],
    [['--listen=0.0.0.0:80', '--insecure-http', '--public-url=http://a.test'], { scheme: 'http' }],
    [['--public-url=https://a.test/'], { scheme: 'https', publicUrl: 'https://a.test' }],
    [['--team-domain=TEAM.example'], { teamDomain: 'team.example', teamDomainGiven: true }],
    [['--team-domain=b\u00fccher.example:8443'], { teamDomain: 'xn--bcher-kva.example:8443' }],
    [['--zone=B\u00fccher.example'], { zone: 'xn--bcher-kva.example' }],
    [['--admin-email=Admin@Example.com'], { adminEmail: 'admin@example.com' }],
    [['--data=/srv/p'], { data: '/srv/p', masterKeyFile: '/srv/p/master.key' }],
    [['--insecure-http=false'], {}],
    [
      ['--tls-cert=/a/tls.crt', '--tls-key=/a/tls.key'],
      {
        tls: { cert: '/a/tls.crt', key: '/a/tls.key' },
        scheme: 'https',
        publicUrl: 'https://127.0.0.1:8787',
        teamDomain: 'team.localhost:8787',
      },
    ],
    [
      ['--tls-cert=c', '--tls-key=k', '--listen=0.0.0.0:443'],
      { scheme: 'https', teamDomain: 'team.localhost' },
    ],
    [['--tls-cert=c', '--tls-key=k', '--listen=0.0.0.0:80'], { teamDomain: 'team.localhost:80' }],
    [['--tls-cert=c', '--tls-key=k', '--public-url=https://a.test'], { publicUrl: 'https://a.test' }],
    [['--public-url=https://a.test', '--team-domain=team.example:443'], { teamDomain: 'team.example' }],
    [['--team-domain=team.example:80'], { teamDomain: 'team.example' }],
    [['--team-domain=team.example:443'], { teamDomain: 'team.example:443' }],
  ];
  for (const [argv, expected] of table) {
    test(argv.join(' '), () => {
      const config = read(argv);
      for (const [key, value] of Object.entries(expected))
        assert.deepEqual(config[key as keyof Config], value, key);
    });
  }
});

describe('mail', () => {
  const from = '--mail-from=Access@B.example';
  const mailOf = (...argv: string[]) => read([from, ...argv]).mail;

  test('is sent from the address that is given, to the usual port of its way, and in TLS beyond this machine', () => {
    const server = { host: 'mail.example', login: null, from: 'access@b.example' };
    const started = { ...server, port: 587, implicitTls: false, needsTls: true };
    assert.deepEqual(mailOf('--smtp=smtp://Mail.example'), started);
    assert.deepEqual(mailOf('--smtp=smtps://mail.example'), { ...started, port: 465, implicitTls: true });
    assert.deepEqual(mailOf('--smtp=smtp://127.0.0.1:25'), {
      ...started,
      host: '127.0.0.1',
      port: 25,
      needsTls: false,
    });
    assert.deepEqual(mailOf('--smtp=smtp://[::1]:25')?.host, '::1');
    assert.equal(mailOf('--smtp=smtp://10.0.0.1')?.needsTls, true);
  });

  test('has a user by its URL and the password by a file', () => {
    const mail = mailOf(
      '--smtp=smtp://sender%40b.example@mail.example:2525/',
      `--smtp-password-file=${fileWith('p w\n')}`,
    );
    assert.deepEqual(mail?.login, { user: 'sender@b.example', password: 'p w' });
    assert.equal(mail?.port, 2525);
  });
});
