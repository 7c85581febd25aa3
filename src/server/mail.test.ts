import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pino } from 'pino';
import { createPair, trust } from '../../test/support/certificates.ts';
import { freePort } from '../../test/support/free-port.ts';
import { type SmtpSink, type SmtpSinkOptions, startSmtpSink } from '../../test/support/smtp.ts';
import type { MailSettings } from '../setting-values.ts';
import { createMailer } from './mail.ts';
import { createMetrics } from './metrics.ts';

const MAIL = { to: 'ada@example.com', subject: 'Hello', text: 'plain\n', html: '<p>rich</p>' };

function openMailer(port: number, settings: Partial<MailSettings> = {}) {
  const log: Readonly<Record<string, unknown>>[] = [];
  const logger = pino({ level: 'trace', base: null }, { write: (line) => void log.push(JSON.parse(line)) });
  const metrics = createMetrics();
  const usual = { host: '127.0.0.1', port, implicitTls: false, needsTls: false, login: null };
  const mailer = createMailer({
    settings: { ...usual, from: 'access@example.com', ...settings },
    logger,
    metrics,
    retryAfter: 20,
    room: 20,
  });
  const outcomes = async () => {
    const { values } = await metrics.mails.get();
    return Object.fromEntries(values.map(({ labels, value }) => [labels.outcome, value]));
  };
  /** When so many mails have come to an end. */
  const ended = async (count: number) => {
    for (let left = 1000; left > 0; left -= 1) {
      const counts = await outcomes();
      if ((counts.sent ?? 0) + (counts.failed ?? 0) >= count) return counts;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error('mails are still under way');
  };
  return { mailer, log, outcomes, ended, [Symbol.asyncDispose]: () => mailer.close() };
}

async function withSink(options: SmtpSinkOptions, work: (sink: SmtpSink) => Promise<void>): Promise<void> {
  await using sink = await startSmtpSink(options);
  await work(sink);
}

describe('a mail server that is refused', () => {
  const login = { user: 'sender', password: 'hunter2' };

  test('where it offers no STARTTLS and is not on this machine: nothing of the mail or the login is said', async () => {
    await withSink({ tls: 'none', login }, async (sink) => {
      await using opened = openMailer(sink.port, { needsTls: true, login });
      opened.mailer.send(MAIL, 'request-1');
      assert.deepEqual(await opened.ended(1), { failed: 1 });
      assert.deepEqual([sink.mails, sink.passwords], [[], []]);
      assert.ok(sink.connections > 0);
      const line = opened.log.find(({ msg }) => msg === 'a mail could not be sent');
      assert.equal(line?.requestId, 'request-1');
      assert.match(String(line?.cause), /ETLS/);
    });
  });

  for (const tls of ['starttls', 'implicit'] as const) {
    test(`where nobody vouches for its certificate (${tls})`, async () => {
      await withSink({ tls, pair: await createPair(), login }, async (sink) => {
        await using opened = openMailer(sink.port, {
          needsTls: true,
          implicitTls: tls === 'implicit',
          login,
        });
        opened.mailer.send(MAIL, 'request-1');
        assert.deepEqual(await opened.ended(1), { failed: 1 });
        assert.deepEqual([sink.mails, sink.passwords], [[], []]);
      });
    });
  }

  test('where it refuses the login; neither password nor address is in the log', async () => {
    await withSink({ login: { ...login, password: 'another' } }, async (sink) => {
      await using opened = openMailer(sink.port, { login });
      opened.mailer.send(MAIL, 'request-1');
      assert.deepEqual(await opened.ended(1), { failed: 1 });
      assert.deepEqual([sink.mails, sink.connections], [[], 1]);
      assert.doesNotMatch(JSON.stringify(opened.log), /hunter2|ada@example/);
    });
  });
});

describe('a mail', () => {
  test('comes as it was written, to one person, and names no other', async () => {
    await withSink({ login: { user: 'sender', password: 'hunter2' } }, async (sink) => {
      await using opened = openMailer(sink.port, { login: { user: 'sender', password: 'hunter2' } });
      opened.mailer.send(MAIL, 'request-1');
      const mail = await sink.mail(0);
      assert.deepEqual([mail.from, mail.to], ['access@example.com', ['ada@example.com']]);
      assert.equal(mail.user, 'sender');
      assert.match(mail.headers, /^From: access@example\.com\r$/m);
      assert.match(mail.headers, /^To: ada@example\.com\r$/m);
      assert.match(mail.headers, /^Subject: Hello\r$/m);
      assert.match(mail.headers, /^Auto-Submitted: auto-generated\r$/m);
      assert.match(mail.raw, /text\/plain[\s\S]*plain[\s\S]*text\/html[\s\S]*<p>rich<\/p>/);
      assert.deepEqual(await opened.ended(1), { sent: 1 });
    });
  });

  for (const tls of ['starttls', 'implicit'] as const) {
    test(`goes over TLS that is verified, the login too (${tls})`, async () => {
      const pair = await createPair();
      trust(pair);
      const login = { user: 'sender', password: 'hunter2' };
      await withSink({ tls, pair, login }, async (sink) => {
        await using opened = openMailer(sink.port, {
          needsTls: true,
          implicitTls: tls === 'implicit',
          login,
        });
        opened.mailer.send(MAIL, 'request-1');
        const { secure, user } = await sink.mail(0);
        assert.deepEqual({ secure, user }, { secure: true, user: 'sender' });
      });
    });
  }

  test('cannot become two, or get a header, by what is in its subject', async () => {
    await withSink({}, async (sink) => {
      await using opened = openMailer(sink.port);
      opened.mailer.send({ ...MAIL, subject: 'Hello\r\nBcc: eve@example.com\r\n\r\nbody' }, 'request-1');
      const mail = await sink.mail(0);
      assert.deepEqual(mail.to, ['ada@example.com']);
      assert.doesNotMatch(mail.headers, /^Bcc/im);
    });
  });

  test('is sent a second time where the server was busy, and not a third', async () => {
    await withSink({}, async (sink) => {
      await using opened = openMailer(sink.port);
      sink.refusals.push({ code: 451, message: 'busy' });
      opened.mailer.send(MAIL, 'request-1');
      await sink.mail(0);
      assert.deepEqual(await opened.ended(1), { sent: 1 });
      for (let count = 0; count < 3; count += 1) sink.refusals.push({ code: 451, message: 'busy' });
      opened.mailer.send(MAIL, 'request-2');
      assert.deepEqual(await opened.ended(2), { sent: 1, failed: 1 });
      assert.deepEqual([sink.mails.length, sink.refusals.length], [1, 1]);
    });
  });

  test('is not sent again where the server says that it never will be taken', async () => {
    await withSink({}, async (sink) => {
      await using opened = openMailer(sink.port);
      sink.refusals.push({ code: 550, message: 'no such person ada@example.com' });
      opened.mailer.send(MAIL, 'request-1');
      assert.deepEqual(await opened.ended(1), { failed: 1 });
      assert.equal(sink.connections, 1);
      assert.doesNotMatch(JSON.stringify(opened.log), /ada@example/);
    });
  });

  test('is lost and logged where nobody listens, and whoever sent it was not kept waiting', async () => {
    await using opened = openMailer(await freePort());
    assert.equal(opened.mailer.send(MAIL, 'request-1'), undefined);
    assert.deepEqual(await opened.ended(1), { failed: 1 });
    assert.equal(opened.log.filter(({ level }) => level === 50).length, 1);
  });

  test('beyond the queue is lost at once; those in it all come', async () => {
    await withSink({}, async (sink) => {
      await using opened = openMailer(sink.port);
      for (let count = 0; count < 25; count += 1) opened.mailer.send(MAIL, `request-${count}`);
      assert.deepEqual(await opened.outcomes(), { failed: 5 });
      assert.deepEqual(await opened.ended(25), { sent: 20, failed: 5 });
      assert.equal(sink.mails.length, 20);
    });
  });
});

test('a mailer that is closed sends nothing more', async () => {
  await withSink({}, async (sink) => {
    const opened = openMailer(sink.port);
    opened.mailer.prepare();
    assert.equal(sink.connections, 0);
    await opened.mailer.close();
    opened.mailer.send(MAIL, 'request-1');
    assert.deepEqual(await opened.outcomes(), { failed: 1 });
    assert.equal(sink.connections, 0);
  });
});
