import { PAGE_POLICY, page } from '../kernel/page.ts';
import type { Admitted } from './admission.ts';
import type { Question } from './question.ts';

/** What the gate says, whoever carries it to the client. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string;
}

/** What the application is told: all identity headers, always, empty if there is nothing to say. */
export function identityHeaders(question: Question, { visitor, assertion }: Admitted) {
  const email = visitor.kind === 'user' ? visitor.session.email : '';
  return {
    'cf-access-authenticated-user-email': asBytes(email),
    'cf-access-jwt-assertion': assertion,
    cookie: question.otherCookies,
  };
}

/** As UTF-8 bytes: node takes header text for Latin-1. */
function asBytes(text: string): string {
  return /^[ -~]*$/.test(text) ? text : Buffer.from(text).toString('latin1');
}

/** The one place from which a 200 comes. */
export function admittedAnswer(question: Question, admitted: Admitted): Answer {
  return { status: 200, headers: identityHeaders(question, admitted), body: '' };
}

export interface Denial {
  readonly status: 400 | 403 | 502 | 503 | 504;
  readonly requestId: string;
  /** Somebody is signed in, and may sign out to come back as somebody else. */
  readonly signedIn?: boolean;
}

/** Denied: the request id and no reason. The reason is in the log under that id. */
export function denied(question: Question | null, { status, requestId, signedIn }: Denial): Answer {
  if (status === 503) return undecided(question, requestId);
  if (!question?.navigation) return plain(status, `Denied. Request ${requestId}\n`);
  const way = signedIn ? '<a class="act out" href="/cdn-cgi/access/logout">Sign out</a>' : '';
  const body = page(
    'Access denied',
    `<p>You cannot use this application. If you think you should, give your administrator the number below.</p>
${way}<p class="quiet">Request <code>${requestId}</code></p>`,
  );
  const headers = { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': PAGE_POLICY };
  return { status, headers, body };
}

/** The gate cannot decide now, whoever asks. */
function undecided(question: Question | null, requestId: string): Answer {
  const again = { 'retry-after': '2' };
  if (!question?.navigation) {
    const { status, headers, body } = plain(503, `Try again in a moment. Request ${requestId}\n`);
    return { status, headers: { ...headers, ...again }, body };
  }
  const body = page(
    'One moment',
    `<p>Whether you may use this application cannot be decided just now. Try again in a moment.</p>
<p class="quiet">Request <code>${requestId}</code></p>`,
  );
  const headers = { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': PAGE_POLICY };
  return { status: 503, headers: { ...headers, ...again }, body };
}

/** Unauthenticated, and not a navigation: a redirect would only confuse the caller. */
export function unauthenticated(host: string, requestId: string): Answer {
  const answer = plain(401, `Sign in first. Request ${requestId}\n`);
  return { ...answer, headers: { ...answer.headers, 'www-authenticate': `Bearer realm="${host}"` } };
}

function plain(status: number, body: string): Answer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}
