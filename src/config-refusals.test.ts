import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { readConfig } from './config.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'portcullis-config-'));
after(() => rmSync(folder, { recursive: true }));

function fileWith(content: string): string {
  const file = path.join(folder, `${fileWith.made++}`);
  writeFileSync(file, content);
  return file;
}
fileWith.made = 0;

function problems(argv: readonly string[], env: Record<string, string> = {}): readonly string[] {
  const reading = readConfig(argv, env);
  assert.equal(reading.ok, false, argv.join(' '));
  return reading.ok ? [] : reading.problems;
}

describe('what is refused', () => {
  const table: readonly (readonly [argv: readonly string[], problem: RegExp])[] = [
    [['--listen=8787'], /^--listen: must be host:port$/],
    [['--listen=127.0.0.1'], /^--listen: must be host:port$/],
    [['--listen=127.0.0.1:0'], /^--listen/],
    [['--listen=127.0.0.1:65536'], /^--listen/],
    [['--listen=::1:80'], /^--listen/],
    [['--listen=http://127.0.0.1:80'], /^--listen/],
    [['--listen'], /^--listen: a value is missing$/],
    [['--listen', '--zone=a.test'], /^--listen: must be host:port$/],
    [['--listen=0.0.0.0:80'], /beyond loopback without TLS.*--trusted-proxy.*--insecure-http/],
    [['--listen=[::]:80'], /beyond loopback/],
    [['--listen=192.168.0.1:80'], /beyond loopback/],
    [['--listen=my.host:80'], /beyond loopback/],
    [['--listen=0.0.0.0:80', '--insecure-http=false'], /beyond loopback/],
    [['--tls-cert=tls.crt'], /^--tls-cert: needs --tls-key as well$/],
    [['--tls-key=tls.key', '--listen=0.0.0.0:443'], /^--tls-key: needs --tls-cert as well$/],
    [['--tls-cert=', '--tls-key=tls.key'], /^--tls-cert: must be a file$/],
    [
      ['--tls-cert=c', '--tls-key=k', '--public-url=http://a.test'],
      /^--public-url: must be https, since --tls-cert is given$/,
    ],
    [
      ['--tls-cert=c', '--tls-key=k', '--public-url=a.test'],
      /^--public-url: must be an http or https origin/,
    ],
    [['--insecure-http=yes'], /^--insecure-http: must be true or false$/],
    [['--smtp=mail.example', '--mail-from=a@b.example'], /^--smtp: must be smtp:\/\//],
    [['--smtp=https://mail.example', '--mail-from=a@b.example'], /^--smtp: must be smtp:\/\//],
    [['--smtp=smtp://', '--mail-from=a@b.example'], /^--smtp: must be smtp:\/\//],
    [['--smtp=smtp://m.example/x', '--mail-from=a@b.example'], /^--smtp: must end after the host/],
    [['--smtp=smtp://m.example?x', '--mail-from=a@b.example'], /^--smtp: must end after the host/],
    [['--smtp=smtp://a%0d@m.example', '--mail-from=a@b.example'], /^--smtp: must end after the host/],
    [['--smtp=smtp://m_x.example', '--mail-from=a@b.example'], /^--smtp: must name a host$/],
    [['--smtp=smtp://m.example:0', '--mail-from=a@b.example'], /^--smtp: must have a port/],
    [
      ['--smtp=smtp://u:pw@m.example', '--mail-from=a@b.example'],
      /^--smtp: must not hold a password: put it in a file for --smtp-password-file$/,
    ],
    [['--smtp=smtp://m.example'], /^--smtp: needs --mail-from as well$/],
    [['--mail-from=a@b.example'], /^--mail-from: needs --smtp as well$/],
    [['--smtp-password=x'], /^--smtp-password: needs --smtp as well$/],
    [['--smtp=smtp://m.example', '--mail-from=a'], /^--mail-from: must be an e-mail address$/],
    [['--smtp=smtp://m.example', '--mail-from=a@b.example\r\nBcc: c@d.example'], /^--mail-from: must be/],
    [['--smtp=smtp://u@m.example', '--mail-from=a@b.example'], /^--smtp: needs --smtp-password-file/],
    [
      ['--smtp=smtp://m.example', '--mail-from=a@b.example', '--smtp-password=x'],
      /^--smtp-password: --smtp names no user/,
    ],
    [['--data='], /^--data/],
    [['--master-key-file='], /^--master-key-file/],
    [['--database-url=mysql://a'], /^--database-url: must be a postgres:\/\/ URL$/],
    [['--database-url=a'], /^--database-url/],
    [['--team-domain=https://team.example'], /^--team-domain/],
    [['--team-domain=a b'], /^--team-domain/],
    [['--team-domain=team.example/path'], /^--team-domain/],
    [['--team-domain='], /^--team-domain/],
    [['--public-url=api.example'], /^--public-url/],
    [['--public-url=https://api.example/path'], /^--public-url/],
    [['--public-url=ftp://api.example'], /^--public-url/],
    [['--public-url=https://a@api.example'], /^--public-url/],
    [['--admin-email=admin'], /^--admin-email/],
    [['--zone=a.test:80'], /^--zone: must be a domain name$/],
    [['--zone=127.0.0.1'], /^--zone/],
    [['--zone='], /^--zone/],
    [['--trusted-proxy=10.0.0.0/33'], /^--trusted-proxy/],
    [['--trusted-proxy=proxy.example'], /^--trusted-proxy/],
    [['--trusted-proxy=10.0.0.1', '--trusted-proxy=x'], /^--trusted-proxy/],
    [['--forward-auth-secret=short'], /^--forward-auth-secret: must have at least 32 characters$/],
    [['--metrics-listen=on'], /^--metrics-listen/],
    [['--rate-limit=0'], /^--rate-limit/],
    [['--rate-limit=-1'], /^--rate-limit/],
    [['--rate-limit=1.5'], /^--rate-limit/],
    [['--rate-limit=many'], /^--rate-limit/],
    [['--request-log-days=0'], /^--request-log-days: must be a whole number from 1 to 9999$/],
    [['--request-log-days=10000'], /^--request-log-days/],
    [['--request-log-lines=0'], /^--request-log-lines: must be a whole number from 1 up$/],
    [['--request-log-lines=off'], /^--request-log-lines/],
    [['--log-level=loud'], /^--log-level: must be one of fatal, error/],
    [['--unknown'], /^--unknown: unknown setting$/],
    [['--unknown=x'], /^--unknown: unknown setting$/],
    // A value is never printed: a mistyped name may stand before a secret.
    [['--forward-auth-secre=hidden'], /^--forward-auth-secre: unknown setting$/],
    [['--LISTEN=127.0.0.1:1'], /unknown setting$/],
    [['-l', '127.0.0.1:1'], /^-l: unknown setting$/],
    [['extra'], /^extra: unknown setting$/],
    [['--zone-file=x'], /^--zone-file: unknown setting$/],
    [['--constructor=x'], /unknown setting$/],
    [['--config=/nowhere/at/all'], /^--config \/nowhere\/at\/all: .*ENOENT/],
    [['--forward-auth-secret-file=/nowhere/at/all'], /^--forward-auth-secret-file: .*ENOENT/],
  ];
  for (const [argv, problem] of table) {
    test(argv.join(' '), () => {
      const found = problems(argv);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0] ?? '', problem);
    });
  }

  const files: readonly (readonly [content: string, problem: RegExp])[] = [
    ['', /JSON/],
    ['[]', /must be a JSON object/],
    ['null', /must be a JSON object/],
    ['{"zones":"a.test"}', /^zones in .*: unknown setting$/],
    ['{"__proto__":"a.test"}', /^__proto__ in .*: unknown setting$/],
    ['{"config":"x"}', /^config in .*: unknown setting$/],
    ['{"zone":null}', /^zone in .*: must be a text, number or boolean$/],
    ['{"zone":{"name":"a.test"}}', /^zone in .*: must be a text/],
    ['{"trusted-proxy":[["10.0.0.1"],{}]}', /^trusted-proxy in .*: must be/],
    ['{"zone":"a b"}', /^zone in .*: must be a domain name$/],
  ];
  for (const [content, problem] of files) {
    test(`${content || 'an empty file'} in the file`, () => {
      const found = problems(['--config', fileWith(content)]);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0] ?? '', problem);
    });
  }

  test('a variable, by its own name', () => {
    const env = { PORTCULLIS_LISTEN: 'x', PORTCULLIS_COLOUR: 'blue', PORTCULLIS_RATE_LIMIT: '' };
    assert.deepEqual(problems([], env).toSorted(), [
      'PORTCULLIS_COLOUR: unknown setting',
      'PORTCULLIS_LISTEN: must be host:port',
      'PORTCULLIS_RATE_LIMIT: must be a whole number from 1 up, or off',
    ]);
  });

  test('a secret that is given twice over', () => {
    const argv = ['--forward-auth-secret-file', fileWith('y'.repeat(32))];
    const env = { PORTCULLIS_FORWARD_AUTH_SECRET: 'x'.repeat(32) };
    assert.deepEqual(problems(argv, env), [
      '--forward-auth-secret-file: forward-auth-secret is given directly as well',
    ]);
  });

  test('everything at once, and no secret is repeated', () => {
    const argv = [
      '--listen=x',
      '--colour',
      'blue',
      '--rate-limit=0',
      '--forward-auth-secret=hunter2',
      '--smtp=smtp://user:hunter2@mail.example',
      '--smtp-password=',
      '--zone',
    ];
    const found = problems(argv, { PORTCULLIS_LOG_LEVEL: 'loud' });
    assert.equal(found.length, 9, found.join('\n'));
    assert.equal(found.join().includes('hunter2'), false);
  });
});
