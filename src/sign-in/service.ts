import { openProvider } from '../access/identity-providers/identity-providers.ts';
import type { OpenedProvider } from '../access/identity-providers/opened.ts';
import type { Signer } from '../access/keys/keys.ts';
import type { Beside } from '../kernel/beside.ts';
import { DAY } from '../kernel/clock.ts';
import { randomSecret, sha256, type Vault } from '../kernel/crypto.ts';
import { parseDuration } from '../kernel/duration.ts';
import { normaliseEmail } from '../kernel/email.ts';
import type { JsonObject } from '../kernel/json.ts';
import type { Evaluation } from '../policy/evaluate.ts';
import type { TokenClaims } from '../protocol/claims.ts';
import type { Scheme } from '../protocol/cookies.ts';
import { revocation } from '../protocol/feed.ts';
import type { ApplicationState, SessionState } from '../protocol/state.ts';
import { type Control, commitAct } from '../removal/act.ts';
import { type Callback, completeSignIn, signingIn } from './callback.ts';
import { createDevices } from './devices.ts';
import type { Directory, Team } from './directory.ts';
import { type FailedLogin, noteFailedLogin } from './failed-logins.ts';
import { applicationClaims, createHandOff, redeemHandOff, sessionClaims } from './hand-off.ts';
import { createOwnSessions } from './launcher-sessions.ts';
import { sessionState } from './lineage.ts';
import type { Mailer } from './mailer.ts';
import type { CameBack } from './method.ts';
import { createMethods, methodOf } from './methods.ts';
import { createPins } from './pin-sending.ts';
import { createProviderLogouts } from './provider-logouts.ts';
import { SignInRefused } from './refused.ts';
import { keepPosted } from './saml-post.ts';
import { startSignIn } from './start.ts';
import { deleteSession, findLineage } from './store.ts';

export interface SignInOptions {
  readonly control: Control;
  readonly vault: Vault;
  readonly signer: Signer;
  readonly directory: Directory;
  readonly scheme: Scheme;
  /** null: no mail can be sent. */
  readonly mailer: Mailer | null;
  readonly beside: Beside;
  /** Told of every sign-in that ended, whichever way; not of one that merely starts again. */
  readonly onOutcome: (outcome: SignInOutcome) => void;
}

/** A sign-in that ended. */
export interface SignInOutcome extends Omit<FailedLogin, 'reason'> {
  readonly userId: string | null;
  /** null: in a session. */
  readonly refused: FailedLogin['reason'] | null;
}

export type SignIn = ReturnType<typeof createSignIn>;

/** A token for the browser to keep, where it was going, and for how many seconds. */
export interface Issued {
  readonly token: string;
  readonly returnTo: string;
  readonly seconds: number;
}

/** The same for an application. */
export interface IssuedForApplication extends Issued {
  readonly application: ApplicationState;
  /** What the browser has to hold beside the token; null where the application asks for nothing. */
  readonly binding: string | null;
}

const DEFAULT_SESSION = DAY;
const CALLBACK_PATH = '/cdn-cgi/access/callback';

