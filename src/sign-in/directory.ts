import type { Evaluation } from '../policy/evaluate.ts';
import type { DenyingAccount } from '../protocol/denial.ts';
import type { ApplicationState, OrganizationState, ProviderState, SessionState } from '../protocol/state.ts';

/** The team domain of an account. */
export interface Team {
  readonly accountId: string;
  readonly organization: OrganizationState;
}

/** Which token is expected: the team domain's own, or that of one of these applications. */
export type TokenKind = { readonly accountId: string } & (
  | { readonly type: 'org' }
  | { readonly type: 'app'; readonly audiences: readonly string[] }
);

/** What sign-in asks of the gate's memory. */
export interface Directory {
  application(accountId: string, aud: string): ApplicationState | null;
  /** Every application of the account, by name. */
  applications(accountId: string): readonly ApplicationState[];
  providers(accountId: string): readonly ProviderState[];
  /** What the account says to whoever is denied. */
  denying(accountId: string): DenyingAccount;
  /** What current policies say of a session on its way to an application, from this address. */
  judge(
    accountId: string,
    session: SessionState,
    of: { application: ApplicationState; ip: string },
  ): Evaluation;
  /** The session behind a token of this kind, if it is genuine, alive and not revoked. */
  session(token: string, of: TokenKind): Promise<SessionState | null>;
}
