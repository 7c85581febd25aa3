import type { OidcProvider } from '../access/identity-providers/opened.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Vault } from '../kernel/crypto.ts';
import { own } from '../kernel/result.ts';
import type { Method } from './method.ts';
import { dialSafely, loadClient, type OpenIdClient, reasonOf } from './oauth.ts';
import { type ProvenIdentity, shownName } from './proven-identity.ts';
import { SignInRefused } from './refused.ts';
import type { StartedSignIn } from './start.ts';
import { verifierPlace } from './start.ts';
import { keepClaims, readAmr, type Told } from './told-claims.ts';

/** Clocks that differ by more are wrong, and not believed. */
const MOST_SKEW_SECONDS = 60;

/** OpenID Connect. */
export function oidcMethod({ vault, clock }: { vault: Vault; clock: Clock }): Method<OidcProvider> {
  return {
    begin: ({ provider, started, redirectUri, fresh }) =>
      authorizationUrl(provider, { started, redirectUri, fresh }),
    prove: ({ provider, state, callback }) =>
      proveIdentity(provider, {
        url: callback.url,
        state: callback.state,
        nonce: state.nonce,
        verifier: vault.open(verifierPlace(state.id), state.verifier),
        now: () => clock.now(),
      }),
  };
}

/**
 * Where to send the browser: authorization code flow with PKCE (S256), state and nonce (standards §3.1).
 * `fresh` asks the provider to authenticate the person again (OpenID Connect Core §3.1.2.1).
 */
async function authorizationUrl(
  provider: OidcProvider,
  request: { started: StartedSignIn; redirectUri: string; fresh: boolean },
): Promise<string> {
  const client = await loadClient();
  const { started, redirectUri, fresh } = request;
  const url = client.buildAuthorizationUrl(configure(client, provider), {
    redirect_uri: redirectUri,
    scope: provider.scopes.join(' '),
    state: started.state,
    nonce: started.nonce,
    code_challenge: await client.calculatePKCECodeChallenge(started.verifier),
    code_challenge_method: 'S256',
    ...(provider.hostedDomain === null ? {} : { hd: provider.hostedDomain }),
    ...promptOf(provider, fresh),
  });
  return url.href;
}

function promptOf({ prompt, freshPrompt }: OidcProvider, fresh: boolean): Record<string, string> {
  if (fresh) return { prompt: freshPrompt, ...(freshPrompt === 'login' ? { max_age: '0' } : {}) };
  return prompt === null ? {} : { prompt };
}

/**
 * Exchanges the code and checks everything the protocol asks: state, `iss` (RFC 9207), the ID token's
 * signature by the pinned keys, issuer, audience, times, nonce. Never inside a transaction.
 */
async function proveIdentity(
  provider: OidcProvider,
  callback: { url: URL; state: string; nonce: string; verifier: string; now: () => number },
): Promise<ProvenIdentity> {
  const client = await loadClient();
  const configuration = configure(client, provider);
  try {
    const tokens = await client.authorizationCodeGrant(configuration, callback.url, {
      expectedState: callback.state,
      expectedNonce: callback.nonce,
      pkceCodeVerifier: callback.verifier,
      idTokenExpected: true,
    });
    const idToken: Told = tokens.claims() ?? {};
    refuseTooNew(idToken, callback.now());
    refuseOtherClient(provider, idToken);
    const more = lacksAny(provider, idToken)
      ? await client.fetchUserInfo(configuration, tokens.access_token, String(idToken.sub))
      : {};
    return readIdentity(provider, { idToken, told: { ...more, ...idToken } }, callback.now());
  } catch (error) {
    if (error instanceof SignInRefused) throw error;
    throw new SignInRefused(reasonOf(client, error), { cause: error });
  }
}

