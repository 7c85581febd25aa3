import { randomSecret, sha256 } from '../kernel/crypto.ts';
import { browserCookie, cookieHeader, heldSecret, type Scheme } from '../protocol/cookies.ts';
import type { Admission } from './admission.ts';
import { type Answer, denied, lookTo, unauthenticated } from './answers.ts';
import { bringsServiceToken } from './credential.ts';
import type { Question } from './question.ts';
import type { Destination } from './state.ts';

const BROWSER_SECONDS = 24 * 60 * 60;

/** What is said to whoever is not admitted; the reason is in the log alone. */
export function refusalAnswer(
  question: Question,
  { verdict, reason, destination, visitor }: Exclude<Admission, { verdict: 'allow' }>,
  { scheme, requestId }: { scheme: Scheme; requestId: string },
): Answer {
  if (reason === 'no_lease') return denied(question, { status: 503, requestId, destination });
  if (destination?.application.service_auth_401 && bringsServiceToken(question, destination.application)) {
    return unauthenticated(question, { requestId, look: lookTo(destination) });
  }
  if (verdict === 'sign_in' && destination) {
    return signInAnswer(question, destination, { scheme, requestId });
  }
  return denied(question, { status: 403, requestId, destination, isPerson: visitor?.kind === 'user' });
}

/**
 * What is said to whoever has to sign in: for a navigation a redirect to the team domain, with a cookie that
 * ties the way back to this browser; 401 for anything else, and for everybody where only service tokens count.
 */
function signInAnswer(
  question: Question,
  destination: Destination,
  { scheme, requestId }: { scheme: Scheme; requestId: string },
): Answer {
  const { account, application } = destination;
  const isStrict = application.strict_service_tokens || account.organization?.strict_service_tokens;
  if (!question.navigation || isStrict) {
    return unauthenticated(question, { requestId, look: lookTo(destination) });
  }
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
