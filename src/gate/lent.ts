import { isObject } from '../kernel/result.ts';
import { BINDING_COOKIE, type Cookies, type Scheme, SESSION_COOKIE } from '../protocol/cookies.ts';
import type { Lease } from '../protocol/lease.ts';
import type { ApplicationState } from '../protocol/state.ts';
import type { Admission } from './admission.ts';
import type { ClientCertificate } from './client-certificate.ts';
import type { SentServiceToken } from './credential.ts';
import type { Credential, Reason } from './decide.ts';
import type { SentProof } from './device.ts';
import type { Question } from './question.ts';
import type { AccountState } from './state.ts';
import { ANYONE, type Visitor } from './visitor.ts';

/** A question as a gate without a lease asks it of a node: the credentials, and nothing else that the client said. */
export interface SentQuestion {
  readonly host: string;
  /** Normalised. */
  readonly path: string;
  readonly method: string;
  readonly scheme: Scheme;
  readonly ip: string;
  readonly cookies: SentCookies;
  readonly accessToken: string | null;
  readonly serviceToken: SentServiceToken | null;
  readonly certificate: ClientCertificate | null;
  readonly device: SentProof | null;
  /** The header from which this application reads a service token, if it came. */
  readonly header: { readonly name: string; readonly value: string } | null;
}

/** Every value of every cookie that is the gate's own. */
export type SentCookies = readonly (readonly [name: string, values: readonly string[]])[];

/** What a node says to it. An allow may be used for `milliseconds` from before the question was sent, for one exchange. */
export type SentAdmission =
  | {
      readonly verdict: 'allow';
      readonly reason: 'policy_allow' | 'policy_bypass';
      readonly milliseconds: number;
      readonly application: ApplicationState;
      readonly upstream: string | null;
      readonly credential: Credential | null;
      readonly visitor: Visitor;
      readonly assertion: string | null;
      /** null: never by itself. */
      readonly endsAt: number | null;
    }
  /** It leads to no application, and is let through all the same. */
  | { readonly verdict: 'allow'; readonly reason: 'unmatched_allowed'; readonly milliseconds: number }
  | {
      readonly verdict: 'sign_in' | 'deny';
      readonly reason: Reason;
      /** null: the question leads to no application of this gate's account. */
      readonly application: ApplicationState | null;
      readonly visitor: Visitor | null;
    };

/** What a node needs to judge a question, and nothing else. */
export function toSent(question: Question, application: ApplicationState | null): SentQuestion {
  const { host, path, method, scheme, ip, accessToken, serviceToken, certificate, device } = question;
  const name = application?.service_token_header ?? null;
  const value = name === null ? null : question.header(name);
  const cookies = sentCookies(question.cookies, [SESSION_COOKIE, BINDING_COOKIE]);
  const header = name === null || value === null ? null : { name, value };
  return { host, path, method, scheme, ip, cookies, accessToken, serviceToken, certificate, device, header };
}

/** Of these names every value, and of no other. */
export function sentCookies(cookies: Cookies, names: readonly string[]): SentCookies {
  return names.flatMap((name) => {
    const values = cookies.get(name);
    return values ? [[name, values] as const] : [];
  });
}

/** The question that was sent, as a node judges it; null for anything else. */
export function readSent(sent: unknown): Question | null {
  if (!isObject(sent)) return null;
  const { host, path, method, scheme, ip, accessToken } = sent;
  const cookies = readSentCookies(sent.cookies);
  const serviceToken = readServiceToken(sent.serviceToken);
  const header = readHeader(sent.header);
  const certificate = readCertificate(sent.certificate);
  if (!isText(host) || !isText(path) || !isText(method) || !isText(ip)) return null;
  if (scheme !== 'http' && scheme !== 'https') return null;
  if (!cookies || serviceToken === undefined || header === undefined || !isTextOrNull(accessToken))
    return null;
  const device = readProof(sent.device);
  if (certificate === undefined || device === undefined) return null;
  return {
    ...{ host, path, method, scheme, ip, cookies, accessToken, serviceToken, certificate, device },
    ...{ target: path, otherCookies: '', navigation: false, crossSite: false, plain: true },
    header: (name) => (header?.name === name ? header.value : null),
  };
}

/** Whether it names a request as gates do: it goes to the log. */
export function isRequestId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{16}$/.test(value);
}

/** Cookies as they were sent; null for anything else. */
export function readSentCookies(sent: unknown): Cookies | null {
  if (!Array.isArray(sent)) return null;
  const read = new Map<string, string[]>();
  for (const pair of sent as unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) return null;
    const [name, values] = pair as unknown[];
    if (!isText(name) || !Array.isArray(values) || !values.every(isText)) return null;
    read.set(name, values);
  }
  return read;
}

