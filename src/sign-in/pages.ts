import { escapeHtml, type Look, type Page, page, requestLine } from '../kernel/page.ts';
import { words } from '../kernel/words.ts';
import { lookOf } from '../protocol/denial.ts';
import type { OrganizationState } from '../protocol/state.ts';
import type { RefusedReason } from './refused.ts';

/** Which identity provider to sign in with. */
export function choicePage(
  organization: OrganizationState,
  {
    application,
    choices,
  }: {
    application: string | null;
    choices: readonly { name: string; type: string; href: string }[];
  },
): Page {
  const said = words.choice;
  const items = choices.map(({ name, type, href }) => {
    const text = type === 'onetimepin' ? said.code : said.provider(name);
    return `<li><a class="act" href="${escapeHtml(href)}">${escapeHtml(text)}</a></li>`;
  });
  const goal = application === null ? '' : `<p>${escapeHtml(said.goal(application))}</p>\n`;
  const none = `<p>${escapeHtml(said.none)}</p>`;
  const body = items.length > 0 ? `${goal}<ul>${items.join('\n')}</ul>` : none;
  return page({ title: said.title(organization.name), body, look: lookOf(organization) });
}

/** A button that ends the session of this browser; HTML. */
export const SIGN_OUT = `<form method="post" action="/cdn-cgi/access/logout"><button class="act out">${escapeHtml(words.common.signOut)}</button></form>`;

/** On an application's host: goes on to the application, as a page of that host. */
export function goOnPage(organization: OrganizationState, address: string): Page {
  const { title, link } = words.goOn;
  const body = `<a class="act" href="${escapeHtml(address)}">${escapeHtml(link)}</a>`;
  return page({ title, body, look: lookOf(organization), goOn: address });
}

export function signOutPage(organization: OrganizationState): Page {
  const { title, about } = words.signOut;
  const body = `<p>${escapeHtml(about)}</p>\n${SIGN_OUT}`;
  return page({ title: title(organization.name), body, look: lookOf(organization) });
}

/** Where the session of the provider is ended as well. */
export interface ProviderLogoutLink {
  readonly name: string;
  readonly url: string;
}

export function signedOutPage(
  organization: OrganizationState,
  elsewhere: ProviderLogoutLink | null = null,
): Page {
  const { title, about, again, provider } = words.signedOut;
  const also = elsewhere
    ? `\n<p><a class="act out" href="${escapeHtml(elsewhere.url)}">${escapeHtml(provider(elsewhere.name))}</a></p>`
    : '';
  const body = `<p>${escapeHtml(about)}</p>\n<p><a class="act out" href="/">${escapeHtml(again)}</a></p>${also}`;
  return page({ title: title(organization.name), body, look: lookOf(organization) });
}

const { startAgain } = words.common;

const ADVICE: Partial<Record<RefusedReason, string>> = {
  restored_database: words.refused.restored,
  destination_unknown: `${words.refused.destination} ${startAgain}`,
  state_unknown: `${words.refused.notOpen} ${startAgain}`,
  state_expired: `${words.refused.tookTooLong} ${startAgain}`,
  state_of_another_browser: words.refused.otherBrowser,
  hand_off_invalid: `${words.refused.usedLink} ${startAgain}`,
  session_ended: `${words.refused.sessionEnded} ${startAgain}`,
  superseded: `${words.refused.superseded} ${startAgain}`,
  provider_refused: `${words.refused.providerRefused} ${startAgain}`,
  provider_unavailable: words.refused.providerUnavailable,
  not_reauthenticated: words.refused.notReauthenticated,
  seat_limit: words.refused.noSeat,
  form_invalid: `${words.pin.form} ${startAgain}`,
  pin_used_up: `${words.pin.usedUp} ${startAgain}`,
  pin_expired: `${words.pin.expired} ${startAgain}`,
};

/** Why a sign-in ended, as far as the person can do something about it; the log has the reason. */
export function refusedPage(
  reason: RefusedReason,
  { organization, requestId }: { organization: OrganizationState; requestId: string },
): Page {
  const advice = ADVICE[reason] ?? words.refused.other;
  return saidPage(lookOf(organization), { title: words.refused.title, text: advice, requestId });
}

/** A page that says one thing, with the request id, and with a way back if there is one. */
export function saidPage(
  look: Look | null,
  { title, text, requestId, back }: { title: string; text: string; requestId: string; back?: string },
): Page {
  const way =
    back === undefined
      ? ''
      : `<p><a class="act out" href="${escapeHtml(back)}">${escapeHtml(words.common.back)}</a></p>\n`;
  return page({ title, body: `<p>${escapeHtml(text)}</p>\n${way}${requestLine(requestId)}`, look });
}