function configure(client: OpenIdClient, provider: OidcProvider) {
  const configuration = new client.Configuration(
    {
      issuer: provider.issuer,
      authorization_endpoint: provider.authUrl,
      token_endpoint: provider.tokenUrl,
      jwks_uri: provider.certsUrl,
      ...(provider.userInfoUrl === null ? {} : { userinfo_endpoint: provider.userInfoUrl }),
      authorization_response_iss_parameter_supported: provider.answersWithIssuer,
    },
    provider.clientId,
    { client_secret: provider.clientSecret, [client.clockTolerance]: MOST_SKEW_SECONDS },
    client.ClientSecretPost(provider.clientSecret),
  );
  client.enableNonRepudiationChecks(configuration);
  dialSafely(client, configuration, provider.tokenUrl);
  return configuration;
}

/**
 * Whether the ID token leaves out what is needed: then the provider is asked at its UserInfo endpoint, which must tell
 * of the same subject (OpenID Connect Core §5.4: a code flow may keep claims for it).
 */
function lacksAny({ userInfoUrl, emailClaims, claims }: OidcProvider, idToken: Told): boolean {
  if (userInfoUrl === null) return false;
  const has = (name: string) => Object.hasOwn(idToken, name);
  return !emailClaims.some(has) || !claims.every(has);
}

/** What was not made yet: the provider's clock, or ours, is wrong. */
function refuseTooNew({ iat }: Told, now: number): void {
  if (typeof iat === 'number' && iat <= now / 1000 + MOST_SKEW_SECONDS) return;
  throw new SignInRefused('provider_answer_invalid', { cause: new Error('made in the future') });
}

/** The library asks for it only where there are several audiences (OpenID Connect Core §3.1.3.7). */
function refuseOtherClient({ clientId }: OidcProvider, { azp }: Told): void {
  if (azp === undefined || azp === clientId) return;
  throw new SignInRefused('provider_answer_invalid', { cause: new Error('made for another client') });
}

/** What says who and how comes from the ID token alone, which is signed; the rest may be told beside it. */
function readIdentity(
  provider: OidcProvider,
  { idToken, told }: { idToken: Told; told: Told },
  now: number,
): ProvenIdentity {
  const { iss, sub, sid, session_expiry: ends } = idToken;
  const { name, email_verified: verified } = told;
  const email = provider.emailClaims.map((claim) => own(told, claim)).find((value) => value !== undefined);
  if (typeof iss !== 'string' || !isSubject(sub)) throw new SignInRefused('provider_answer_invalid');
  refuseOtherDomain(provider, idToken);
  return {
    issuer: iss,
    subject: sub,
    email: typeof email === 'string' ? email : null,
    // Some providers send the text "false"; whatever is not plainly true or absent counts as unverified.
    emailVerified: verified === undefined ? null : verified === true || verified === 'true',
    name: typeof name === 'string' ? shownName(name) : null,
    authTime: authTimeHere(idToken, now),
    claims: keepClaims(told, provider.claims),
    amr: readAmr(idToken),
    sid: isSubject(sid) ? sid : null,
    endsAt: typeof ends === 'number' ? ends * 1000 : null,
  };
}

/** Google signs in anybody's account; which domain it belongs to is said by `hd` alone, not by the e-mail. */
function refuseOtherDomain({ hostedDomain }: OidcProvider, { hd }: Told): void {
  if (hostedDomain === null || (typeof hd === 'string' && hd.toLowerCase() === hostedDomain)) return;
  throw new SignInRefused('provider_refused', { cause: new Error('an account of another domain') });
}

/** OpenID Connect Core §2: at most 255 characters. What a database could not keep as it is, is refused. */
function isSubject(sub: unknown): sub is string {
  return typeof sub === 'string' && sub.length <= 255 && sub.isWellFormed() && /^\P{Cc}+$/u.test(sub);
}

/**
 * `auth_time` by our clock, in seconds. How far the provider's differs is told by the `iat` of the same token,
 * which was made a moment ago: a login that is older than the question is then known as such by the second.
 */
function authTimeHere({ auth_time: at, iat }: Readonly<Record<string, unknown>>, now: number): number | null {
  if (typeof at !== 'number' || typeof iat !== 'number') return null;
  const skew = now / 1000 - iat;
  return at + Math.min(Math.max(skew, -MOST_SKEW_SECONDS), MOST_SKEW_SECONDS);
}
