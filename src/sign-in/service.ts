import { type OidcProvider, openProvider } from '../access/identity-providers/identity-providers.ts';
import type { Signer } from '../access/keys/keys.ts';
import { findUserIdByEmail } from '../access/users/users.ts';
import { failureOf } from '../database/failures.ts';
import type { Actor } from '../kernel/actor.ts';
import { DAY, timestamp } from '../kernel/clock.ts';
import { equalInConstantTime, sha256, type Vault } from '../kernel/crypto.ts';
import { parseDuration } from '../kernel/duration.ts';
import { normaliseEmail } from '../kernel/email.ts';
import { newTag } from '../kernel/ids.ts';
import type { JsonObject } from '../kernel/json.ts';
import { evaluate } from '../policy/evaluate.ts';
import { revocation } from '../protocol/feed.ts';
import type { ApplicationState, OrganizationState, ProviderState, SessionState } from '../protocol/state.ts';
import { type Control, commitAct } from '../removal/act.ts';
import { type FinishedSignIn, finishSignIn, type ProvenIdentity } from './finish.ts';
import { applicationClaims, createHandOff, redeemHandOff, sessionClaims } from './hand-off.ts';
import { authorizationUrl, proveIdentity } from './oidc.ts';
import { type RefusedReason, SignInRefused } from './refused.ts';
import { startSignIn, verifierPlace } from './start.ts';
import { deleteSession, findLineage, findState, insertFailedLogin } from './store.ts';

/** The team domain of an account. */
export interface Team {
  readonly accountId: string;
  readonly organization: OrganizationState;
}

/** Which token is expected: the team domain's own, or that of one application. */
export type TokenKind = { readonly accountId: string } & (
  | { readonly type: 'org' }
  | { readonly type: 'app'; readonly audience: string }
);

/** What sign-in asks of the gate's memory. */
export interface Directory {
  application(accountId: string, aud: string): ApplicationState | null;
  providers(accountId: string): readonly ProviderState[];
  /** The session behind a token of this kind, if it is genuine, alive and not revoked. */
  session(token: string, of: TokenKind): Promise<SessionState | null>;
}

export interface SignInOptions {
  readonly control: Control;
  readonly vault: Vault;
  readonly signer: Signer;
  readonly directory: Directory;
  readonly scheme: 'http' | 'https';
}

export type SignIn = ReturnType<typeof createSignIn>;

const DEFAULT_SESSION = DAY;
const FAILURES_KEPT_FOR = 30 * DAY;

