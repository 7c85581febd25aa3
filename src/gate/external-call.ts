import { createLocalJWKSet, errors, type JSONWebKeySet, jwtVerify } from 'jose';
import { createBoundedMap } from '../kernel/bounded-map.ts';
import { MINUTE, SECOND } from '../kernel/clock.ts';
import { randomSecret } from '../kernel/crypto.ts';
import { fetchOutbound } from '../kernel/outbound.ts';
import { isObject, own } from '../kernel/result.ts';
import type { ExternalQuestion } from '../policy/rules.ts';

/** Signs a question with the account's gate key, under the `typ` of questions; resolves to the compact JWS. */
export type QuestionSigner = (accountId: string, claims: Record<string, unknown>) => Promise<string>;

/** What is asked of a service, about whom. */
export interface ExternalCall {
  readonly accountId: string;
  readonly question: ExternalQuestion;
  /** What the service is told beside what makes the question one: who it is, and what they ask for. */
  readonly about: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** What the service said. Rejects for whatever is not an answer to this very question, signed by its key, in time. */
export type CallExternal = (call: ExternalCall) => Promise<{ success: boolean; expiresAt: number }>;

/** The whole of a question and its answer, keys included, in milliseconds. */
const WITHIN = 5 * SECOND;
/** How long a question may be believed, and how far another clock may be from ours, in seconds. */
const QUESTION_SECONDS = 60;
const TOLERANCE_SECONDS = 60;
const LONGEST_TOKEN = 16 * 1024;
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'];

const MOST_KEY_SETS = 200;
const MOST_KEYS = 100;
const KEEP_KEYS_FOR = 5 * MINUTE;
/** A key that is not there is looked for again, but not more often than this. */
const KEYS_AT_LEAST = 10 * SECOND;

/**
 * Asks as Cloudflare does: `{"token": JWT}` signed by us to `evaluate_url`, and back the same, signed by a key of
 * `keys_url`, with our `nonce` and `success`. The JWT of the question names the service as its audience and has a
 * `typ` of its own, so that it is no credential anywhere.
 */
export function createExternalCall(sign: QuestionSigner): CallExternal {
  const keySets = createKeySets();
  return async (call) => {
    const signal = AbortSignal.timeout(WITHIN);
    const nonce = randomSecret();
    const [token, keys] = await within(
      signal,
      Promise.all([ask(await signed(sign, call, nonce), call.question, signal), keySets(call, null)]),
    );
    const read = (set: JSONWebKeySet) => readAnswer(token, { set, nonce, now: call.now });
    return await read(keys).catch(async (error: unknown) => {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      return await read(await within(signal, keySets(call, keys)));
    });
  };
}

async function signed(
  sign: QuestionSigner,
  { accountId, question, about, now }: ExternalCall,
  nonce: string,
): Promise<string> {
  const iat = Math.floor(now / 1000);
  const aud = [question.evaluate_url];
  const claims = { ...about, type: 'external_evaluation', aud, nonce, iat, nbf: iat };
  return await sign(accountId, { ...claims, exp: iat + QUESTION_SECONDS });
}

async function ask(
  token: string,
  { evaluate_url: url }: ExternalQuestion,
  signal: AbortSignal,
): Promise<string> {
  const headers = { 'content-type': 'application/json', accept: 'application/json' };
  const answer = await fetchOutbound(url, {
    method: 'POST',
    headers,
    body: JSON.stringify({ token }),
    signal,
  });
  const said = await objectOf(answer, url);
  const back = own(said, 'token');
  if (typeof back !== 'string' || back.length > LONGEST_TOKEN) throw new TypeError(`${url} answers no token`);
  return back;
}

async function readAnswer(
  token: string,
  { set, nonce, now }: { set: JSONWebKeySet; nonce: string; now: number },
): Promise<{ success: boolean; expiresAt: number }> {
  const { payload } = await jwtVerify(token, createLocalJWKSet(set), {
    algorithms: ALGORITHMS,
    requiredClaims: ['iat', 'exp'],
    maxTokenAge: QUESTION_SECONDS,
    clockTolerance: TOLERANCE_SECONDS,
    currentDate: new Date(now),
  });
  if (payload.nonce !== nonce) throw new TypeError('the answer is to another question');
  if (typeof payload.success !== 'boolean') throw new TypeError('the answer says neither yes nor no');
  return { success: payload.success, expiresAt: (payload.exp ?? 0) * 1000 };
}

/** The keys of services, each read once for some minutes; given the set in which a key was missing, a newer one. */
function createKeySets() {
  const known = createBoundedMap<string, { at: number; keys: Promise<JSONWebKeySet> }>(MOST_KEY_SETS);
  return async (
    { question: { keys_url: url }, now }: ExternalCall,
    stale: JSONWebKeySet | null,
  ): Promise<JSONWebKeySet> => {
    const held = known.get(url);
    const age = held && now >= held.at ? now - held.at : Number.POSITIVE_INFINITY;
    const isStale = stale !== null && (await held?.keys) === stale && age >= KEYS_AT_LEAST;
    if (held && age < KEEP_KEYS_FOR && !isStale) return await held.keys;
    const keys = readKeys(url);
    known.set(url, { at: now, keys });
    keys.catch(() => {
      if (known.get(url)?.keys === keys) known.delete(url);
    });
    return await keys;
  };
}

async function readKeys(url: string): Promise<JSONWebKeySet> {
  const headers = { accept: 'application/json' };
  const said = await objectOf(
    await fetchOutbound(url, { headers, signal: AbortSignal.timeout(WITHIN) }),
    url,
  );
  const keys = own(said, 'keys');
  if (!Array.isArray(keys) || keys.length > MOST_KEYS || !keys.every(isObject)) {
    throw new TypeError(`${url} answers no key set`);
  }
  // A symmetric key that everybody can read proves nothing; no algorithm of ours takes one either.
  return { keys: keys.filter(({ kty }) => kty !== 'oct') } as JSONWebKeySet;
}

async function objectOf(answer: Response, url: string): Promise<Record<string, unknown>> {
  if (answer.status !== 200) throw new TypeError(`${url} answers ${answer.status}`);
  const said: unknown = await answer.json();
  if (!isObject(said)) throw new TypeError(`${url} answers something else`);
  return said;
}

/** What is shared with others may take longer than one of them has. */
async function within<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  const late = Promise.withResolvers<never>();
  const end = () => late.reject(new TypeError('the service took too long'));
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    signal.removeEventListener('abort', end);
  }
}
