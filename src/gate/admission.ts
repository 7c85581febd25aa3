import type { Clock } from '../kernel/clock.ts';
import type { Answers } from '../policy/evaluate.ts';
import type { Lease } from '../protocol/lease.ts';
import type { Rev } from '../protocol/rev.ts';
import type { Assertions } from './assertions.ts';
import { bypass } from './bypass.ts';
import { surroundingsOf } from './client-certificate.ts';
import { type Presented, presentedCredential } from './credential.ts';
import { type Asking, aheadOf, type Credential, decide, type Reason, type Refusal } from './decide.ts';
import { type ClaimReader, createDeviceProofs, type DeviceClaim, standingRegistration } from './device.ts';
import { createEnquiry, type Decided, type Enquiry, withoutAsking } from './enquiry.ts';
import type { ExternalAnswers } from './external-answers.ts';
import type { Question } from './question.ts';
import type { AccountState, Destination, GateState } from './state.ts';
import type { TokenVerifier } from './verify.ts';
import { ANYONE, type Anyone, isSameIdentity, type Visitor } from './visitor.ts';

/** An allow, with all that whoever carries it out needs. */
export interface Admitted {
  readonly verdict: 'allow';
  readonly reason: 'policy_allow' | 'policy_bypass';
  readonly destination: Destination;
  /** null: none was asked for, or a client certificate spoke for itself. */
  readonly credential: Credential | null;
  readonly visitor: Visitor;
  /** `Cf-Access-Jwt-Assertion` for the application; null of whoever was not asked who they are. */
  readonly assertion: string | null;
  /** When it is over by itself, in milliseconds since the epoch. */
  readonly endsAt: number;
  /** What external services said of it; what is open keeps that. */
  readonly answers: Answers;
  /** The lease for this one exchange, where a node admitted it for a gate that has none (schedule 5). */
  readonly lent?: Pick<Lease, 'isLive' | 'remaining'>;
}

/** What leads to no application, and is let through all the same, since the account says so of its zone. */
export interface Unmatched {
  readonly verdict: 'allow';
  readonly reason: 'unmatched_allowed';
  readonly destination: null;
  readonly account: AccountState;
  readonly visitor: Anyone;
  readonly assertion: null;
  readonly lent?: Pick<Lease, 'isLive' | 'remaining'>;
}

/** A request that is not let through; `destination` is null where it leads to no application. */
export type Refused = Refusal & { readonly destination: Destination | null };

/** The gate's word on one question. */
export type Admission = Admitted | Unmatched | Refused;

export interface AdmissionOptions {
  readonly state: GateState;
  readonly verifier: TokenVerifier;
  readonly assertions: Assertions;
  readonly externalAnswers: ExternalAnswers;
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
const MOST_ATTEMPTS = 10;

/** What was learnt for this question so far, beside what verifier, assertions and external answers remember. */
interface Learnt {
  isForged: boolean;
  isCaughtUp: boolean;
  /** Reads the proof of the device, the first time that it is asked. */
  readonly deviceIn: ClaimReader;
  /** Of services of others, where policies rest on them: most requests never need it. */
  enquiry: Enquiry | null;
}

/**
 * Decides from memory; what is missing (a signature checked, the feed, the word of an external service, an assertion)
 * is fetched, and then everything is asked anew. So no answer rests on what was true before an await.
 */
export function createAdmissions(options: AdmissionOptions): Admissions {
  const claimOf = createDeviceProofs();
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
      const learnt: Learnt = {
        isForged: false,
        isCaughtUp: false,
        deviceIn: claimOf(question),
        enquiry: null,
      };
      const first = attempt(question, learnt);
      if (typeof first !== 'function') return act(first);
      return again(question, act, { learnt, missing: first });
    },
  };
}

/**
 * The same question again for something that is open, from memory alone, in this turn: until when it is admitted
 * now, in milliseconds since the epoch; null if it no longer is, or leads elsewhere. What external services said of
 * somebody says nothing of whom the provider tells something else of since.
 */
