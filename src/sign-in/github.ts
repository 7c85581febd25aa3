import type { GithubProvider } from '../access/identity-providers/opened.ts';
import type { Vault } from '../kernel/crypto.ts';
import { readGithubPerson } from './github-person.ts';
import type { Beginning, CameBack, Method } from './method.ts';
import { dialSafely, loadClient, type OpenIdClient, reasonOf } from './oauth.ts';
import type { ProvenIdentity } from './proven-identity.ts';
import { SignInRefused } from './refused.ts';
import { verifierPlace } from './start.ts';

/** What is asked for: verified e-mails, and organizations and teams with those that are not public. */
const SCOPES = ['read:org', 'user:email'];

/**
 * GitHub, by OAuth 2.0: authorization code with PKCE (S256) and state. There is no ID token: who it is, GitHub's API
 * says for the access token, which is used for that and forgotten.
 */
export function githubMethod({ vault }: { vault: Vault }): Method<GithubProvider> {
  return {
    begin: authorizationUrl,
    prove: (cameBack) =>
      proveIdentity(cameBack, vault.open(verifierPlace(cameBack.state.id), cameBack.state.verifier)),
  };
}

async function authorizationUrl({
  provider,
  started,
  redirectUri,
  fresh,
}: Beginning<GithubProvider>): Promise<string> {
  const client = await loadClient();
  const url = client.buildAuthorizationUrl(configure(client, provider), {
    redirect_uri: redirectUri,
    scope: SCOPES.join(' '),
    state: started.state,
    code_challenge: await client.calculatePKCECodeChallenge(started.verifier),
    code_challenge_method: 'S256',
    // It cannot be made to ask for a password; it can be made to ask who it is.
    ...(fresh ? { prompt: 'select_account' } : {}),
  });
  return url.href;
}

async function proveIdentity(
  { provider, callback }: CameBack<GithubProvider>,
  verifier: string,
): Promise<ProvenIdentity> {
  const client = await loadClient();
  try {
    const { access_token: token, scope } = await client.authorizationCodeGrant(
      configure(client, provider),
      callback.url,
      { expectedState: callback.state, pkceCodeVerifier: verifier },
    );
    refuseNarrowed(scope);
    const person = await readGithubPerson(provider.apiUrl, token);
    return { issuer: provider.issuer, ...person, authTime: null, amr: [], sid: null };
  } catch (error) {
    if (error instanceof SignInRefused) throw error;
    throw new SignInRefused(reasonOf(client, error), { cause: error });
  }
}

/** With less than was asked for, organizations would be missing without a word. */
function refuseNarrowed(scope: string | undefined): void {
  const granted = scope?.split(/[\s,]+/) ?? [];
  if (SCOPES.every((one) => granted.includes(one))) return;
  throw new SignInRefused('provider_answer_invalid', {
    cause: new Error(`granted only ${granted.join(' ')}`),
  });
}

function configure(client: OpenIdClient, provider: GithubProvider) {
  const base = `${provider.issuer}/login/oauth`;
  const configuration = new client.Configuration(
    { issuer: base, authorization_endpoint: `${base}/authorize`, token_endpoint: `${base}/access_token` },
    provider.clientId,
    { client_secret: provider.clientSecret },
    client.ClientSecretPost(provider.clientSecret),
  );
  dialSafely(client, configuration, base);
  return configuration;
}
