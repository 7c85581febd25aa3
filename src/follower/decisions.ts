import { type Admissions, createAdmissions } from '../gate/admission.ts';
import { createAssertions } from '../gate/assertions.ts';
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
}

/** How this gate decides: from its memory under its lease, and without one through the control plane. */
export function createDecisions(options: DecisionsOptions, scheme: Scheme): Admissions {
  const { state, clock, lease, key, attendance } = options;
  const sign = async (_accountId: string, claims: Record<string, unknown>) => {
    // An application believes the times in it.
    if (attendance.keeper.isSkewed())
      throw new Error("the clock is too far from the control plane's to sign");
    return await key.sign(claims);
  };
  const admissions = createAdmissions({
    ...{ state, clock, lease },
    verifier: createTokenVerifier({ scheme }),
    assertions: createAssertions(sign, { scheme }),
    catchUp: attendance.sync,
  });
  return createReadThrough({ ...options, admissions });
}
