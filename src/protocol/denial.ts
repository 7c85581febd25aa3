import { escapeHtml, type Look, type Page, page, requestLine } from '../kernel/page.ts';
import { words } from '../kernel/words.ts';
import type { ApplicationState, CustomPageState, OrganizationState } from './state.ts';

/** What an account says to whoever is denied. */
export interface DenyingAccount {
  readonly organization: OrganizationState | null;
  readonly customPages: ReadonlyMap<string, CustomPageState>;
}

/** Who is denied what. */
export interface Denied {
  readonly application: ApplicationState | null;
  /** A person who is signed in, and whom policies do not let in; not a service, nor what is malformed. */
  readonly isPerson: boolean;
  readonly requestId: string;
}

/** What a browser is told, whoever carries it there. */
export interface DeniedAnswer {
  readonly status: 302 | 403;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * What a browser is told that is denied: the application's own address for that, its custom page or its message; else
 * the custom page of the organization; else our page. None of them has the reason.
 */
export function deniedAnswer(account: DenyingAccount, denied: Denied): DeniedAnswer {
  const { application, isPerson } = denied;
  const location = addressOf(isPerson ? application?.deny_url : application?.non_identity_deny_url);
  if (location !== null) return { status: 302, headers: { location }, body: '' };
  const custom = customPage(account, denied);
  if (custom !== null) return htmlAnswer(custom, CUSTOM_POLICY);
  const { html, policy } = deniedPage(lookOf(account.organization), denied);
  return htmlAnswer(html, policy);
}

/** Whose page it is; null where no organization is known. */
export function lookOf(organization: OrganizationState | null): Look | null {
  return organization && { name: organization.name, design: organization.design };
}

/** Only to where a browser can be sent: whoever stored anything else does not get it carried out. */
function addressOf(text: string | null | undefined): string | null {
  if (!text || !URL.canParse(text)) return null;
  const { protocol, href } = new URL(text);
  return protocol === 'https:' || protocol === 'http:' ? href : null;
}

function customPage(
  { organization, customPages }: DenyingAccount,
  { application, isPerson }: Denied,
): string | null {
  const type = isPerson ? 'identity_denied' : 'forbidden';
  const ofType = (id: string | null) => {
    const found = id === null ? undefined : customPages.get(id);
    return found?.type === type ? found : null;
  };
  const own = application?.custom_pages.map(ofType).find((found) => found !== null);
  if (own) return own.html;
  if (application?.deny_message) return null;
  return ofType(organization?.custom_pages[type] ?? null)?.html ?? null;
}

function deniedPage(look: Look | null, { application, isPerson, requestId }: Denied): Page {
  const message = application?.deny_message || words.denied.about;
  const { signInAsSomebodyElse } = words.common;
  const way = isPerson
    ? `<p><a class="act out" href="/cdn-cgi/access/logout">${escapeHtml(signInAsSomebodyElse)}</a></p>\n`
    : '';
  const body = `<p class="lines">${escapeHtml(message)}</p>\n${way}${requestLine(requestId)}`;
  return page({ title: words.denied.title, body, look });
}

/** A custom page may look as it likes, and do nothing: no script, form or frame, and no part in our origin. */
const CUSTOM_POLICY = [
  'sandbox',
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  'img-src https: data:',
  'font-src https: data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

function htmlAnswer(body: string, policy: string): DeniedAnswer {
  const headers = { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy };
  return { status: 403, headers, body };
}
