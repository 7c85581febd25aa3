import { once } from 'node:events';
import { text as readText } from 'node:stream/consumers';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import type { TestPair } from './certificates.ts';

/** A mail that the sink took. */
export interface TakenMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and body as they came. */
  readonly raw: string;
  readonly headers: string;
  /** Whether it came over TLS. */
  readonly secure: boolean;
  readonly user: string | null;
}

export interface SmtpSinkOptions {
  /** 'none' offers no TLS. */
  readonly tls?: 'none' | 'starttls' | 'implicit';
  readonly pair?: TestPair;
  readonly login?: { readonly user: string; readonly password: string };
}

/** A real SMTP server on loopback that keeps what it is sent. */
export interface SmtpSink extends AsyncDisposable {
  readonly port: number;
  readonly mails: readonly TakenMail[];
  /** How many connections were made. */
  readonly connections: number;
  /** Passwords that were tried. */
  readonly passwords: readonly string[];
  /** What the next mails are answered with instead of being taken. */
  readonly refusals: { code: number; message: string }[];
  /** The mail of that number, from 0, when it has come; with `to`, of those to that e-mail. */
  mail(index: number, to?: string): Promise<TakenMail>;
}

const WITHIN_MS = 20_000;

export async function startSmtpSink(options: SmtpSinkOptions = {}): Promise<SmtpSink> {
  const mails: TakenMail[] = [];
  const passwords: string[] = [];
  const refusals: { code: number; message: string }[] = [];
  const arrived = new EventTarget();
  const seen = { connections: 0 };
  const server = new SMTPServer({
    ...tlsOptions(options),
    authOptional: options.login === undefined,
    allowInsecureAuth: true,
    disableReverseLookup: true,
    closeTimeout: 500,
    onConnect: (_session, done) => {
      seen.connections += 1;
      done();
    },
    onAuth: ({ username, password }, _session, done) => {
      passwords.push(password ?? '');
      const isRight = username === options.login?.user && password === options.login?.password;
      if (!isRight) return done(new Error('no such user'));
      done(null, { user: username });
    },
    onData: (stream, session, done) => {
      readText(stream).then((raw) => {
        const refused = refusals.shift();
        if (refused) return done(Object.assign(new Error(refused.message), { responseCode: refused.code }));
        const { mailFrom, rcptTo } = session.envelope;
        mails.push({
          from: mailFrom ? mailFrom.address : '',
          to: rcptTo.map(({ address }) => address),
          raw,
          headers: raw.split('\r\n\r\n', 1)[0] ?? '',
          secure: session.secure,
          user: typeof session.user === 'string' ? session.user : null,
        });
        arrived.dispatchEvent(new Event('mail'));
        done();
      }, done);
    },
  });
  server.on('error', () => {});
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  const address = server.server.address();
  if (address === null || typeof address === 'string') throw new Error('the sink has no port');
  return {
    port: address.port,
    mails,
    passwords,
    refusals,
    get connections() {
      return seen.connections;
    },
    mail: async (index, to) => {
      const signal = AbortSignal.timeout(WITHIN_MS);
      for (;;) {
        const mail = mails.filter((one) => to === undefined || one.to.includes(to))[index];
        if (mail) return mail;
        await new Promise((resolve, reject) => {
          arrived.addEventListener('mail', resolve, { once: true });
          signal.addEventListener('abort', () => reject(new Error(`no mail ${index} to ${to} came`)), {
            once: true,
          });
        });
      }
    },
    [Symbol.asyncDispose]: () => new Promise((done) => void server.close(() => done())),
  };
}

function tlsOptions({ tls = 'none', pair }: SmtpSinkOptions): SMTPServerOptions {
  if (tls === 'none') return { disabledCommands: ['STARTTLS'] };
  return { secure: tls === 'implicit', ...(pair ? { key: pair.key, cert: pair.cert } : {}) };
}

/** The code in a mail. */
export function codeIn({ raw }: TakenMail): string {
  const [code] = /^\d{6}$/m.exec(raw.replaceAll('\r\n', '\n')) ?? [];
  if (code === undefined) throw new Error(`no code in ${raw}`);
  return code;
}
