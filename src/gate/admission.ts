import type { Clock } from '../kernel/clock.ts';
import type { Answers } from '../policy/evaluate.ts';
import type { Lease } from '../protocol/lease.ts';
import type { Rev } from '../protocol/rev.ts';
import type { Assertions } from './assertions.ts';
import { surroundingsOf } from './client-certificate.ts';
import { type Presented, presentedCredential } from './credential.ts';
import { aheadOf, type Credential, decide, endOf, type Refusal, type Visitor } from './decide.ts';
import type { Question } from './question.ts';
import type { Destination, GateState } from './state.ts';
import type { TokenVerifier } from './verify.ts';

/** An allow, with all that whoever carries it out needs. */
export interface Admitted {
  readonly verdict: 'allow';
  readonly reason: 'policy_allow';
  readonly destination: Destination;
  readonly credential: Credential;
  readonly visitor: Visitor;
  /** `Cf-Access-Jwt-Assertion` for the application. */
  readonly assertion: string;
  /** When it is over by itself, in milliseconds since the epoch. */
  readonly endsAt: number;
  /** What external services said of it; what is open keeps that. */
  readonly answers: Answers;
  /** The lease for this one exchange, where a node admitted it for a gate that has none (schedule 5). */
  readonly lent?: Pick<Lease, 'isLive' | 'remaining'>;
}

/** The gate's word on one question; `destination` is null where the question leads to no application. */
export type Admission = Admitted | (Refusal & { readonly destination: Destination | null });

export interface AdmissionOptions {
  readonly state: GateState;
  readonly verifier: TokenVerifier;
  readonly assertions: Assertions;
  readonly clock: Clock;
  /** Without it there is no verdict but `no_lease` (design §4.6). */
  readonly lease: Pick<Lease, 'isLive'>;
  /** Resolves when everything committed for the account is in force in `state`. */
  readonly catchUp: (accountId: string) => Promise<void>;
  /**
   * Told of the reading of a well-signed token that goes beyond all that is committed: a commit is lost, for nobody
   * without the signing key can make one up (design §4.9). Returns at once.
   */
  readonly onAhead?: (accountId: string, rev: Rev) => void;
}

/** Answers a question. */
export interface Admissions {
  /**
   * Calls `act` with the admission in the very turn in which it was decided, so that what `act` does at once
   * (register the exchange, send its first byte) cannot be overtaken by a removal (schedule 12). Returns a
   * promise only if something had to be fetched first; it rejects if that failed, or if `act` threw.
   */
  judge(question: Question, act: (admission: Admission) => void): void | Promise<void>;
}

/** How often a question is taken up again before it is given up: each time something that took time is there. */
const MOST_ATTEMPTS = 6;

/** What was learnt for this question so far, beside what verifier and assertions remember. */
interface Learnt {
  isForged: boolean;
  isCaughtUp: boolean;
}

/**
 * Decides from memory; what is missing (a signature checked, the feed, an assertion) is fetched, and then
 * everything is asked anew. So no answer rests on what was true before an await.
 */
export function createAdmissions(options: AdmissionOptions): Admissions {
  const attempt = (question: Question, learnt: Learnt) => decideNow(options, question, learnt);

  const again = async (
    question: Question,
    act: (admission: Admission) => void,
    { learnt, missing }: { learnt: Learnt; missing: () => Promise<void> },
  ) => {
    let fetch = missing;
    for (let round = 1; round < MOST_ATTEMPTS; round++) {
      await fetch();
      const next = attempt(question, learnt);
      if (typeof next !== 'function') return act(next);
      fetch = next;
    }
    throw new Error('what a decision needs was gone again each time it was fetched');
  };

  return {
    judge: (question, act) => {
      const learnt = { isForged: false, isCaughtUp: false };
      const first = attempt(question, learnt);
      if (typeof first !== 'function') return act(first);
      return again(question, act, { learnt, missing: first });
    },
  };
}

/**
 * The same question again for something that is open, from memory alone, in this turn: until when it is admitted
 * now, in milliseconds since the epoch; null if it no longer is, or leads elsewhere.
 */
export function admittedUntil(
  { state, clock }: Pick<AdmissionOptions, 'state' | 'clock'>,
  question: Question,
  { destination, credential, answers }: Admitted,
): number | null {
  const now = state.route(question.host, question.path);
  if (now?.application.id !== destination.application.id || now.upstream !== destination.upstream)
    return null;
  const at = clock.now();
  const surroundings = surroundingsOf(now.account, question, at);
  const verdict = decide(now, credential, { now: at, surroundings, answers });
  return verdict.verdict === 'allow' ? endOf(credential, verdict.visitor) : null;
}

/** The admission, or what has to be fetched before there can be one. */
function decideNow(
  options: AdmissionOptions,
  question: Question,
  learnt: Learnt,
): Admission | (() => Promise<void>) {
  const destination = options.state.route(question.host, question.path);
  if (!options.lease.isLive()) return { verdict: 'deny', reason: 'no_lease', destination };
  if (!destination) return { verdict: 'deny', reason: 'application_unknown', destination: null };
  const presented = presentedCredential(question, destination.application);
  if ('verdict' in presented) return { ...presented, destination };
  const credential = verified(options, destination, presented);
  if (!credential) {
    if (learnt.isForged) return { verdict: 'sign_in', reason: 'credential_invalid', destination };
    return async () => verify(options, destination, presented, learnt);
  }
  const ahead = readingAhead(destination, credential);
  const { accountId } = destination.account;
  if (ahead && !learnt.isCaughtUp) {
    return async () => {
      await options.catchUp(accountId);
      learnt.isCaughtUp = true;
    };
  }
  if (ahead) options.onAhead?.(accountId, ahead);
  return conclude(options, { question, destination, credential });
}

function conclude(
  { assertions, clock }: AdmissionOptions,
  {
    question,
    destination,
    credential,
  }: { question: Question; destination: Destination; credential: Credential },
): Admission | (() => Promise<void>) {
  const now = clock.now();
  const answers = null;
  const surroundings = surroundingsOf(destination.account, question, now);
  const verdict = decide(destination, credential, { now, surroundings, answers });
  if (verdict.verdict === 'undecided') {
    return { verdict: 'deny', reason: 'no_policy_matched', destination, visitor: verdict.visitor };
  }
  if (verdict.verdict !== 'allow') return { ...verdict, destination };
  const { visitor } = verdict;
  const told = { destination, visitor, credential, now };
  const assertion = assertions.recall(told);
  if (assertion === null) return async () => assertions.make(told);
  return { ...verdict, destination, credential, assertion, answers, endsAt: endOf(credential, visitor) };
}

/** The credential, if nothing is left to be checked that takes time; null for a token not seen before. */
function verified(
  { verifier }: AdmissionOptions,
  { account }: Destination,
  presented: Presented,
): Credential | null {
  if (presented.kind === 'service_token') return presented;
  const token = verifier.recall(presented.token, account);
  return token ? { kind: 'session', token, binding: presented.binding } : null;
}

async function verify(
  { verifier }: AdmissionOptions,
  { account }: Destination,
  presented: Presented,
  learnt: Learnt,
): Promise<void> {
  if (presented.kind === 'token') learnt.isForged = !(await verifier.verify(presented.token, account));
}

function readingAhead({ account }: Destination, credential: Credential): Rev | null {
  return credential.kind === 'session' ? aheadOf(account, credential.token) : null;
}
