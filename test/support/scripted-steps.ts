import assert from 'node:assert/strict';
import type { Browser, Page } from './browser.ts';
import type { Gated } from './gated.ts';
import { SCRIPTED_CLIENT, type ScriptedProvider, startScriptedProvider } from './scripted-provider.ts';

const people = { made: 0 };

/** A scripted provider that the account of a world knows. */
export interface Scripted extends AsyncDisposable {
  readonly provider: ScriptedProvider;
  readonly providerId: string;
  /** Signs somebody of whom nobody has heard in to the team domain, with these claims. */
  signIn(claims?: Record<string, unknown>, browser?: Browser): Promise<Page>;
  /** What get-identity says to whoever signed in so. */
  identity(claims?: Record<string, unknown>): Promise<Record<string, unknown>>;
  /** Sends the config anew. */
  configure(config: object): Promise<void>;
}

export async function scriptedIn(
  world: Gated,
  { type = 'oidc', config = {} }: { type?: string; config?: object } = {},
): Promise<Scripted> {
  const provider = await startScriptedProvider();
  const path = `/accounts/${world.account_id}/access/identity_providers`;
  const bodyOf = (own: object) => {
    const place = type === 'oidc' ? provider.config : type === 'okta' ? {} : { issuer: provider.issuer };
    return { name: 'Scripted', type, config: { ...SCRIPTED_CLIENT, ...place, ...own } };
  };
  const own = type === 'okta' ? { okta_account: provider.issuer, ...config } : config;
  const created = await world.app.api('POST', path, { body: bodyOf(own) });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  const providerId: string = created.body.result.id;
  const signIn = async (claims: Record<string, unknown> = {}, browser = world.browser()) => {
    people.made += 1;
    const sub = `scripted-${people.made}`;
    provider.claims = { sub, email: `${sub}@example.com`, ...claims };
    return await browser.follow(`${world.team}/cdn-cgi/access/login?idp=${providerId}`);
  };
  return {
    provider,
    providerId,
    signIn,
    identity: async (claims) => {
      const browser = world.browser();
      const page = await signIn(claims, browser);
      assert.equal(page.status, 200, page.text);
      return JSON.parse((await browser.get(`${world.team}/cdn-cgi/access/get-identity`)).text);
    },
    configure: async (changed) => {
      const answer = await world.app.api('PUT', `${path}/${providerId}`, {
        body: bodyOf({ ...own, ...changed }),
      });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
    },
    [Symbol.asyncDispose]: () => provider.close(),
  };
}
