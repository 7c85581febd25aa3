import { escapeHtml, page } from '../kernel/page.ts';
import type { RefusedReason } from './refused.ts';

/** Which identity provider to sign in with. */
export function choicePage(
  organization: string,
  {
    application,
    choices,
  }: { application: string | null; choices: readonly { name: string; href: string }[] },
): string {
  const items = choices.map(
    ({ name, href }) =>
      `<li><a class="act" href="${escapeHtml(href)}">Sign in with ${escapeHtml(name)}</a></li>`,
  );
  const goal = application === null ? '' : `<p>to use ${escapeHtml(application)}</p>`;
  const none = '<p>Nobody can sign in yet: your administrator has to add an identity provider.</p>';
  return page(`Sign in to ${organization}`, items.length > 0 ? `${goal}<ul>${items.join('')}</ul>` : none);
}

const SIGN_OUT =
  '<form method="post" action="/cdn-cgi/access/logout"><button class="act out">Sign out</button></form>';

export function signedInPage(organization: string, email: string): string {
  return page(`You are signed in to ${organization}`, `<p>as ${escapeHtml(email)}</p>${SIGN_OUT}`);
}

/** On an application's host: goes on to the application, as a page of that host. */
export function goOnPage(address: string): string {
  const link = `<a class="act" href="${escapeHtml(address)}">Go on to the application</a>`;
  return page('You are signed in', link, address);
}

export function signOutPage(organization: string): string {
  return page(
    `Sign out of ${organization}?`,
    `<p>This ends your session in every application.</p>${SIGN_OUT}`,
  );
}

export function signedOutPage(organization: string): string {
  return page(`You are signed out of ${organization}`, '<p>You can close this window.</p>');
}

const START_AGAIN = 'Go back to the application and start again.';

const ADVICE: Partial<Record<RefusedReason, string>> = {
  restored_database:
    'Your organisation’s data was restored from an earlier state. Its administrator has to approve that before anyone can sign in.',
  destination_unknown: `This link leads to no application. ${START_AGAIN}`,
  state_unknown: `This sign-in is no longer open. ${START_AGAIN}`,
  state_expired: `This sign-in took too long. ${START_AGAIN}`,
  state_of_another_browser: 'This sign-in was begun in another browser. Start again in this one.',
  hand_off_invalid: `This link has been used or is too old. ${START_AGAIN}`,
  session_ended: `Your session has ended. ${START_AGAIN}`,
  superseded: `Something about your access has changed meanwhile. ${START_AGAIN}`,
  provider_refused: `Your identity provider did not sign you in. ${START_AGAIN}`,
  provider_unavailable: 'Your identity provider does not answer. Try again in a moment.',
  not_reauthenticated: 'Your identity provider did not ask you to sign in again, which is needed now.',
};

const FOR_ADMINISTRATOR =
  'If you think you should be able to sign in, give your administrator the number below.';

/** Why a sign-in ended, as far as the person can do something about it; the log has the reason. */
export function refusedPage(reason: RefusedReason, requestId: string): string {
  const request = `<p class="quiet">Request <code>${escapeHtml(requestId)}</code></p>`;
  if (reason === 'policy_deny' || reason === 'no_policy_matched') {
    return page(
      'Access denied',
      `<p>You are signed in, but you may not use this application. If you think you should, give your administrator the number below.</p>${SIGN_OUT}${request}`,
    );
  }
  return page('You are not signed in', `<p>${escapeHtml(ADVICE[reason] ?? FOR_ADMINISTRATOR)}</p>${request}`);
}
