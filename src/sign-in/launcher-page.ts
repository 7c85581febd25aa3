import { escapeHtml, imageUrl, type Page, page } from '../kernel/page.ts';
import { words } from '../kernel/words.ts';
import { lookOf } from '../protocol/denial.ts';
import type { OrganizationState } from '../protocol/state.ts';
import type { OwnSession } from './launcher-sessions.ts';
import { SIGN_OUT } from './pages.ts';
import { PREFIX } from './request.ts';

/** An application that a person may use now. */
export interface Launchable {
  readonly name: string;
  readonly href: string;
  readonly logo: string | null;
}

export interface LauncherParts {
  readonly email: string;
  readonly applications: readonly Launchable[];
  readonly sessions: readonly OwnSession[];
  /** The nonce of the session that asks. */
  readonly here: string;
  readonly formToken: string;
}

/** Where the forms of the launcher go. */
const END_PATH = `${PREFIX}/sessions/end`;

/** More origins of logos than this are not allowed to a page; the applications beyond show a letter. */
const MOST_ORIGINS = 20;

const said = words.launcher;

/** The applications that a person may use now, and their sessions, each with a button that ends it. */
export function launcherPage(organization: OrganizationState, parts: LauncherParts): Page {
  const { email, applications, sessions } = parts;
  const logos = logosOf(applications);
  const tiles = applications.map((one) => tile(one, logos.has(one.logo ?? '')));
  const body = [
    `<div class="who"><p class="quiet">${escapeHtml(said.signedInAs(email))}</p>${SIGN_OUT}</div>`,
    tiles.length > 0
      ? `<nav aria-label="${escapeHtml(said.applications)}"><ul class="tiles">${tiles.join('\n')}</ul></nav>`
      : `<p class="said">${escapeHtml(said.noApplications)}</p>`,
    `<section aria-labelledby="sessions"><h2 id="sessions">${escapeHtml(said.sessions)}</h2>`,
    `<p class="quiet">${escapeHtml(said.sessionsAbout)}</p>`,
    `<ul class="sessions">${sessions.map((one) => sessionItem(one, parts)).join('\n')}</ul>`,
    endForm(parts.formToken, { session: null, label: null, text: said.endAll }),
    `<p class="quiet">${escapeHtml(said.endAllAbout)}</p></section>`,
  ].join('\n');
  const title = said.title(organization.name);
  return page({ title, body, look: lookOf(organization), images: [...logos], wide: true });
}

/** The logos that the page may show. */
function logosOf(applications: readonly Launchable[]): ReadonlySet<string> {
  const urls = applications.map(({ logo }) => logo).filter((url) => url !== null && imageUrl(url) !== null);
  const logos = urls.filter((url) => url !== null);
  const origins = [...new Set(logos.map((url) => new URL(url).origin))].slice(0, MOST_ORIGINS);
  return new Set(logos.filter((url) => origins.includes(new URL(url).origin)));
}

function tile({ name, href, logo }: Launchable, hasLogo: boolean): string {
  const letter = [...name.trim()][0]?.toUpperCase() ?? '';
  const image = hasLogo
    ? `<img src="${escapeHtml(imageUrl(logo) ?? '')}" alt="" width="36" height="36">`
    : `<span aria-hidden="true">${escapeHtml(letter)}</span>`;
  return `<li><a class="tile" href="${escapeHtml(href)}">${image}<b>${escapeHtml(name)}</b></a></li>`;
}

function sessionItem(session: OwnSession, { here, formToken }: LauncherParts): string {
  const { nonce, since, until, ip, provider, used } = session;
  const isHere = nonce === here ? ` <strong class="here">${escapeHtml(said.here)}</strong>` : '';
  const at = time(since);
  const facts = [
    `${said.from} ${ip || said.unknown}`,
    `${said.by} ${provider}`,
    `${said.used} ${used.length > 0 ? used.join(', ') : said.usedNothing}`,
  ];
  const label = said.endThis(at.text);
  return `<li><div><p>${escapeHtml(said.since)} ${at.html}${isHere}</p>
<p class="quiet">${facts.map(escapeHtml).join(' · ')}</p>
<p class="quiet">${escapeHtml(said.until)} ${time(until).html}</p></div>
${endForm(formToken, { session: nonce, label, text: said.end })}</li>`;
}

function endForm(
  token: string,
  { session, label, text }: { session: string | null; label: string | null; text: string },
): string {
  const which = session === null ? '' : `<input type="hidden" name="session" value="${escapeHtml(session)}">`;
  const named = label === null ? '' : ` aria-label="${escapeHtml(label)}"`;
  return `<form method="post" action="${END_PATH}"><input type="hidden" name="token" value="${escapeHtml(token)}">${which}<button class="act out"${named}>${escapeHtml(text)}</button></form>`;
}

/** A time as people write it; in UTC, since no script can tell where the reader is. */
function time(at: string): { text: string; html: string } {
  const [, year = '', month = '', day = '', clock = ''] = /^(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d)/.exec(at) ?? [];
  const text = words.common.time({
    year,
    month: words.common.months[Number(month) - 1] ?? month,
    day,
    clock,
  });
  return { text, html: `<time datetime="${escapeHtml(at)}">${escapeHtml(text)}</time>` };
}
