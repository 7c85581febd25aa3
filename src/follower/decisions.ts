import { type Admissions, createAdmissions } from '../gate/admission.ts';
import { createAssertions } from '../gate/assertions.ts';
import { createExternalAnswers, type ExternalAnswersOptions } from '../gate/external-answers.ts';
import { createExternalCall } from '../gate/external-call.ts';
import { createTokenVerifier } from '../gate/verify.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Scheme } from '../protocol/cookies.ts';
import type { Lease } from '../protocol/lease.ts';
import type { Attendance } from './attendance.ts';
import type { SigningKey } from './gate-key.ts';
import { createReadThrough, type ReadThroughOptions } from './read-through.ts';

export interface DecisionsOptions extends Omit<ReadThroughOptions, 'admissions'> {
  readonly clock: Clock;
  readonly lease: Lease;
  readonly key: SigningKey;
  readonly attendance: Pick<Attendance, 'keeper' | 'sync'>;
  /** A service of somebody else's did not say whether a rule matches. */
  readonly onUnanswered: ExternalAnswersOptions['onFailure'];
}

type Claims = Record<string, unknown>;

/** How this gate decides: from its memory under its lease, and without one through the control plane. */
export function createDecisions(options: DecisionsOptions, scheme: Scheme): Admissions {
  const { state, clock, lease, key, attendance, onUnanswered } = options;
  const unskewed = (sign: SigningKey['signAssertion']) => async (_accountId: string, claims: Claims) => {
    // Whoever reads it believes the times in it.
    if (attendance.keeper.isSkewed())
      throw new Error("the clock is too far from the control plane's to sign");
    return await sign(claims);
  };
  const admissions = createAdmissions({
    ...{ state, clock, lease },
    verifier: createTokenVerifier({ scheme }),
    assertions: createAssertions(unskewed(key.signAssertion), { scheme }),
    externalAnswers: createExternalAnswers({
      ...{ clock, onFailure: onUnanswered },
      call: createExternalCall(unskewed(key.signQuestion)),
    }),
    catchUp: attendance.sync,
  });
  return createReadThrough({ ...options, admissions });
}
