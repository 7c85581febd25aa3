import type { Transporter } from 'nodemailer';
import type { Logger } from 'pino';
import { SECOND } from '../kernel/clock.ts';
import type { MailSettings } from '../setting-values.ts';
import type { Mail, Mailer } from '../sign-in/mailer.ts';
import type { Metrics } from './metrics.ts';

export interface MailParts {
  readonly settings: MailSettings;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'mails'>;
  /** Milliseconds before the second attempt. */
  readonly retryAfter?: number;
  /** How many mails may wait; what is more is lost. */
  readonly room?: number;
}

/** A mailer that can be given back. */
export interface OpenMailer extends Mailer {
  /** Lets what is under way finish, for a moment; what waits is dropped. */
  close(): Promise<void>;
}

/** Mails under way at the same time; the others wait. */
const AT_ONCE = 5;
const MOST_WAITING = 500;

const PATIENCE = 10 * SECOND;
const CLOSES_WITHIN = 5 * SECOND;

/** Sends mails by SMTP. Contacts nothing, and loads nothing, before the first of them. */
export function createMailer(parts: MailParts): OpenMailer {
  const { settings, logger, metrics, retryAfter = 3 * SECOND, room = MOST_WAITING } = parts;
  const waiting: (() => Promise<void>)[] = [];
  const underWay = new Set<Promise<void>>();
  const closing = new AbortController();
  let transport: Promise<Transporter> | null = null;
  const open = () => {
    transport ??= openTransport(settings).catch((error: unknown) => {
      // The next mail tries anew.
      transport = null;
      throw error;
    });
    return transport;
  };

  const fill = () => {
    while (underWay.size < AT_ONCE && !closing.signal.aborted) {
      const next = waiting.shift();
      if (!next) return;
      const sending = next().finally(() => {
        underWay.delete(sending);
        fill();
      });
      underWay.add(sending);
    }
  };

  const lose = (requestId: string, error: unknown) => {
    metrics.mails.inc({ outcome: 'failed' });
    logger.error({ requestId, cause: causeOf(error) }, 'a mail could not be sent');
  };

  const deliver = async (mail: Mail, requestId: string): Promise<void> => {
    const attempt = async () => void (await (await open()).sendMail(toMessage(settings, mail)));
    try {
      await attempt().catch(async (error: unknown) => {
        if (isFinal(error) || !(await wait(retryAfter, closing.signal))) throw error;
        logger.warn({ requestId, cause: causeOf(error) }, 'a mail could not be sent, once more');
        await attempt();
      });
      metrics.mails.inc({ outcome: 'sent' });
    } catch (error) {
      lose(requestId, error);
    }
  };

  return {
    prepare: () => void open().catch(() => {}),
    send: (mail, requestId) => {
      if (waiting.length >= room || closing.signal.aborted) {
        return lose(requestId, new Error('too many mails are waiting'));
      }
      waiting.push(() => deliver(mail, requestId));
      // In a turn of its own: the answer to the request goes first.
      setImmediate(fill);
    },
    close: async () => {
      closing.abort();
      waiting.length = 0;
      const late = new AbortController();
      await Promise.race([Promise.allSettled([...underWay]), wait(CLOSES_WITHIN, late.signal)]);
      late.abort();
      if (transport) (await transport.catch(() => null))?.close();
    },
  };
}

/** Loaded with the first mail: a server without one-time PINs never needs it. */
async function openTransport(settings: MailSettings): Promise<Transporter> {
  const { createTransport } = await import('nodemailer');
  return createTransport(transportOptions(settings));
}

/**
 * How the mail server is spoken to: TLS that is verified, or nothing is said, the user and password least of all; on
 * this machine in plain text.
 */
function transportOptions({ host, port, implicitTls, needsTls, login }: MailSettings) {
  const tls = implicitTls ? { secure: true } : { secure: false, requireTLS: needsTls, ignoreTLS: !needsTls };
  return {
    host,
    port,
    ...tls,
    ...(login ? { auth: { user: login.user, pass: login.password } } : {}),
    tls: { rejectUnauthorized: true, minVersion: 'TLSv1.2' as const },
    connectionTimeout: PATIENCE,
    greetingTimeout: PATIENCE,
    dnsTimeout: PATIENCE,
    socketTimeout: 2 * PATIENCE,
    // A message is made of texts alone: none of them is ever read as a file or address to fetch.
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/** Addresses as objects, so that no text of theirs is read as a list or a header. */
function toMessage({ from }: MailSettings, { to, subject, text, html }: Mail) {
  return {
    from: { name: '', address: from },
    to: { name: '', address: to },
    envelope: { from, to: [to] },
    subject,
    text,
    html,
    headers: { 'Auto-Submitted': 'auto-generated' },
  };
}

/** The server will say the same again: a refusal for good, or one of ours. */
function isFinal(error: unknown): boolean {
  const { responseCode, code } = error as { responseCode?: unknown; code?: unknown };
  return (
    (typeof responseCode === 'number' && responseCode >= 500) || code === 'EAUTH' || code === 'EENVELOPE'
  );
}

/** What may be logged: what kind of failure, never the server's words, which may repeat the address or more. */
function causeOf(error: unknown): string {
  const { code, command, responseCode } = error as Record<string, unknown>;
  const told = [code, command, responseCode].filter((part) => part !== undefined).join(' ');
  return told || (error instanceof Error ? error.message : 'unknown');
}

/** false if it ended early. */
function wait(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(false);
    const end = (inTime: boolean) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      resolve(inTime);
    };
    const stop = () => end(false);
    const timer = setTimeout(() => end(true), milliseconds);
    signal.addEventListener('abort', stop);
  });
}
