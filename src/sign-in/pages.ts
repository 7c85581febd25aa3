import type { RefusedReason } from './refused.ts';

/** Every page forbids scripts, frames and foreign content; forms may only be sent back here. */
export const CONTENT_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const STYLE = `
:root{color-scheme:light dark}
body{font:1rem/1.6 system-ui,sans-serif;margin:12vh auto 2rem;max-width:26rem;padding:0 1.25rem}
h1{font-size:1.5rem;line-height:1.25}
ul{list-style:none;padding:0}
a.choice,button{display:block;width:100%;box-sizing:border-box;padding:.75rem 1rem;margin:.5rem 0;border:1px solid currentColor;
border-radius:.5rem;color:inherit;background:none;font:inherit;text-align:start;text-decoration:none;cursor:pointer}
a.choice:hover,button:hover,a.choice:focus-visible,button:focus-visible{outline:2px solid currentColor}
code{overflow-wrap:anywhere}`;

/** Text as HTML: nothing that came from outside reaches a page in any other way. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
<main>
<h1>${escapeHtml(title)}</h1>
${body}
</main>
</html>
`;
}

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
      `<li><a class="choice" href="${escapeHtml(href)}">Sign in with ${escapeHtml(name)}</a></li>`,
  );
  const goal = application === null ? '' : `<p>to use ${escapeHtml(application)}</p>`;
  const none = '<p>Nobody can sign in yet: your administrator has to add an identity provider.</p>';
  return page(`Sign in to ${organization}`, items.length > 0 ? `${goal}<ul>${items.join('')}</ul>` : none);
}

export function signedInPage(organization: string, email: string): string {
  return page(
    `You are signed in to ${organization}`,
    `<p>as ${escapeHtml(email)}</p><form method="post" action="/cdn-cgi/access/logout"><button>Sign out</button></form>`,
  );
}

export function signOutPage(organization: string): string {
  return page(
    `Sign out of ${organization}?`,
    `<p>This ends your session in every application.</p>
<form method="post" action="/cdn-cgi/access/logout"><button>Sign out</button></form>`,
  );
}

export function signedOutPage(organization: string): string {
  return page(`You are signed out of ${organization}`, '<p>You can close this window.</p>');
}

const ADVICE: Partial<Record<RefusedReason, string>> = {
  state_unknown: 'This sign-in is no longer open. Go back to the application and start again.',
  state_expired: 'This sign-in took too long. Go back to the application and start again.',
  state_of_another_browser: 'This sign-in was begun in another browser. Start again in this one.',
  hand_off_invalid: 'This link has been used or is too old. Go back to the application and start again.',
  session_ended: 'Your session has ended. Go back to the application and start again.',
  provider_unavailable: 'Your identity provider does not answer. Try again in a moment.',
  not_reauthenticated: 'Your identity provider did not ask you to sign in again, which is needed now.',
};

/** Why a sign-in ended, as far as the person can do something about it; the log has the reason. */
export function refusedPage(reason: RefusedReason, requestId: string): string {
  const advice =
    ADVICE[reason] ?? 'If you think you should be able to sign in, give your administrator the number below.';
  return page(
    'You are not signed in',
    `<p>${escapeHtml(advice)}</p><p>Request <code>${escapeHtml(requestId)}</code></p>`,
  );
}