/** The steps of a sign-in, each one transaction; the team domain and the applications' hosts call them. */
export function createSignIn(options: SignInOptions) {
  const { control, vault, signer, directory, scheme, mailer, beside, onOutcome } = options;
  const { database, clock } = control;
  const now = () => clock.now();
  const methods = createMethods({ vault, clock, database, mailer });
  const issuerOf = (team: Team) => `${scheme}://${team.organization.auth_domain}`;

  const loadProvider = async (accountId: string, id: string): Promise<OpenedProvider> => {
    const provider = await database.snapshot((snapshot) => openProvider(snapshot, vault, { accountId, id }));
    if (!provider) throw new SignInRefused('provider_unavailable');
    return provider;
  };

  const prove = (cameBack: CameBack<OpenedProvider>) => methodOf(methods, cameBack.provider).prove(cameBack);

  const noteFailure = async (failure: FailedLogin): Promise<void> => {
    const { reason: refused, email, ...known } = failure;
    // An e-mail that somebody only says is theirs is noted for its user, and not as who was here.
    const shown = refused === 'pin_used_up' ? null : email;
    onOutcome({ ...known, email: shown && normaliseEmail(shown), userId: null, refused });
    const note = () => noteFailedLogin(control, failure);
    // Nor must it tell, by how long it takes, whether there is such a user.
    if (refused === 'pin_used_up') beside.run(note);
    else await note();
  };

  const issue = async (team: Team, claims: TokenClaims, returnTo: string): Promise<Issued> => {
    const token = await signer.signToken(team.accountId, claims as unknown as JsonObject);
    return { token, returnTo, seconds: Math.max(0, claims.exp - claims.iat) };
  };

  return {
    directory,
    scheme,
    issuerOf,
    providerLogouts: createProviderLogouts({ control, vault }),
    sessions: createOwnSessions({ control, vault }),
    devices: createDevices({ control, vault }),
    pins: createPins({ control, vault, directory, mailer, loadProvider }),

    /** Begins at a provider; answers where to send the browser, which holds the secret `browser`. */
    async begin(
      team: Team,
      request: {
        providerId: string;
        applicationId: string | null;
        returnTo: string;
        fresh: boolean;
        browser: string;
      },
    ): Promise<string> {
      const { accountId } = team;
      const { providerId, applicationId, returnTo, fresh, browser } = request;
      const provider = await loadProvider(accountId, providerId);
      const browserHash = sha256(browser);
      // A code by mail is asked for anew each time.
      const freshLogin = fresh || provider.kind === 'pin';
      const input = { accountId, providerId, applicationId, returnTo, freshLogin, browserHash };
      const started = await database.write((tx) => startSignIn(tx, vault, { ...input, now: now() }));
      const issuer = issuerOf(team);
      const redirectUri = issuer + CALLBACK_PATH;
      return await methodOf(methods, provider).begin({ provider, started, issuer, redirectUri, fresh });
    },

    /** Ends at the callback: the session token for the team domain, and where the browser was going. */
    async finish(
      team: Team,
      callback: Omit<Callback, 'accountId' | 'url' | 'issuer' | 'sessionDuration'> & { query: string },
    ): Promise<Issued> {
      const { query, ...came } = callback;
      const finished = await completeSignIn(
        { control, loadProvider, prove, noteFailure },
        {
          ...came,
          accountId: team.accountId,
          issuer: issuerOf(team),
          url: new URL(`${issuerOf(team)}${CALLBACK_PATH}?${query}`),
          sessionDuration: team.organization.session_duration,
        },
      );
      const { session, applicationId } = finished;
      const { user_id: userId, email_key: email, provider_id: providerId } = session;
      const of = { accountId: team.accountId, userId, email, providerId, applicationId };
      onOutcome({ ...of, ip: callback.ip, requestId: callback.requestId, refused: null });
      const claims = sessionClaims(session, { issuer: issuerOf(team), now: now() });
      return await issue(team, claims, finished.returnTo);
    },

    /** Keeps what a SAML provider made the browser post, until the browser comes for it. */
    async keepPosted({ accountId }: Team, posted: { state: string; response: string }): Promise<void> {
      await keepPosted({ control, vault, loadProvider }, { accountId, ...posted });
    },

    /** Where providers send browsers back to. */
    callbackUrlOf: (team: Team) => issuerOf(team) + CALLBACK_PATH,

    /** Whether current policy lets the person of this session use the application. */
    judge({ accountId }: Team, session: SessionState, of: { application: ApplicationState; ip: string }) {
      return directory.judge(accountId, session, of);
    },

    /** The one-time code for an application's host. */
    async handOff(
      team: Team,
      request: {
        session: SessionState;
        application: ApplicationState;
        browserHash: string;
        returnTo: string;
      },
    ): Promise<string> {
      const { session, application, browserHash, returnTo } = request;
      const of = { accountId: team.accountId, sessionNonce: session.nonce, applicationId: application.id };
      return await database.write((tx) => createHandOff(tx, { ...of, browserHash, returnTo, now: now() }));
    },

    /** The application token for a code that came to the host of these applications, and which of them it is for. */
    async redeem(
      team: Team,
      request: { code: string; browser: string; ip: string; applications: readonly ApplicationState[] },
    ): Promise<IssuedForApplication> {
      const { accountId } = team;
      const { code, browser, ip, applications } = request;
      const { redeemed, application } = await database.write(async (tx) => {
        const input = { accountId, code, browserHash: sha256(browser), now: now() };
        const redeemed = await redeemHandOff(tx, input);
        const application = applications.find(({ id }) => id === redeemed.applicationId);
        // Inside the transaction: on another host a code is not used up.
        if (!application) throw new SignInRefused('hand_off_invalid');
        return { redeemed, application };
      });
      const binding = application.binding_cookie ? randomSecret() : null;
      const claims = applicationClaims(redeemed, {
        issuer: issuerOf(team),
        audience: application.aud,
        duration: durationFor(
          application,
          directory.judge(accountId, sessionState(redeemed.session), { application, ip }),
        ),
        binding,
        now: now(),
      });
      return { application, binding, ...(await issue(team, claims, redeemed.returnTo)) };
    },

    /** Signs out: the session ends everywhere, through the one primitive. */
    async end({ accountId }: Team, session: SessionState, ip: string): Promise<void> {
      const actor = { ...signingIn(session.email, ip), id: session.user_id };
      await commitAct(control, { accountId, actor, authorize: async () => {} }, async (tx) => ({
        result: await deleteSession(tx, accountId, session.nonce),
        items: [revocation({ type: 'session', id: session.nonce })],
        audit: {
          action: 'user.sign_out',
          resource: { type: 'user', id: session.user_id },
          metadata: { session: session.nonce },
        },
      }));
    },

    /** What get-identity answers for a session. */
    async identity({ accountId }: Team, session: SessionState): Promise<JsonObject | null> {
      const lineage = await database.snapshot((snapshot) => findLineage(snapshot, accountId, session.nonce));
      return lineage ? (JSON.parse(lineage.identity) as JsonObject) : null;
    },

    noteFailure,
  };
}

/** Policy session, else the application's, else a day (reference §4.3). */
function durationFor(application: ApplicationState, { sessionDuration }: Evaluation): number {
  const ofPolicy = sessionDuration === null ? null : parseDuration(sessionDuration);
  return ofPolicy ?? application.session_duration ?? DEFAULT_SESSION;
}
