import type { Actor } from '../kernel/actor.ts';
import type { PermissionGroupName } from '../kernel/permissions.ts';
import type { Reader, Tx } from './database.ts';

/**
 * The right to change one account: who acts, and the question whether they still may. The HTTP door and
 * the command line make Acts; `commitAct` (removal/) is the only one that uses them up.
 */
export interface Act {
  readonly accountId: string;
  readonly actor: Actor;
  /** Throws the refusal if the actor's right has ended; asked inside the transaction, after the counter. */
  readonly authorize: (reader: Tx) => Promise<void>;
  /** Set for an act of the API. */
  readonly request?: ActRequest;
  /** Set for a DELETE: under what name its answer is kept, and whether this request repeats an earlier one. */
  readonly repeat?: { readonly key: string; readonly isRetry: boolean };
}

/**
 * The act as one of an account that the actor's token need not reach: what a person's token is called is told nowhere
 * but there.
 */
export function actIn(act: Act, accountId: string): Act {
  const { tokenName: _, ...actor } = act.actor;
  return { ...act, accountId, actor };
}

/** The request of the API that an act came by, as the audit log keeps it: no query, no body, no header but one. */
export interface ActRequest {
  readonly method: string;
  readonly uri: string;
  readonly status: number;
  readonly userAgent: string | null;
  readonly zone: { readonly id: string; readonly name: string } | null;
}

/** On what a permission is wanted: any one of the names suffices. */
export interface Wanted {
  readonly names: readonly PermissionGroupName[];
  readonly account?: string;
  readonly zone?: string;
  readonly user?: string;
}

/** Whoever was authenticated. Rights are read from the database at every question, never remembered. */
export interface Principal {
  readonly actor: Actor;
  /** Names the credential, not the person: for rate limits and list walks. */
  readonly credentialId: string;
  /** The administrator behind a key or user token; null for an account token. */
  readonly administratorId: string | null;
  permits(reader: Reader, wanted: Wanted): Promise<boolean>;
}
