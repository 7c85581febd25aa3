import { randomSecret, sha256 } from '../kernel/crypto.ts';
import { browserCookie, cookieHeader, heldSecret, type Scheme } from '../protocol/cookies.ts';
import { type Answer, unauthenticated } from './answers.ts';
import type { Question } from './question.ts';
import type { Destination } from './state.ts';

const BROWSER_SECONDS = 24 * 60 * 60;

/**
 * What is said to whoever has to sign in: for a navigation a redirect to the team domain, with a cookie that
 * ties the way back to this browser; 401 for anything else.
 */
export function signInAnswer(
  question: Question,
  destination: Destination,
  { scheme, requestId }: { scheme: Scheme; requestId: string },
): Answer {
  if (!question.navigation) return unauthenticated(question.host, requestId);
  const name = browserCookie(scheme);
  const browser = heldSecret(question.cookies, name) ?? randomSecret();
  const location = loginUrl(scheme, { question, destination, nonce: sha256(browser) });
  const flags = { maxAge: BROWSER_SECONDS, secure: scheme === 'https' };
  return { status: 302, headers: { location, 'set-cookie': [cookieHeader(name, browser, flags)] }, body: '' };
}

function loginUrl(
  scheme: Scheme,
  {
    question: { host, target },
    destination: { account, application },
    nonce,
  }: { question: Question; destination: Destination; nonce: string },
): string {
  const team = account.organization?.auth_domain ?? '';
  const query = new URLSearchParams({ kid: application.aud, redirect_url: target, nonce });
  return `${scheme}://${team}/cdn-cgi/access/login/${host}?${query}`;
}