export function admittedUntil(
  { state, clock }: Pick<AdmissionOptions, 'state' | 'clock'>,
  question: Question,
  { destination, credential, visitor, answers }: Admitted,
): number | null {
  const now = state.route(question.host, question.path);
  if (now?.application.id !== destination.application.id || now.upstream !== destination.upstream)
    return null;
  const asking = { ...askingOf({ clock }, question, now), device: provenBefore(now, visitor, clock.now()) };
  if (visitor.kind === 'anyone') return bypass(now, asking)?.endsAt ?? null;
  const verdict = decide(now, credential, { ...asking, answers });
  if (verdict.verdict !== 'allow') return null;
  if (answers === null || isSameIdentity(now.account.rules, verdict.visitor, visitor)) return verdict.endsAt;
  const unasked = decide(now, credential, asking);
  return unasked.verdict === 'allow' ? unasked.endsAt : null;
}

/** A device that was proven when it was let in is judged as it stands now; nothing is proven anew. */
function provenBefore({ account }: Destination, visitor: Visitor, now: number): DeviceClaim | null {
  if (visitor.kind !== 'user' || visitor.registrationId === undefined) return null;
  return standingRegistration(account, account.registrations.get(visitor.registrationId), now);
}

/** The admission, or what has to be fetched before there can be one. */
function decideNow(
  options: AdmissionOptions,
  question: Question,
  learnt: Learnt,
): Admission | (() => Promise<void>) {
  const destination = options.state.route(question.host, question.path);
  if (!options.lease.isLive()) return { verdict: 'deny', reason: 'no_lease', destination };
  if (!destination) return decideUnmatched(options, question);
  const asked = askingOf(options, question, destination);
  const asking = { ...asked, device: learnt.deviceIn(destination.account, asked.now) };
  const bypassed = bypass(destination, asking);
  if (bypassed) return { ...bypassed, destination, credential: null, assertion: null, answers: null };
  const presented = presentedCredential(question, destination);
  if ('verdict' in presented) {
    // Whoever has nothing but a certificate proved it to the listener.
    const isSpokenFor = presented.reason === 'no_credential' && asking.surroundings.certificate !== null;
    if (!isSpokenFor) return { ...presented, destination };
    return conclude(options, { destination, credential: null, asking, learnt });
  }
  const credential = verified(options, destination, { presented, asking });
  if (credential && 'reason' in credential)
    return { verdict: 'sign_in', reason: credential.reason, destination };
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
  return conclude(options, { destination, credential, asking, learnt });
}

function askingOf(
  { clock }: Pick<AdmissionOptions, 'clock'>,
  question: Question,
  { account }: Destination,
): Asking {
  const now = clock.now();
  return { now, surroundings: surroundingsOf(account, question, now), device: null, answers: null };
}

function decideUnmatched({ state }: AdmissionOptions, { host }: Question): Unmatched | Refused {
  const account = state.allowsUnmatched(host);
  if (!account) return { verdict: 'deny', reason: 'application_unknown', destination: null };
  const nobody = { visitor: ANYONE, assertion: null };
  return { verdict: 'allow', reason: 'unmatched_allowed', destination: null, account, ...nobody };
}

interface Concluding {
  readonly destination: Destination;
  readonly credential: Credential | null;
  readonly asking: Asking;
  readonly learnt: Learnt;
}

function conclude(
  { assertions, externalAnswers }: AdmissionOptions,
  { destination, credential, asking, learnt }: Concluding,
): Admission | (() => Promise<void>) {
  let decided: Decided | (() => Promise<void>) | null = withoutAsking(destination, credential, asking);
  if (decided === null) {
    learnt.enquiry ??= createEnquiry(externalAnswers);
    decided = learnt.enquiry.decide(destination, credential, asking);
  }
  if (typeof decided === 'function') return decided;
  const { verdict, answers } = decided;
  if (verdict.verdict !== 'allow') return { ...verdict, destination };
  const { visitor } = verdict;
  const told = { destination, visitor, credential, now: asking.now };
  const assertion = assertions.recall(told);
  if (assertion === null) return async () => assertions.make(told);
  return { ...verdict, destination, credential, assertion, answers };
}

/** The credential, if nothing is left to be checked that takes time; null for a token not seen before. */
function verified(
  { verifier }: AdmissionOptions,
  { account }: Destination,
  { presented, asking: { device } }: { presented: Presented; asking: Asking },
): Credential | { readonly reason: Reason } | null {
  if (presented.kind === 'service_token') return presented;
  if (presented.kind === 'device') {
    if (device === null || 'reason' in device) return device ?? { reason: 'no_credential' };
    return { kind: 'device', registrationId: device.registration.id };
  }
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
