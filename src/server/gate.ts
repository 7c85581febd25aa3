import type { Signer } from '../access/keys/keys.ts';
import type { Config } from '../config.ts';
import { type AdmissionOptions, createAdmissions } from '../gate/admission.ts';
import { createAssertions } from '../gate/assertions.ts';
import { standingSession } from '../gate/decide.ts';
import type { Decision } from '../gate/decision.ts';
import { createForwardAuth, type ForwardAuthOptions } from '../gate/forward-auth.ts';
import { createProxy, type ProxyOptions } from '../gate/proxy.ts';
import type { AccountState, GateState } from '../gate/state.ts';
import type { TokenVerifier } from '../gate/verify.ts';
import type { Intercept } from '../http/listener.ts';
import { type Clock, SECOND } from '../kernel/clock.ts';
import { createCookieReader } from '../protocol/cookies.ts';
import type { Directory, Team } from '../sign-in/directory.ts';
import { createEdge } from '../sign-in/edge.ts';
import type { SignInRefused } from '../sign-in/refused.ts';
import type { SignIn } from '../sign-in/service.ts';

/** How long it may take until an application's server is connected, in milliseconds. */
const CONNECT_WITHIN = 5 * SECOND;

/** What sign-in asks of the gate, answered from the gate's memory. */
export function createDirectory(state: GateState, verifier: TokenVerifier, clock: Clock): Directory {
  return {
    application: (accountId, aud) => {
      const applications = state.account(accountId)?.applications.values() ?? [];
      return [...applications].find((application) => application.aud === aud) ?? null;
    },
    providers: (accountId) => [...(state.account(accountId)?.providers.values() ?? [])],
    session: async (token, of) => {
      const account = state.account(of.accountId);
      const verified = account ? await verifier.verify(token, account) : null;
      if (!account || !verified || verified.type !== of.type) return null;
      if (of.type === 'app' && !of.audiences.includes(verified.audience)) return null;
      // Asked again: what was known of the account may have been replaced while the signature was checked.
      const now = state.account(of.accountId);
      if (!now) return null;
      const standing = standingSession(now, verified, clock.now());
      return 'session' in standing ? standing.session : null;
    },
  };
}

/** The account whose team domain this host is. */
export function teamOf(state: GateState, host: string): Team | null {
  return toTeam(state.accountOfTeamDomain(host));
}

function toTeam(account: AccountState | null): Team | null {
  return account?.organization ? { accountId: account.accountId, organization: account.organization } : null;
}

/** Requests below /cdn-cgi/access on an application's host, which forward-auth brings, or a client by itself. */
export function createGateEdge(
  signIn: SignIn,
  onRefused: (refused: SignInRefused, requestId: string) => void,
  { direct }: { direct: boolean },
): ForwardAuthOptions['edge'] {
  const edge = createEdge(signIn, onRefused);
  return async (question, destinations, requestId) => {
    // A host belongs to one account.
    const team = toTeam(destinations[0]?.account ?? null);
    if (!team) throw new Error('an application of an account without an organization');
    const { host, path, target, cookies, crossSite, ip } = question;
    const applications = destinations.map(({ application }) => application);
    return await edge({ team, applications, host, path, target, cookies, crossSite, ip, requestId, direct });
  };
}

/** The gate's HTTP side: forward-auth, and hosts of applications, which never reach anything else of ours. */
export function createIntercept(
  options: Pick<ForwardAuthOptions, 'edge' | 'onFault' | 'addressOf'> &
    Pick<ProxyOptions, 'exchanges' | 'upstreams' | 'onUpstreamFailure'> &
    Omit<AdmissionOptions, 'assertions'> & {
      config: Config;
      /** As `edge`, for whoever asks directly. */
      directEdge: ProxyOptions['edge'];
      signer: Signer;
      onDecision: (decision: Decision) => void;
    },
): Intercept {
  const { config, state, signer } = options;
  const { scheme } = config;
  const assertions = createAssertions((accountId, claims) => signer.signAssertion(accountId, claims), {
    scheme,
  });
  const admissions = createAdmissions({ ...options, assertions });
  const readCookies = createCookieReader();
  const forwardAuth = createForwardAuth({
    ...options,
    scheme,
    admissions,
    trustedProxies: config.trustedProxies,
    readCookies,
    secret: config.forwardAuthSecret,
  });
  const proxy = createProxy({
    ...options,
    scheme,
    admissions,
    trustedProxies: config.trustedProxies,
    readCookies,
    timeouts: { connect: CONNECT_WITHIN, answer: config.upstreamTimeout, idle: config.idleTimeout },
    edge: options.directEdge,
  });
  return {
    request: (request, response) => {
      if (forwardAuth(request, response)) return true;
      if (!state.isApplicationHost(request.headers.host?.toLowerCase() ?? '')) return false;
      proxy.request(request, response);
      return true;
    },
    wantsUpgrade: (request) => proxy.wantsUpgrade(request),
    upgrade: (request, socket, head) => proxy.upgrade(request, socket, head),
  };
}