/** The steps of a sign-in, each one transaction; pages and the application's host call them. */
export function createSignIn(options: SignInOptions) {
  const { control, vault, signer, directory, scheme } = options;
  const { database, clock } = control;
  const now = () => clock.now();
  const issuerOf = (team: Team) => `${scheme}://${team.organization.auth_domain}`;
  const redirectUri = (team: Team) => `${issuerOf(team)}/cdn-cgi/access/callback`;

  const commitFinish = async (input: Parameters<typeof finishSignIn>[1]): Promise<FinishedSignIn> => {
    const act = {
      accountId: input.accountId,
      actor: person(input.proven.email, input.ip),
      authorize: async () => {},
    };
    for (let left = 3; ; left--) {
      try {
        return await commitAct(control, act, (tx) => finishSignIn(tx, input));
      } catch (error) {
        // Two first sign-ins of one person met, or the user went while this one was minting: look again.
        const failure = failureOf(error);
        if (left <= 1 || (failure !== 'unique' && failure !== 'foreign_key')) throw error;
      }
    }
  };

  /** Notes a refused sign-in of a known user for `failed_logins`; of an unknown one there is nowhere to. */
  const noteFailure = async (
    context: { team: Team; providerId?: string; applicationId: string | null; ip: string },
    email: string | null,
    reason: RefusedReason,
  ): Promise<void> => {
    const { accountId } = context.team;
    const emailKey = email === null ? null : normaliseEmail(email);
    const userId = emailKey ? await findUserIdByEmail(database.reader, accountId, emailKey) : null;
    if (!userId) return;
    const at = timestamp(now());
    const metadata = {
      reason,
      at,
      ip: context.ip,
      ...(context.providerId ? { provider_id: context.providerId } : {}),
      ...(context.applicationId ? { application_id: context.applicationId } : {}),
    };
    await database.write((tx) =>
      insertFailedLogin(tx, {
        id: newTag(),
        account_id: accountId,
        user_id: userId,
        at,
        expires_at: timestamp(now() + FAILURES_KEPT_FOR),
        metadata: JSON.stringify(metadata),
      }),
    );
  };

  return {
    /** Begins at a provider; answers where to send the browser. */
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
      const provider = await loadProvider(options, team.accountId, request.providerId);
      const started = await database.write((tx) =>
        startSignIn(tx, vault, {
          accountId: team.accountId,
          providerId: provider.id,
          applicationId: request.applicationId,
          returnTo: request.returnTo,
          freshLogin: request.fresh,
          browserHash: sha256(request.browser),
          now: now(),
        }),
      );
      return await authorizationUrl(provider, {
        started,
        redirectUri: redirectUri(team),
        fresh: request.fresh,
      });
    },

    /** Ends at the callback: the session token for the team domain, and where the browser was going. */
    async finish(team: Team, callback: { query: string; state: string; browser: string | null; ip: string }) {
      const state = await database.snapshot((snapshot) => findState(snapshot, sha256(callback.state)));
      if (!state || state.account_id !== team.accountId) throw new SignInRefused('state_unknown');
      if (!callback.browser || !equalInConstantTime(state.browser_hash, sha256(callback.browser))) {
        throw new SignInRefused('state_of_another_browser');
      }
      if (state.expires_at <= timestamp(now())) throw new SignInRefused('state_expired');
      const provider = await loadProvider(options, team.accountId, state.provider_id);
      const proven = await proveIdentity(provider, {
        url: new URL(`${redirectUri(team)}?${callback.query}`),
        state: callback.state,
        nonce: state.nonce,
        verifier: vault.open(verifierPlace(state.id), state.verifier),
      });
      const context = { team, providerId: provider.id, applicationId: state.application_id, ip: callback.ip };
      try {
        const finished = await commitFinish({
          accountId: team.accountId,
          stateId: state.id,
          proven,
          providerType: provider.type,
          linkByEmail: provider.linkByEmail,
          sessionDuration: team.organization.session_duration,
          now: now(),
          ip: callback.ip,
        });
        const claims = sessionClaims(finished.session, { issuer: issuerOf(team), now: now() });
        const token = await signer.signToken(team.accountId, claims as unknown as JsonObject);
        const seconds = Math.max(0, claims.exp - claims.iat);
        return { token, returnTo: finished.returnTo, seconds };
      } catch (error) {
        if (!(error instanceof SignInRefused)) throw error;
        await noteFailure(context, proven.email, error.reason);
        const resume = {
          providerId: provider.id,
          applicationId: state.application_id,
          returnTo: state.return_to,
        };
        throw new SignInRefused(error.reason, { cause: error.cause, resume });
      }
    },

    /** Whether current policy lets the person of this session use the application. */
    judge(session: SessionState, application: ApplicationState) {
      return evaluate(application.policies, { email: session.email });
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
      return await database.write((tx) =>
        createHandOff(tx, {
          accountId: team.accountId,
          sessionNonce: session.nonce,
          applicationId: application.id,
          browserHash,
          returnTo,
          now: now(),
        }),
      );
    },

    /** The application token for a code, and where the browser was going. */
    async redeem(team: Team, request: { code: string; browser: string; application: ApplicationState }) {
      const { code, browser, application } = request;
      const redeemed = await database.write((tx) =>
        redeemHandOff(tx, { accountId: team.accountId, code, browserHash: sha256(browser), now: now() }),
      );
      if (redeemed.applicationId !== application.id) throw new SignInRefused('hand_off_invalid');
      const claims = applicationClaims(redeemed, {
        issuer: issuerOf(team),
        audience: application.aud,
        duration: durationFor(application, redeemed.session.email_key),
        now: now(),
      });
      const token = await signer.signToken(team.accountId, claims as unknown as JsonObject);
      return { token, returnTo: redeemed.returnTo, seconds: Math.max(0, claims.exp - claims.iat) };
    },

    /** Signs out: the session ends everywhere, through the one primitive. */
    async end(team: Team, session: SessionState, ip: string): Promise<void> {
      const actor = { ...person(session.email, ip), id: session.user_id };
      await commitAct(
        control,
        { accountId: team.accountId, actor, authorize: async () => {} },
        async (tx) => {
          const ended = await deleteSession(tx, team.accountId, session.nonce);
          return {
            result: ended,
            items: [revocation({ type: 'session', id: session.nonce })],
            audit: {
              action: 'user.sign_out',
              resource: { type: 'user', id: session.user_id },
              metadata: { session: session.nonce },
            },
          };
        },
      );
    },

    /** What get-identity answers for a session. */
    async identity(team: Team, session: SessionState): Promise<JsonObject | null> {
      const lineage = await database.snapshot((snapshot) =>
        findLineage(snapshot, team.accountId, session.nonce),
      );
      return lineage ? (JSON.parse(lineage.identity) as JsonObject) : null;
    },

    noteFailure,
    issuerOf,
    directory,
    scheme,
  };
}

async function loadProvider(
  { control, vault }: SignInOptions,
  accountId: string,
  id: string,
): Promise<OidcProvider> {
  const provider = await control.database.snapshot((snapshot) =>
    openProvider(snapshot, vault, { accountId, id }),
  );
  if (!provider) throw new SignInRefused('provider_unavailable');
  return provider;
}

/** Policy session, else the application's, else a day (reference §4.3). */
function durationFor(application: ApplicationState, email: string): number {
  const { sessionDuration } = evaluate(application.policies, { email });
  const ofPolicy = sessionDuration === null ? null : parseDuration(sessionDuration);
  return ofPolicy ?? application.session_duration ?? DEFAULT_SESSION;
}

function person(email: string | null, ip: string): Actor {
  return { type: 'user', id: null, email, tokenId: null, ip, requestId: null, interface: 'sign-in' };
}

export type { ProvenIdentity };
