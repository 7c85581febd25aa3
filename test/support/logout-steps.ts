import { randomUUID } from 'node:crypto';
import type { JWTHeaderParameters, JWTPayload } from 'jose';
import type { Browser, Page } from './browser.ts';
import { type Gated, IDENTITY } from './gated.ts';
import type { OpenIdProvider } from './openid-provider.ts';

export const BACKCHANNEL = '/cdn-cgi/access/backchannel-logout';
export const EVENTS = { 'http://schemas.openid.net/event/backchannel-logout': {} };

/** Registers the team domain for the logout of sessions by name, and to come back to. */
export function registerLogout({ provider, team, providerId }: Gated): void {
  const [client] = provider.clients;
  Object.assign(client ?? {}, {
    backchannel_logout_uri: `${team}${BACKCHANNEL}/${providerId}`,
    backchannel_logout_session_required: true,
    post_logout_redirect_uris: [`${team}/cdn-cgi/access/logout`],
  });
}

/** A logout token as the provider would make it, with these claims; `undefined` leaves one out. */
export async function logoutToken(
  { issuer, sign, clients }: OpenIdProvider,
  claims: Readonly<Record<string, unknown>>,
  header: Partial<JWTHeaderParameters> = { typ: 'logout+jwt' },
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const usual = { iss: issuer, aud: clients[0]?.client_id, iat: now, exp: now + 120, jti: randomUUID() };
  return await sign({ ...usual, events: EVENTS, ...claims } as JWTPayload, header);
}

/** Sends a logout token as a provider does: no browser, no cookie. */
export function sendLogout(
  { browser, team, providerId }: Gated,
  token: string | Readonly<Record<string, string>>,
  to = `${team}${BACKCHANNEL}/${providerId}`,
): Promise<Page> {
  const form = typeof token === 'string' ? { logout_token: token } : token;
  return browser().post(to, form, { origin: null });
}

export async function isSignedIn({ team }: Gated, browser: Browser): Promise<boolean> {
  return (await browser.get(team + IDENTITY)).status === 200;
}

/** By what name the provider knows the session of this person, if it gave one. */
export function sidIn(rows: readonly string[], userId: string): string | null {
  const row = rows.find((one) => one.includes(userId));
  return row ? ((JSON.parse(row) as { provider_sid: string | null }).provider_sid ?? null) : null;
}
