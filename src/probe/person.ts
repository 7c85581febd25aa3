import { randomHex } from '../kernel/crypto.ts';
import { isObject } from '../kernel/result.ts';
import { type Api, listAll } from './api.ts';
import { causeOf, ProbeFailed } from './failed.ts';
import { DOMAIN, REMOVAL_WITHIN } from './objects.ts';
import type { ProbePerson, Provider } from './provider.ts';
import { type Answered, type Dial, send } from './send.ts';

/** Where the steps of a sign-in go. */
export interface SignInPlaces {
  /** The control plane, which serves the team domain. */
  readonly control: Dial;
  /** The gate that hands the session over to the application's host. */
  readonly gate: Dial;
  readonly gateName: string;
  readonly team: string;
  readonly host: string;
  readonly provider: Provider;
  readonly marker: string;
  readonly signal: AbortSignal;
}

/** Somebody new, whom nobody has seen before. */
export function newPerson(): ProbePerson {
  return { subject: randomHex(16), email: `probe+${randomHex(8)}@${DOMAIN}` };
}

const MOST_STEPS = 12;
const NAVIGATION = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };

type Cookies = Map<string, Map<string, string>>;

/**
 * Signs the person in as a browser does: from the application's page by the team domain and the provider, and back
 * with the one-time code. Answers the Cookie header for the application's host. Throws ProbeFailed at the first
 * step that is not as it should be.
 */
export async function signIn(places: SignInPlaces, person: ProbePerson): Promise<string> {
  const cookies: Cookies = new Map();
  let url = new URL(`http://${places.host}/`);
  for (let step = 0; step < MOST_STEPS; step++) {
    const answered = await visit(places, url, cookies);
    storeCookies(cookies, url.host, answered.headers['set-cookie'] ?? []);
    if (url.host === places.host && answered.text.includes(places.marker))
      return cookieHeader(cookies, url.host);
    url = nextStep(places, { url, answered, person });
  }
  throw new ProbeFailed(`the sign-in takes more than ${MOST_STEPS} steps`);
}

async function visit(places: SignInPlaces, url: URL, cookies: Cookies): Promise<Answered> {
  const isTeam = url.host === places.team;
  const where = isTeam ? `the team domain ${url.host}` : places.gateName;
  const cookie = cookieHeader(cookies, url.host);
  const headers = { ...NAVIGATION, ...(cookie === '' ? {} : { cookie }) };
  const asked = { path: url.pathname + url.search, host: url.host, headers, signal: places.signal };
  try {
    return await send(isTeam ? places.control : places.gate, asked);
  } catch (error) {
    throw new ProbeFailed(`${where} does not answer: ${causeOf(error)}`);
  }
}

function nextStep(
  places: SignInPlaces,
  { url, answered, person }: { url: URL; answered: Answered; person: ProbePerson },
): URL {
  const { team, host, provider } = places;
  const from =
    url.host === team ? `the team domain at ${url.pathname}` : `${places.gateName} at ${url.pathname}`;
  const { location } = answered.headers;
  if (!location || !URL.canParse(location, url.href))
    throw new ProbeFailed(`the sign-in ends at ${from}, which answers ${answered.status}`);
  const next = new URL(location, url.href);
  const address = next.origin + next.pathname;
  if (address !== provider.authUrl) {
    if (next.host === team || next.host === host) return next;
    throw new ProbeFailed(`${from} sends the sign-in to ${address}, where the probe has no business`);
  }
  return provider.approve(next, person, `${url.protocol}//${team}/cdn-cgi/access/callback`);
}

function storeCookies(cookies: Cookies, host: string, headers: readonly string[]): void {
  const held = cookies.get(host) ?? new Map<string, string>();
  cookies.set(host, held);
  for (const header of headers) {
    const [pair = ''] = header.split(';', 1);
    const equals = pair.indexOf('=');
    const [name, value] = [pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()];
    if (value === '' || /;\s*max-age=0/i.test(header)) held.delete(name);
    else held.set(name, value);
  }
}

function cookieHeader(cookies: Cookies, host: string): string {
  return [...(cookies.get(host) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ');
}

/** The id under which the control plane knows the person; null if it does not. */
export async function findPerson(
  api: Api,
  { account, person, signal }: { account: string; person: ProbePerson; signal: AbortSignal },
): Promise<string | null> {
  const query = new URLSearchParams({ email: person.email });
  const [found] = await listAll(api, `/accounts/${account}/access/users?${query}`, { signal });
  return isObject(found) && typeof found.id === 'string' ? found.id : null;
}

/** Takes the person out of the account, if they are in it: what a run leaves behind, whatever came of it. */
export async function forgetPerson(
  api: Api,
  { account, person, signal }: { account: string; person: ProbePerson; signal: AbortSignal },
): Promise<void> {
  const id = await findPerson(api, { account, person, signal });
  if (id === null) return;
  const path = `/accounts/${account}/access/users/${id}`;
  await api.call('DELETE', path, { accept: [404], timeout: REMOVAL_WITHIN, signal });
}
