import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import type { Browser, Page } from './browser.ts';
import type { Gated } from './gated.ts';

export const END = '/cdn-cgi/access/sessions/end';

/** What the forms of a launcher page carry: the secret of the page, and the sessions that it lists, this one first. */
export interface LauncherForms {
  readonly token: string;
  readonly sessions: readonly string[];
}

/** Reads the forms of a launcher page, as a browser would. */
export function formsOf(page: Page): LauncherForms {
  assert.equal(page.status, 200, page.text);
  const values = (name: string) =>
    [...page.text.matchAll(new RegExp(`name="${name}" value="([^"]*)"`, 'g'))].map(([, value = '']) => value);
  const [token] = values('token');
  assert.ok(token, page.text);
  return { token, sessions: values('session') };
}

/** The public name of the session that a browser has on the team domain. */
export async function nonceOf({ team }: Gated, browser: Browser): Promise<string> {
  const cookie = browser.jar.cookiesFor(new URL(team)).find(({ name }) => name === 'CF_Authorization');
  const { identity_nonce: nonce } = decodeJwt(cookie?.value ?? assert.fail('not signed in'));
  assert.equal(typeof nonce, 'string');
  return nonce as string;
}

/** Opens the launcher and presses a button of it: this session's, another's, or that for all. */
export async function endInLauncher(
  world: Gated,
  browser: Browser,
  which: 'this' | 'all' | (string & {}),
): Promise<Page> {
  const { token, sessions } = formsOf(await browser.get(`${world.team}/`));
  const session = which === 'this' ? await nonceOf(world, browser) : which;
  if (which !== 'all') assert.ok(sessions.includes(session), 'it is listed');
  const fields = which === 'all' ? { token } : { token, session };
  const page = await browser.post(world.team + END, fields, { 'sec-fetch-site': 'same-origin' });
  assert.ok(page.status === 200 || page.status === 303, page.text);
  return page;
}
