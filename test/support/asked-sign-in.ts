import type { IncomingMessage } from 'node:http';
import { Browser } from './browser.ts';
import { signIn } from './openid-provider.ts';

/** Asks about a GET of a target of the application, with these headers of the client. */
export type Ask = (target: string, headers: Record<string, string>) => Promise<IncomingMessage>;

/** What a browser navigating says of itself. */
export const NAVIGATION = { accept: 'text/html', 'sec-fetch-mode': 'navigate' };

/** Signs somebody in, each step on the application's host being a question; answers the browser's cookies there. */
export async function signInByAsking(ask: Ask, site: URL, login: string): Promise<string> {
  const browser = new Browser();
  const keep = (answer: IncomingMessage) => browser.jar.store(site, answer.headers['set-cookie'] ?? []);
  const first = await ask('/', NAVIGATION);
  keep(first);
  const until = (next: URL) => next.hostname === site.hostname;
  const page = await signIn(browser, first.headers.location ?? '', { login, until });
  const { pathname, search } = page.location ?? site;
  keep(await ask(pathname + search, { ...NAVIGATION, cookie: browser.jar.header(site) ?? '' }));
  return browser.jar.header(site) ?? '';
}
