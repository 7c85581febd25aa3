import { Browser } from '../support/browser.ts';
import type { ClusterNode, Door, Estate } from './estate.ts';
import type { Credential, History } from './history.ts';
import { personCookie } from './provider.ts';
import { rootOf } from './removals.ts';

/** The hosts of the applications: the one of everybody, and one whose tokens are revoked all at once. */
export const MAIN = 'app.localhost';
export const SECOND = 'second.localhost';

/** Somebody who is signed in to an application, with what the gates are shown. */
export interface SignedIn {
  readonly person: string;
  /** The user's id, and the nonce of the session. */
  readonly userId: string;
  readonly session: string;
  readonly credential: Credential;
  readonly host: string;
  /** Headers that carry it. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface SignInOptions {
  readonly person: string;
  readonly node: ClusterNode;
  readonly door: Door;
  readonly host?: string;
  readonly isHealthy?: boolean;
  /** Which provider, where there are several; the first if it is not said. */
  readonly idp?: string;
  /** The application's id, where its tokens are to be revoked. */
  readonly application?: string;
  /** Done when the provider has approved, before the browser comes back with the code. */
  readonly meanwhile?: () => Promise<void>;
}

/**
 * Signs somebody in as a browser does: gate, team domain, provider, team domain, gate. Null if it failed, which the
 * history tells; faults are no reason to throw.
 */
export async function signInto(
  estate: Estate,
  history: History,
  options: SignInOptions,
): Promise<SignedIn | null> {
  const { person, node, door } = options;
  const begin = history.now();
  const note = (credential: string | null, failure: string | null) =>
    history.add({
      kind: 'sign_in',
      ...{ person, node: node.name, gate: door.name, begin, end: history.now(), credential, failure },
    });
  try {
    const made = await walk(estate, history, options);
    if (typeof made !== 'string') history.add(made.credential);
    note(typeof made === 'string' ? null : made.credential.id, typeof made === 'string' ? made : null);
    return typeof made === 'string' ? null : made;
  } catch (error) {
    note(null, (error as Error).message);
    return null;
  }
}

const MOST_RESTARTS = 3;

async function walk(
  estate: Estate,
  history: History,
  { person, node, door, host = MAIN, isHealthy = false, idp, application, meanwhile }: SignInOptions,
): Promise<SignedIn | string> {
  const team = estate.options.team ?? 'team.localhost';
  const browser = new Browser({ ports: { [team.split(':')[0] ?? '']: node.port, [host]: door.port } });
  browser.jar.store(new URL(estate.provider.issuer), [personCookie(person)]);
  const isAtProvider = (next: URL) => next.hostname === '127.0.0.1';
  let page = await browser.follow(`http://${host}/`, { until: isAtProvider });
  const [, chosen = ''] = idp === undefined ? (/idp=([\w-]+)/.exec(page.text) ?? []) : ['', idp];
  if (page.status === 200 && chosen !== '') {
    page = await browser.follow(`${page.url.href}&idp=${chosen}`, { until: isAtProvider });
  }
  if (page.location === null) return `no way to the provider: ${page.status}`;
  let lineage = history.now();
  const back = await browser.get(page.location);
  if (back.location === null) return `the provider answered ${back.status}`;
  await meanwhile?.();
  let end = await browser.follow(back.location, { until: isAtProvider });
  // Whoever was removed meanwhile is sent to the provider again: that is another sign-in, with a beginning of its own.
  for (let left = MOST_RESTARTS; end.location !== null && left > 0; left -= 1) {
    lineage = history.now();
    const again = await browser.get(end.location);
    if (again.location === null) return `the provider answered ${again.status}`;
    end = await browser.follow(again.location, { until: isAtProvider });
  }
  const cookie = browser.jar.header(new URL(`http://${host}/`)) ?? '';
  const token = /CF_Authorization=([^;]+)/.exec(cookie)?.[1];
  if (token === undefined) return `no token: ${end.status} at ${end.url.pathname}`;
  const { sub, identity_nonce, rev } = claimsIn(token);
  const credential: Credential = {
    kind: 'credential',
    id: `${person}-${Math.round(lineage * 1000)}`,
    ...{ isHealthy, born: history.now(), rev: readRev(rev) },
    roots: [
      { of: rootOf.person(person), since: lineage },
      ...(idp === undefined ? [] : [{ of: rootOf.provider(idp), since: lineage }]),
      ...(application === undefined ? [] : [{ of: rootOf.application(application), since: history.now() }]),
    ],
  };
  const [userId, session] = [String(sub), String(identity_nonce)];
  return { person, userId, session, credential, host, headers: { cookie } };
}

function claimsIn(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString() || '{}');
}

function readRev(rev: unknown): Credential['rev'] {
  return Array.isArray(rev) && rev.length === 2 ? [rev[0] as number, rev[1] as number] : null;
}
