import type { Admission, Admissions } from '../gate/admission.ts';
import { readSentAdmission, toLentAdmission, toSent } from '../gate/lent.ts';
import type { Question } from '../gate/question.ts';
import type { GateState } from '../gate/state.ts';
import type { Clocks } from '../kernel/clock.ts';
import { DECIDE_PATH } from '../protocol/gate-messages.ts';
import { createLease } from '../protocol/lease.ts';
import type { ControlPlane } from './control-plane.ts';
import type { Memory } from './memory.ts';

export type ReadThroughOutcome = 'answered' | 'failed' | 'full';

export interface ReadThroughOptions {
  /** The gate's own, under its own lease. */
  readonly admissions: Admissions;
  readonly state: GateState;
  readonly clocks: Clocks;
  readonly controlPlane: ControlPlane;
  readonly memory: Pick<Memory, 'accountId' | 'applied'>;
  readonly onOutcome: (outcome: ReadThroughOutcome, error?: unknown) => void;
}

/** How many are asked at once; beyond that the answer is 503, so that leases are not starved by questions. */
const MOST_ASKED = 64;

/**
 * The gate's admissions; without a lease of its own each plain question is asked of a node. What that answers is a
 * lease for one exchange, counted from before the question was sent, and never one for an upgrade (schedule 5).
 */
export function createReadThrough(options: ReadThroughOptions): Admissions {
  const { admissions, clocks, controlPlane, memory, onOutcome, state } = options;
  let asked = 0;

  const ask = async (question: Question): Promise<Admission | null> => {
    const known = state.route(question.host, question.path)?.application ?? null;
    const lent = createLease(clocks);
    const since = lent.read();
    const sent = toSent(question, known);
    const said = readSentAdmission(await controlPlane.ask(DECIDE_PATH, sent));
    const account = state.account(memory.accountId ?? '');
    if (!said || !account) throw new Error('the control plane answers something else');
    if (said.verdict === 'allow' && !lent.renew(since, said.milliseconds)) return null;
    return toLentAdmission(said, { account, lent });
  };

  /** The answer, in the turn in which it came; null: the question stays without one. */
  const through = async (question: Question): Promise<Admission | null> => {
    if (asked >= MOST_ASKED) {
      onOutcome('full');
      return null;
    }
    asked += 1;
    try {
      const admission = await ask(question);
      onOutcome(admission ? 'answered' : 'failed');
      return admission;
    } catch (error) {
      onOutcome('failed', error);
      return null;
    } finally {
      asked -= 1;
    }
  };

  return {
    judge: (question, act) => {
      const unled: { admission: Admission | null } = { admission: null };
      const done = admissions.judge(question, (admission) => {
        if (isUnled(admission) && question.plain && memory.applied) unled.admission = admission;
        else act(admission);
      });
      const goOn = (): void | Promise<void> => {
        const refused = unled.admission;
        if (refused) return askedThen(question, refused, act);
      };
      return done ? done.then(goOn) : goOn();
    },
  };

  async function askedThen(question: Question, refused: Admission, act: (admission: Admission) => void) {
    const admission = await through(question);
    // The first byte leaves in this turn, so this is the last moment to ask.
    const mayAct = admission && (admission.verdict !== 'allow' || admission.lent?.isLive());
    act(mayAct ? admission : refused);
  }
}

function isUnled(admission: Admission): boolean {
  return admission.verdict === 'deny' && admission.reason === 'no_lease';
}
