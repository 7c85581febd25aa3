import type { Question } from './question.ts';

/** What the gate says, whoever carries it to the client. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string;
}

/** Where the browser keeps the application token, and where the proof that it asked for the sign-in. */
export const SESSION_COOKIE = 'CF_Authorization';
export const BROWSER_COOKIE = 'CF_AppSession';

const HTML = 'text/html; charset=utf-8';
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Denied: the request id and no reason. The reason is in the log under that id. */
export function denied(question: Question | null, status: 400 | 403 | 503, requestId: string): Answer {
  if (!question?.navigation) return plain(status, `Denied. Request ${requestId}\n`);
  return {
    status,
    headers: { 'content-type': HTML, 'content-security-policy': POLICY },
    body: `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Access denied</title><style>body{font:1rem/1.5 system-ui;margin:4rem auto;max-width:32rem;padding:0 1rem}</style>
<h1>Access denied</h1><p>You cannot use this application. If you think you should, give your administrator this number:</p>
<p><code>${requestId}</code></p></html>\n`,
  };
}

/** Unauthenticated, and not a navigation: a redirect would only confuse the caller. */
export function unauthenticated(host: string, requestId: string): Answer {
  const answer = plain(401, `Sign in first. Request ${requestId}\n`);
  return { ...answer, headers: { ...answer.headers, 'www-authenticate': `Bearer realm="${host}"` } };
}

export function redirect(location: string, cookies: readonly string[]): Answer {
  return {
    status: 302,
    headers: { location, ...(cookies.length ? { 'set-cookie': cookies } : {}) },
    body: '',
  };
}

export function plain(status: number, body: string): Answer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}

/** A cookie for this host alone, out of reach of scripts unless the application asked otherwise. */
export function cookie(
  name: string,
  value: string,
  {
    maxAge,
    secure,
    httpOnly = true,
    sameSite = 'Lax',
  }: { maxAge: number; secure: boolean; httpOnly?: boolean; sameSite?: string },
): string {
  const flags = [`Path=/`, `Max-Age=${maxAge}`, `SameSite=${sameSite}`];
  if (httpOnly) flags.push('HttpOnly');
  if (secure) flags.push('Secure');
  return `${name}=${value}; ${flags.join('; ')}`;
}
