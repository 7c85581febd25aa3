import type { Page } from '../kernel/page.ts';

/** What is said to a browser or program, whoever carries it there. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string;
}

export function html(status: number, { html: body, policy }: Page, cookies: readonly string[] = []): Answer {
  const headers = { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy };
  return { status, headers: { ...headers, ...setting(cookies) }, body };
}

/** A page with forms of ours. With the usual referrer policy a browser would hide from us that they come from this origin. */
export function htmlWithForms(status: number, page: Page): Answer {
  const { headers, ...answer } = html(status, page);
  return { ...answer, headers: { ...headers, 'referrer-policy': 'same-origin' } };
}

export function json(status: number, value: object): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

export function redirect(location: string, cookies: readonly string[] = []): Answer {
  return { status: 302, headers: { location, ...setting(cookies) }, body: '' };
}

export function notFound(): Answer {
  return { status: 404, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: 'Not found\n' };
}

function setting(cookies: readonly string[]) {
  return cookies.length > 0 ? { 'set-cookie': cookies } : {};
}
