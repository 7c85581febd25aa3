import type { AdmissionOptions } from '../gate/admission.ts';
import type { Answer } from '../gate/answers.ts';
import { aheadOf, type Reason } from '../gate/decide.ts';
import { standingSession } from '../gate/find-visitor.ts';
import type { Question } from '../gate/question.ts';
import { createRuleMemory } from '../gate/rule-memory.ts';
import type { AccountState, Destination, GateState } from '../gate/state.ts';
import type { TokenVerifier } from '../gate/verify.ts';
import type { Clock } from '../kernel/clock.ts';
import type { SessionToken } from '../protocol/claims.ts';
import type { SessionState } from '../protocol/state.ts';
import type { Directory, Team } from '../sign-in/directory.ts';
import { createEdge } from '../sign-in/edge.ts';
import type { SignInRefused } from '../sign-in/refused.ts';
import type { SignIn } from '../sign-in/service.ts';

export interface DirectoryOptions extends Pick<AdmissionOptions, 'catchUp' | 'onAhead'> {
  readonly state: GateState;
  readonly verifier: TokenVerifier;
  readonly clock: Clock;
}

/** What sign-in asks of the gate, answered from the gate's memory. */
export function createDirectory(options: DirectoryOptions): Directory {
  const { state, verifier } = options;
  return {
    application: (accountId, aud) => {
      const applications = state.account(accountId)?.applications.values() ?? [];
      return [...applications].find((application) => application.aud === aud) ?? null;
    },
    applications: (accountId) =>
      [...(state.account(accountId)?.applications.values() ?? [])].sort((one, other) =>
        one.name < other.name ? -1 : 1,
      ),
    denying: (accountId) => state.account(accountId) ?? { organization: null, customPages: new Map() },
    judge: (accountId, session, { application, ip }) => {
      const { rules } = state.account(accountId) ?? { rules: createRuleMemory() };
      return rules.judge(session, { application, ip });
    },
    providers: (accountId) => [...(state.account(accountId)?.providers.values() ?? [])],
    session: async (token, of) => {
      const account = state.account(of.accountId);
      const verified = account ? await verifier.verify(token, account) : null;
      if (!account || !verified || verified.type !== of.type) return null;
      if (of.type === 'app' && !of.audiences.includes(verified.audience)) return null;
      await catchUpWith(options, account, verified);
      // Asked again: what was known of the account may have been replaced meanwhile.
      const standing = standingNow(options, of.accountId, verified);
      if (standing.reason !== 'session_unknown') return standing.session;
      // Another node may have made it a moment ago. Only who has a signature of ours gets this far.
      await options.catchUp(of.accountId);
      return standingNow(options, of.accountId, verified).session;
    },
  };
}

function standingNow(
  { state, clock }: DirectoryOptions,
  accountId: string,
  token: SessionToken,
): { session: SessionState | null; reason: Reason | null } {
  const account = state.account(accountId);
  const standing = account
    ? standingSession(account, token, clock.now())
    : { reason: 'session_unknown' as const };
  return 'session' in standing ? { ...standing, reason: null } : { ...standing, session: null };
}

/** A session that another node made a moment ago is read from the feed. If it is not there, a commit is lost. */
async function catchUpWith(
  { state, catchUp, onAhead }: DirectoryOptions,
  account: AccountState,
  token: SessionToken,
): Promise<void> {
  if (!aheadOf(account, token)) return;
  await catchUp(account.accountId);
  const now = state.account(account.accountId);
  const ahead = now && aheadOf(now, token);
  if (ahead) onAhead?.(account.accountId, ahead);
}

/** The account whose team domain this host is. */
export function teamOf(state: GateState, host: string): Team | null {
  return toTeam(state.accountOfTeamDomain(host));
}

function toTeam(account: AccountState | null): Team | null {
  return account?.organization ? { accountId: account.accountId, organization: account.organization } : null;
}

/** What sign-in has to know of a request on an application's host. */
export type EdgeQuestion = Pick<Question, 'host' | 'path' | 'target' | 'cookies' | 'crossSite' | 'ip'>;

/**
 * Requests below /cdn-cgi/access on an application's host, which forward-auth brings, a client by itself, or a gate
 * that has no database.
 */
export function createGateEdge(
  signIn: SignIn,
  onRefused: (refused: SignInRefused, requestId: string) => void,
  { direct }: { direct: boolean },
): (question: EdgeQuestion, destinations: readonly Destination[], requestId: string) => Promise<Answer> {
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
