import type { Admission } from './admission.ts';
import type { Reason, Verdict } from './decide.ts';
import type { Question } from './question.ts';
import type { AccountState, Destination } from './state.ts';
import type { Visitor } from './visitor.ts';

/** One line of the gate's log; never a credential, a path or a query. */
export interface Decision {
  readonly requestId: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly via: 'proxy' | 'forward_auth';
  readonly verdict: Verdict['verdict'];
  readonly reason: Reason;
  readonly method: string | null;
  readonly host: string | null;
  readonly ip: string;
  readonly accountId: string | null;
  readonly applicationId: string | null;
  readonly userId: string | null;
  readonly email: string | null;
  /** Of the provider at which the person signed in. */
  readonly providerId: string | null;
  readonly serviceTokenId: string | null;
  /** The device of the person that the request was proven to come from. */
  readonly registrationId: string | null;
}

/** Where a question came from, and under which number its answer is known. */
export interface Asked {
  readonly requestId: string;
  readonly at: number;
  readonly via: Decision['via'];
  readonly ip: string;
  /** null: what came was no question at all. */
  readonly question: Question | null;
}

type Outcome = Pick<Admission, 'verdict' | 'reason'> & {
  readonly destination?: Destination | null;
  /** Where there is no destination, but an account all the same. */
  readonly account?: AccountState;
  readonly visitor?: Visitor;
};

/** What the log is told of an outcome. */
export function toDecision({ requestId, at, via, ip, question }: Asked, outcome: Outcome): Decision {
  const { verdict, reason, destination, account = destination?.account, visitor } = outcome;
  const session = visitor?.kind === 'user' ? visitor.session : null;
  return {
    requestId,
    at,
    via,
    verdict,
    reason,
    method: question?.method ?? null,
    host: question?.host ?? null,
    ip,
    accountId: account?.accountId ?? null,
    applicationId: destination?.application.id ?? null,
    userId: session?.user_id ?? null,
    email: session?.email ?? null,
    providerId: session?.provider_id ?? null,
    serviceTokenId: visitor?.kind === 'service' ? visitor.serviceToken.id : null,
    registrationId: (visitor?.kind === 'user' && visitor.registrationId) || null,
  };
}
