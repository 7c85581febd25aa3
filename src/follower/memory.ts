import type { Exchanges } from '../gate/exchanges.ts';
import type { GateState } from '../gate/state.ts';
import { chainOf } from '../protocol/chain.ts';
import type { FeedItem, SubjectType } from '../protocol/feed.ts';
import type { AppliedPosition, FromNode } from '../protocol/gate-messages.ts';
import { type Head, isRev, type Rev, reaches } from '../protocol/rev.ts';
import { createRevocationIndex, type RevocationIndex } from '../protocol/revocation-index.ts';

/** What came of a message. */
export type Taken =
  /** It is in force, and nothing that it ended is open. */
  | 'applied'
  /** A part of a snapshot: nothing has changed. */
  | 'kept'
  /** It does not go on from what is applied here: only a snapshot can help. */
  | 'forked'
  /** A snapshot that is older than what is applied: a position never goes back on a gate (schedule 16). */
  | 'stale'
  /** In force, and it ended the credential of this gate itself. */
  | 'ended';

type Fed = Extract<FromNode, { type: 'snapshot' | 'batch' }>;

/** The memory of a gate process, and the one way in which it changes. */
export interface Memory {
  /** How far the feed is applied here; null: nothing was ever loaded. */
  readonly applied: AppliedPosition | null;
  /** From where the feed can be gone on with; null: only a snapshot can help. */
  readonly resumable: AppliedPosition | null;
  /** The one account of this gate; null before it was told. */
  readonly accountId: string | null;
  /**
   * A new stream, which speaks for this gate: half a snapshot of the former one is forgotten. Throws if it speaks of
   * another account, since a credential has one for its life.
   */
  begin(who: { accountId: string; gateId: string }): void;
  /** Applies what was sent, whole and in this turn, memory first and then what is open. Throws for what cannot be. */
  take(fed: Fed): Taken;
  /** What is here is of another history, or not whole: nothing goes on from it. */
  distrust(): void;
}

interface Building {
  readonly head: Head;
  readonly chain: string;
  readonly revocations: RevocationIndex;
  readonly states: FeedItem[];
}

export function createMemory({
  state,
  exchanges,
}: {
  state: Pick<GateState, 'load' | 'apply'>;
  exchanges: Exchanges;
}): Memory {
  let who: { accountId: string; gateId: string } | null = null;
  let applied: AppliedPosition | null = null;
  let building: Building | null = null;
  let isTrusted = true;

  const known = () => {
    if (!who) throw new Error('a feed before a welcome');
    return who;
  };

  const finish = ({ head, chain, revocations, states }: Building): Taken => {
    const { accountId } = known();
    if (applied && !reaches(head, applied)) return 'stale';
    state.load({ accountId, revocations, states });
    applied = { epoch: head.epoch, position: head.position, chain };
    exchanges.reload(accountId);
    isTrusted = true;
    return 'applied';
  };

  const takePart = (part: Extract<FromNode, { type: 'snapshot' }>): Taken => {
    if (part.part === 'begin') {
      building = begun(part);
      return 'kept';
    }
    if (!building) throw new Error('a part of a snapshot that was not begun');
    if (part.part === 'end') {
      const whole = building;
      building = null;
      return finish(whole);
    }
    if (part.part === 'states') building.states.push(...part.items);
    else addRevocations(building.revocations, part.revocations);
    return 'kept';
  };

  const takeBatch = ({ epoch, position, items, chain }: Extract<FromNode, { type: 'batch' }>): Taken => {
    const at = { epoch, position };
    const { accountId, gateId } = known();
    if (!applied || !isTrusted || building || !isOf(at, applied)) return 'forked';
    // Where a feed stands that has told nothing more may be said again, and late: there is nothing to apply.
    if (items.length === 0 && position < applied.position) return 'kept';
    if (items.length > 0 && position <= applied.position) return 'forked';
    if (chainOf(applied.chain, { accountId, at, items }) !== chain) return 'forked';
    const change = { accountId, at, items };
    state.apply(change);
    applied = { ...at, chain };
    exchanges.apply(change);
    return items.some((item) => endsGate(item, gateId)) ? 'ended' : 'applied';
  };

  return {
    get applied() {
      return applied;
    },
    get resumable() {
      return isTrusted ? applied : null;
    },
    distrust: () => {
      isTrusted = false;
    },
    get accountId() {
      return who?.accountId ?? null;
    },
    begin: (next) => {
      if (who && who.accountId !== next.accountId) throw new Error('the control plane names another account');
      who = next;
      building = null;
    },
    take: (fed) => (fed.type === 'batch' ? takeBatch(fed) : takePart(fed)),
  };
}

function begun({ head, chain }: { head: Head; chain: string }): Building {
  if (!isRev(head)) throw new Error('a snapshot without a position');
  return { head, chain, revocations: createRevocationIndex(head), states: [] };
}

function addRevocations(
  index: RevocationIndex,
  revocations: Extract<FromNode, { part: 'revocations' }>['revocations'],
): void {
  for (const [type, id, epoch, position] of revocations) {
    index.apply({ epoch, position }, [{ type: type as SubjectType, id }]);
  }
}

/** A new epoch comes with a snapshot alone, since only that says what counts of the one before. */
function isOf(at: Rev, applied: Rev): boolean {
  return isRev(at) && at.epoch === applied.epoch;
}

function endsGate(item: FeedItem, gateId: string): boolean {
  return item.kind === 'revocation' && item.subject.type === 'gate' && item.subject.id === gateId;
}