/**
 * An admission as it is sent; `milliseconds` counts for an allow alone. The application goes without its policies: they
 * can be far larger than an answer may be, and a gate that is lent an admission judges nothing by them.
 */
export function toSentAdmission(admission: Admission, milliseconds: number): SentAdmission {
  if (admission.verdict !== 'allow') {
    const { verdict, reason, destination, visitor = null } = admission;
    return { verdict, reason, application: destination && withoutPolicies(destination.application), visitor };
  }
  if (admission.reason === 'unmatched_allowed') {
    return { verdict: 'allow', reason: 'unmatched_allowed', milliseconds };
  }
  const { verdict, reason, destination, credential, visitor, assertion, endsAt } = admission;
  const { upstream } = destination;
  const application = withoutPolicies(destination.application);
  const ends = Number.isFinite(endsAt) ? endsAt : null;
  const allowed = { verdict, reason, milliseconds };
  return { ...allowed, application, upstream, credential, visitor, assertion, endsAt: ends };
}

function withoutPolicies(application: ApplicationState): ApplicationState {
  return { ...application, policies: [] };
}

/**
 * The admission that was sent, under the lease that it brought. What external services said stays with the node: what
 * is asked anew here rests on nothing that is not known here.
 */
export function toLentAdmission(
  sent: SentAdmission,
  { account, lent }: { account: AccountState; lent: Pick<Lease, 'isLive' | 'remaining'> },
): Admission {
  if (sent.verdict !== 'allow') {
    const { verdict, reason, application, visitor } = sent;
    const destination = application && { account, application, upstream: null };
    return { verdict, reason, destination, ...(visitor ? { visitor } : {}) };
  }
  const { verdict } = sent;
  if (sent.reason === 'unmatched_allowed') {
    const nobody = { visitor: ANYONE, assertion: null };
    return { verdict, reason: sent.reason, destination: null, account, ...nobody, lent };
  }
  const { reason, application, upstream, credential, visitor, assertion } = sent;
  const destination = { account, application, upstream };
  const endsAt = sent.endsAt ?? Number.POSITIVE_INFINITY;
  return { verdict, reason, destination, credential, visitor, assertion, endsAt, answers: null, lent };
}

/** What a node said, at its word but for its form; null for anything else. */
export function readSentAdmission(said: unknown): SentAdmission | null {
  if (!isObject(said)) return null;
  const { verdict, reason, application, visitor } = said;
  const isRefusal = verdict === 'sign_in' || verdict === 'deny';
  const isWhole = isRefusal
    ? isText(reason) && isObjectOrNull(application) && isObjectOrNull(visitor)
    : verdict === 'allow' && isWholeAllow(said);
  return isWhole ? (said as unknown as SentAdmission) : null;
}

/** Whoever is not asked who they are has nothing to show for it, and everybody else has. */
function isWholeAllow(said: Record<string, unknown>): boolean {
  const { reason, milliseconds, application, upstream, credential, visitor, assertion, endsAt } = said;
  if (!Number.isSafeInteger(milliseconds)) return false;
  if (reason === 'unmatched_allowed') return true;
  if (!isObject(application) || !isTextOrNull(upstream) || !isObject(visitor)) return false;
  if (endsAt !== null && !Number.isFinite(endsAt)) return false;
  if (reason === 'policy_bypass') {
    return visitor.kind === 'anyone' && credential === null && assertion === null;
  }
  const isProven = isObject(credential) || (credential === null && visitor.kind === 'certificate');
  return reason === 'policy_allow' && visitor.kind !== 'anyone' && isProven && isText(assertion);
}

function readServiceToken(sent: unknown): SentServiceToken | null | undefined {
  if (sent === null) return null;
  if (!isObject(sent)) return undefined;
  const { clientId, secret } = sent;
  return isTextOrNull(clientId) && isTextOrNull(secret) ? { clientId, secret } : undefined;
}

function readCertificate(sent: unknown): ClientCertificate | null | undefined {
  if (sent === null) return null;
  if (!isObject(sent)) return undefined;
  const { authorities, commonName, expiresAt } = sent;
  if (!Array.isArray(authorities) || !authorities.every(isText)) return undefined;
  if (!isTextOrNull(commonName) || !Number.isSafeInteger(expiresAt)) return undefined;
  return { authorities, commonName, expiresAt: expiresAt as number };
}

function readProof(sent: unknown): SentProof | null | undefined {
  if (sent === null) return null;
  if (!isObject(sent)) return undefined;
  const { text, url } = sent;
  return isText(text) && isText(url) ? { text, url } : undefined;
}

function readHeader(sent: unknown): SentQuestion['header'] | undefined {
  if (sent === null) return null;
  if (!isObject(sent)) return undefined;
  const { name, value } = sent;
  return isText(name) && isText(value) ? { name, value } : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}

function isObjectOrNull(value: unknown): boolean {
  return value === null || isObject(value);
}
