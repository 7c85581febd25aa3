import { escapeHtml, type Look, page, requestLine } from '../kernel/page.ts';
import { words } from '../kernel/words.ts';
import { deniedAnswer, lookOf } from '../protocol/denial.ts';
import type { Admitted, Unmatched } from './admission.ts';
import type { Question } from './question.ts';
import type { Destination } from './state.ts';

/** What the gate says, whoever carries it to the client. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string;
}

/** What the application is told: all identity headers, always, empty if there is nothing to say. */
export function identityHeaders(
  question: Question,
  { visitor, assertion }: Pick<Admitted, 'visitor' | 'assertion'>,
) {
  const email = visitor.kind === 'user' ? visitor.session.email : '';
  return {
    'cf-access-authenticated-user-email': asBytes(email),
    'cf-access-jwt-assertion': assertion ?? '',
    cookie: question.otherCookies,
  };
}

/** As UTF-8 bytes: node takes header text for Latin-1. */
function asBytes(text: string): string {
  return /^[ -~]*$/.test(text) ? text : Buffer.from(text).toString('latin1');
}

/** The one place from which a 200 comes. */
export function admittedAnswer(question: Question, admitted: Admitted | Unmatched): Answer {
  const headers = identityHeaders(question, admitted);
  // By an assertion a proxy knows an admission from any other 200; where there is none, by this.
  if (admitted.assertion !== null) return { status: 200, headers, body: '' };
  return { status: 200, headers: { ...headers, 'portcullis-admitted': 'anyone' }, body: '' };
}

export interface Denial {
  readonly status: 400 | 403 | 502 | 503 | 504;
  readonly requestId: string;
  /** Where the question leads, if anywhere: its account and application have a say in what is shown. */
  readonly destination?: Destination | null;
  /** A person who is signed in, and whom policies do not let in; they may come back as somebody else. */
  readonly isPerson?: boolean;
}

/** Denied: the request id and no reason. The reason is in the log under that id. */
export function denied(question: Question | null, denial: Denial): Answer {
  const { status, requestId, destination = null, isPerson = false } = denial;
  if (status === 503) return undecided(question, { requestId, look: lookTo(destination) });
  if (!question?.navigation) return plain(status, words.denied.plain(requestId));
  const account = destination?.account ?? { organization: null, customPages: new Map() };
  const told = deniedAnswer(account, {
    application: destination?.application ?? null,
    isPerson,
    requestId,
  });
  return told.status === 403 ? { ...told, status } : told;
}

/** Whose page is shown of what leads there. */
export function lookTo(destination: Destination | null): Look | null {
  return lookOf(destination?.account.organization ?? null);
}

interface Told {
  readonly requestId: string;
  readonly look: Look | null;
}

/** The gate cannot decide now, whoever asks. */
function undecided(question: Question | null, { requestId, look }: Told): Answer {
  const { title, about, plain: text } = words.gate.undecided;
  const answer = question?.navigation
    ? pageAnswer(503, { title, about, requestId, look })
    : plain(503, text(requestId));
  return { ...answer, headers: { ...answer.headers, 'retry-after': '2' } };
}

/** Unauthenticated, where nobody is sent to sign in: a redirect would only confuse the caller. */
export function unauthenticated(question: Question, { requestId, look }: Told): Answer {
  const { title, about, plain: text } = words.gate.unauthenticated;
  const answer = question.navigation
    ? pageAnswer(401, { title, about, requestId, look })
    : plain(401, text(requestId));
  return { ...answer, headers: { ...answer.headers, 'www-authenticate': `Bearer realm="${question.host}"` } };
}

/** A page that says one thing, with the request id. */
export function pageAnswer(
  status: number,
  { title, about, requestId, look }: Told & { readonly title: string; readonly about: string },
): Answer {
  const body = `<p>${escapeHtml(about)}</p>\n${requestLine(requestId)}`;
  const { html, policy } = page({ title, body, look });
  const headers = { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy };
  return { status, headers, body: html };
}

function plain(status: number, body: string): Answer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}
