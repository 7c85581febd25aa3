import { SECOND } from '../kernel/clock.ts';
import { invalidAnswer } from './refused.ts';
import { type Element, timeOf } from './saml-element.ts';
import type { Asked } from './saml-response.ts';

/** By how much the provider's clock may differ from ours. */
const SKEW = 60 * SECOND;

const BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer';
const TRANSIENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient';

/** Conditions that are known here; one that is not makes the assertion invalid (SAML core §2.5.1). */
const KNOWN_CONDITIONS = ['AudienceRestriction', 'OneTimeUse', 'ProxyRestriction'];

/** What a valid assertion says of the person's sign-in. Times in milliseconds since the epoch. */
export interface Asserted {
  readonly nameId: string;
  readonly authenticatedAt: number;
  readonly sessionIndex: string | null;
  /** When the provider wants the session to end. */
  readonly endsAt: number | null;
}

/**
 * Holds an assertion whose signature was checked to what it was asked for (SAML profiles §4.1.4.2, 4.1.4.3): issuer,
 * subject, recipient, our own request, audience, times by our clock. Whatever is missing refuses it.
 */
export function readAssertion(assertion: Element, asked: Asked & { now: number }): Asserted {
  if (assertion.attribute('Version') !== '2.0') throw invalidAnswer('not SAML 2.0');
  if (assertion.only('Issuer').text !== asked.provider.issuer)
    throw invalidAnswer('the assertion is by another');
  checkConditions(assertion.only('Conditions'), asked);
  const subject = assertion.only('Subject');
  if (!subject.all('SubjectConfirmation').some((confirmation) => confirms(confirmation, asked))) {
    throw invalidAnswer('nothing confirms that the assertion is for us, for this request, and for now');
  }
  return { nameId: readNameId(subject.only('NameID')), ...readStatement(assertion, asked) };
}

/** A transient name is another one at every sign-in: nobody could be known again by it. */
function readNameId(nameId: Element): string {
  if (nameId.attribute('Format') === TRANSIENT) throw invalidAnswer('the NameID is transient');
  const { text } = nameId;
  if (text === null || !isKeepable(text)) throw invalidAnswer('the NameID is no name');
  return text;
}

/** At most 255 characters, none of which a database could not keep as it is. */
export function isKeepable(text: string): boolean {
  return text.length <= 255 && text.isWellFormed() && /^\P{Cc}+$/u.test(text);
}

function checkConditions(conditions: Element, { callbackUrl, now }: Asked & { now: number }): void {
  const unknown = conditions.names.find((name) => !KNOWN_CONDITIONS.includes(name));
  if (unknown) throw invalidAnswer(`a condition that is not known: ${unknown.slice(0, 100)}`);
  const restrictions = conditions.all('AudienceRestriction');
  const isForUs = (restriction: Element) =>
    restriction.all('Audience').some(({ text }) => text === callbackUrl);
  if (restrictions.length === 0 || !restrictions.every(isForUs))
    throw invalidAnswer('the audience is another');
  if (!isNow(conditions, now)) throw invalidAnswer('not valid now');
}

function confirms(confirmation: Element, { requestId, callbackUrl, now }: Asked & { now: number }): boolean {
  const [data, ...more] = confirmation.all('SubjectConfirmationData');
  if (!data || more.length > 0 || confirmation.attribute('Method') !== BEARER) return false;
  return (
    data.attribute('Recipient') === callbackUrl &&
    data.attribute('InResponseTo') === requestId &&
    timeOf(data, 'NotOnOrAfter') !== null &&
    isNow(data, now)
  );
}

function isNow(element: Element, now: number): boolean {
  const [from, until] = [timeOf(element, 'NotBefore'), timeOf(element, 'NotOnOrAfter')];
  return (from === null || from <= now + SKEW) && (until === null || until > now - SKEW);
}

function readStatement(assertion: Element, { now }: { now: number }) {
  const statement = assertion.only('AuthnStatement');
  const authenticatedAt = timeOf(statement, 'AuthnInstant');
  if (authenticatedAt === null || authenticatedAt > now + SKEW) throw invalidAnswer('no AuthnInstant');
  const endsAt = timeOf(statement, 'SessionNotOnOrAfter');
  if (endsAt !== null && endsAt <= now) throw invalidAnswer('the session is over');
  const index = statement.attribute('SessionIndex');
  return { authenticatedAt, endsAt, sessionIndex: index !== null && isKeepable(index) ? index : null };
}
