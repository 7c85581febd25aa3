import type { Admission, Admissions } from '../gate/admission.ts';
import { type SentAdmission, toSentAdmission } from '../gate/lent.ts';
import type { Question } from '../gate/question.ts';
import type { AccountState, GateState } from '../gate/state.ts';
import { fingerprintsOf } from '../protocol/revocation-table.ts';
import type { GateCredential } from './attachment.ts';

export interface ReadThroughOptions {
  readonly state: GateState;
  /** The node's own, under its own lease. */
  readonly admissions: Admissions;
  /** Resolves when this node's lease row is there: rows before rights (schedule 6). */
  readonly ensureRow: () => Promise<void>;
  /** For how many milliseconds what is decided in this turn may be used; 0: not at all (hub). */
  readonly lend: (accountId: string) => number;
}

/** Answers gates that have no lease, one exchange at a time (design §4.6, schedule 5). */
export interface ReadThrough {
  /** null: not now. */
  decide(gate: GateCredential, question: Question): Promise<SentAdmission | null>;
}

/** How many are decided at once: what gates ask must not starve this node. */
const MOST_DECIDED = 256;

export function createReadThrough(options: ReadThroughOptions): ReadThrough {
  const { state, admissions, lend, ensureRow } = options;
  let deciding = 0;

  /** In the turn of the verdict: what is lent is counted from what was applied then. */
  const answer = (gate: GateCredential, admission: Admission): SentAdmission | null => {
    if (admission.reason === 'no_lease' || !standsGate(state.account(gate.accountId), gate)) return null;
    if (admission.verdict !== 'allow') return toSentAdmission(admission, 0);
    const milliseconds = lend(gate.accountId);
    return milliseconds > 0 ? toSentAdmission(admission, milliseconds) : null;
  };

  const isOf = ({ accountId }: GateCredential, admission: Admission) => {
    const account = 'account' in admission ? admission.account : admission.destination?.account;
    return account === undefined || account.accountId === accountId;
  };

  return {
    decide: async (gate, question) => {
      if (deciding >= MOST_DECIDED) return null;
      deciding += 1;
      try {
        const destination = state.route(question.host, question.path);
        if (destination && destination.account.accountId !== gate.accountId) return UNKNOWN;
        await ensureRow();
        let answered: SentAdmission | null = null;
        await admissions.judge(question, (admission) => {
          answered = isOf(gate, admission) ? answer(gate, admission) : UNKNOWN;
        });
        return answered;
      } finally {
        deciding -= 1;
      }
    },
  };
}

/** An application of another account is none. */
const UNKNOWN: SentAdmission = {
  verdict: 'deny',
  reason: 'application_unknown',
  application: null,
  visitor: null,
};

/** Whether the credential was not taken away since it was read: a gate's id is never used again. */
function standsGate(account: AccountState | null, { id }: GateCredential): boolean {
  if (!account) return false;
  const { epoch, floor } = account.revocations.head;
  return account.revocations.stands({ epoch, position: floor }, fingerprintsOf([{ type: 'gate', id }]));
}
