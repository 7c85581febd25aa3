import type { OidcProvider } from '../access/identity-providers/opened.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Vault } from '../kernel/crypto.ts';
import { fetchOutbound } from '../kernel/outbound.ts';
import type { ProvenIdentity } from './finish.ts';
import type { Method } from './method.ts';
import { SignInRefused } from './refused.ts';
import type { StartedSignIn } from './start.ts';
import { verifierPlace } from './start.ts';

type OpenIdClient = typeof import('openid-client');

/** Loaded at the first sign-in, not at start: it is heavy and an API-only node never needs it. */
const load = (): Promise<OpenIdClient> => import('openid-client');

const TIMEOUT_SECONDS = 10;

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
  const client = await load();
  const { started, redirectUri, fresh } = request;
  const url = client.buildAuthorizationUrl(configure(client, provider), {
    redirect_uri: redirectUri,
    scope: provider.scopes.join(' '),
    state: started.state,
    nonce: started.nonce,
    code_challenge: await client.calculatePKCECodeChallenge(started.verifier),
    code_challenge_method: 'S256',
    ...(fresh ? { prompt: 'login', max_age: '0' } : {}),
  });
  return url.href;
}

/**
 * Exchanges the code and checks everything the protocol asks: state, `iss` (RFC 9207), the ID token's
 * signature by the pinned keys, issuer, audience, times, nonce. Never inside a transaction.
 */
async function proveIdentity(
  provider: OidcProvider,
  callback: { url: URL; state: string; nonce: string; verifier: string; now: () => number },
): Promise<ProvenIdentity> {
  const client = await load();
  const configuration = configure(client, provider);
  try {
    const tokens = await client.authorizationCodeGrant(configuration, callback.url, {
      expectedState: callback.state,
      expectedNonce: callback.nonce,
      pkceCodeVerifier: callback.verifier,
      idTokenExpected: true,
    });
    return readClaims(provider, tokens.claims() ?? {}, callback.now());
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
      authorization_response_iss_parameter_supported: provider.answersWithIssuer,
    },
    provider.clientId,
    { client_secret: provider.clientSecret },
    client.ClientSecretPost(provider.clientSecret),
  );
  configuration.timeout = TIMEOUT_SECONDS;
  configuration[client.customFetch] = fetchOutbound;
  client.enableNonRepudiationChecks(configuration);
  // Only a provider on loopback may have http endpoints; creation refuses any other (decisions, Applications).
  if (provider.tokenUrl.startsWith('http:')) client.allowInsecureRequests(configuration);
  return configuration;
}

function readClaims(
  provider: OidcProvider,
  claims: Readonly<Record<string, unknown>>,
  now: number,
): ProvenIdentity {
  const { iss, sub, name, email_verified: verified } = claims;
  const email = provider.emailClaims.map((claim) => claims[claim]).find((value) => value !== undefined);
  if (typeof iss !== 'string' || !isSubject(sub)) throw new SignInRefused('provider_answer_invalid');
  return {
    issuer: iss,
    subject: sub,
    email: typeof email === 'string' ? email : null,
    // Some providers send the text "false"; whatever is not plainly true or absent counts as unverified.
    emailVerified: verified === undefined ? null : verified === true || verified === 'true',
    name: typeof name === 'string' ? readName(name) : null,
    authTime: authTimeHere(claims, now),
    claims: {},
    amr: [],
    sid: null,
  };
}

/** OpenID Connect Core §2: at most 255 characters. What a database could not keep as it is, is refused. */
function isSubject(sub: unknown): sub is string {
  return typeof sub === 'string' && sub.length <= 255 && sub.isWellFormed() && /^\P{Cc}+$/u.test(sub);
}

function readName(name: string): string {
  return name
    .slice(0, 320)
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, ' ')
    .trim();
}

/** Clocks that differ by more are wrong, and not believed. */
const MOST_SKEW_SECONDS = 60;

/**
 * `auth_time` by our clock, in seconds. How far the provider's differs is told by the `iat` of the same token,
 * which was made a moment ago: a login that is older than the question is then known as such by the second.
 */
function authTimeHere({ auth_time: at, iat }: Readonly<Record<string, unknown>>, now: number): number | null {
  if (typeof at !== 'number' || typeof iat !== 'number') return null;
  const skew = now / 1000 - iat;
  return at + Math.min(Math.max(skew, -MOST_SKEW_SECONDS), MOST_SKEW_SECONDS);
}

function reasonOf(client: OpenIdClient, error: unknown) {
  if (error instanceof client.AuthorizationResponseError) return 'provider_refused';
  if (error instanceof client.ResponseBodyError) return 'provider_refused';
  const code = (error as { code?: unknown }).code;
  if (error instanceof TypeError || code === 'OAUTH_TIMEOUT') return 'provider_unavailable';
  return 'provider_answer_invalid';
}
