import assert from 'node:assert/strict';
import type { RefusedReason } from '../../src/sign-in/refused.ts';
import type { Browser, Page } from './browser.ts';
import { CALLBACK, type Gated } from './gated.ts';
import { type Misbehaviour, type Person, signIn } from './openid-provider.ts';
import { readRows } from './rows.ts';

/** The address that the provider sends the browser back to, not opened yet. */
export async function callbackFor(
  world: Gated,
  { browser, person, start = `${world.team}/cdn-cgi/access/login` }: Walk,
): Promise<URL> {
  const until = (next: URL) => next.pathname === CALLBACK;
  const page = await signIn(browser, start, { login: person.sub, until });
  assert.equal(page.location?.pathname, CALLBACK, page.text);
  return page.location;
}

export interface Walk {
  readonly browser: Browser;
  readonly person: Person;
  readonly start?: string;
}

/** Signs in to the team domain while the provider lies in these ways; the answer that ends it. */
export async function signInWith(world: Gated, lie: Misbehaviour, walk: Walk): Promise<Page> {
  Object.assign(world.provider.misbehaviour, lie);
  try {
    const start = walk.start ?? `${world.team}/cdn-cgi/access/login`;
    return await signIn(walk.browser, start, { login: walk.person.sub });
  } finally {
    for (const name of Object.keys(lie)) delete world.provider.misbehaviour[name as keyof Misbehaviour];
  }
}

/** A refusal as a person meets it: a page of ours with a number, under which the log has the reason. */
export function assertRefused(world: Gated, page: Page, reason: RefusedReason, status = 403): void {
  assert.equal(page.status, status, page.text.split('<main>')[1] ?? page.text);
  assertPage(page);
  const [, requestId] = /Request <code>([0-9a-f]{16})<\/code>/.exec(page.text) ?? [];
  assert.ok(requestId, page.text);
  assert.equal(page.headers['x-request-id'] ?? requestId, requestId);
  const line = world.log.find((one) => one.msg === 'sign-in refused' && one.requestId === requestId);
  assert.equal(line?.reason, reason);
  assert.equal(page.headers['set-cookie'], undefined);
}

/** A page of ours: no script, nothing foreign, nobody's frame, not kept. */
export function assertPage({ headers, text }: Page): void {
  assert.equal(headers['content-type'], 'text/html; charset=utf-8');
  const policy = String(headers['content-security-policy']);
  for (const part of [
    "default-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ])
    assert.ok(policy.includes(part), policy);
  assert.doesNotMatch(policy.replace(/; img-src [^;]*/, ''), /script|https?:|unsafe/);
  assert.equal(headers['cache-control'], 'no-store');
  assert.match(text, /^<!doctype html>\n<html lang="en">/);
  for (const [tag] of text.matchAll(/<[^>]*>?/g)) assert.match(tag, PLAIN_TAG);
  assert.doesNotMatch(text.split('</style>')[0] ?? '', /url\(|@import/);
}

const TAGS =
  'head|title|style|body|header|main|footer|nav|section|div|h1|h2|p|ul|li|a|b|span|strong|code|time|img|form|label|input|button';
const ATTRIBUTES = [
  'class="[a-z ]+"',
  'id="[a-z-]+"',
  'method="post"',
  '(?:href|action)="/(?:cdn-cgi/access/[^"<>]*)?"',
  'class="(?:tile|act out)" href="https?://[^"<>]*"',
  'type="[a-z]+"',
  'name="[a-z]+"',
  'value="[\\w.-]*"',
  'for="[a-z-]+"',
  '(?:autocomplete|inputmode|autocapitalize|spellcheck)="[a-z-]+"',
  '(?:maxlength|width|height)="\\d+"',
  'required|autofocus',
  'src="https?://[^"<>]*"',
  'alt=""',
  '(?:aria-[a-z]+|role|datetime)="[^"<>]*"',
].join('|');

/** What pages are made of: nothing that runs, and nothing that leads elsewhere but to an application or the provider's logout. */
const PLAIN_TAG = new RegExp(
  `^<(?:!doctype html|html lang="en"|meta [^>]*|(?:${TAGS})(?: (?:${ATTRIBUTES}))*|/\\w+)>$`,
);

const ACCESS = [
  'users',
  'identities',
  'sessions',
  'hand_offs',
  'audit_entries',
  'feed_entries',
  'revocations',
];

/** Does it, and asserts that no access came of it: no user, identity, session, code, feed or audit entry. */
export async function withoutAccess<T>(world: Gated, work: () => Promise<T>): Promise<T> {
  const before = await readRows(world.database);
  const result = await work();
  const after = await readRows(world.database);
  const changed = ACCESS.flatMap((table) => changedRows(before[table] ?? [], after[table] ?? []));
  assert.deepEqual(changed, []);
  return result;
}

function changedRows(before: readonly string[], after: readonly string[]): string[] {
  const [was, is] = [new Set(before), new Set(after)];
  const gone = before.filter((row) => !is.has(row)).map((row) => `- ${row}`);
  return [...gone, ...after.filter((row) => !was.has(row)).map((row) => `+ ${row}`)];
}

/** Does it so much later by the server's clock, which then goes back: the provider's does not move with it. */
export async function later<T>({ app }: Gated, milliseconds: number, work: () => Promise<T>): Promise<T> {
  app.clock.advance(milliseconds);
  try {
    return await work();
  } finally {
    app.clock.advance(-milliseconds);
  }
}

export function cookieNames(browser: Browser): string[] {
  return browser.jar
    .all()
    .filter(({ host }) => host.endsWith('localhost'))
    .map(({ name }) => name)
    .sort();
}
