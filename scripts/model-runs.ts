/** One run of the model checker. */
export interface ModelRun {
  readonly name: string;
  readonly model: 'cluster.pml' | 'mint.pml';
  /** What is defined for it: a smaller scope, or a seeded bug. */
  readonly defines: readonly string[];
  /** The invariant that it must break; null where every asserted invariant must hold. */
  readonly breaks: number | null;
}

/** Everything that can be switched off in `cluster.pml`. */
const FEATURES = [
  'NODE_RESTART',
  'GATE_RESTART',
  'PARTITION',
  'DRIFT',
  'EARLY_READING',
  'READ_THROUGH',
] as const;

type Feature = (typeof FEATURES)[number];

function scope(machines: 1 | 2, ...on: Feature[]): string[] {
  const off = FEATURES.filter((feature) => !on.includes(feature)).map((feature) => `${feature}=0`);
  return machines === 1 ? ['MACHINES=1', ...off] : off;
}

/** The correct protocol, in scopes that together have everything: in each, every invariant must hold. */
export const scopes: readonly ModelRun[] = [
  holds('one machine, restarts', scope(1, 'NODE_RESTART', 'GATE_RESTART', 'PARTITION', 'READ_THROUGH')),
  holds('one machine, clocks', scope(1, 'NODE_RESTART', 'PARTITION', 'DRIFT', 'EARLY_READING')),
  holds('one machine, questions', scope(1, 'NODE_RESTART', 'PARTITION', 'DRIFT', 'READ_THROUGH')),
  holds('two machines, clocks', scope(2, 'PARTITION', 'DRIFT')),
  holds('two machines, early reading', scope(2, 'EARLY_READING')),
  holds('two machines, restart', scope(2, 'NODE_RESTART')),
  holds('two machines, questions', scope(2, 'READ_THROUGH')),
  mintHolds('mint', []),
  // Either guard alone keeps the promise.
  mintHolds('mint, rev read again', ['REREAD_REV', 'ONLY=1']),
  mintHolds('mint, parent unchecked', ['NO_PARENT_CHECK', 'ONLY=1']),
];

/** Larger scopes, for when the protocol itself changes: minutes and gigabytes. */
export const wideScopes: readonly ModelRun[] = [
  holds('one machine, everything', scope(1, ...FEATURES)),
  holds('one machine, longer leases', [
    'L=3',
    ...scope(1, 'NODE_RESTART', 'PARTITION', 'DRIFT', 'EARLY_READING'),
  ]),
  holds('two machines, early reading and partition', scope(2, 'PARTITION', 'EARLY_READING')),
  holds('two machines, questions and partition', scope(2, 'PARTITION', 'READ_THROUGH')),
  holds('two machines, restart and partition', scope(2, 'NODE_RESTART', 'PARTITION')),
];

const SMALL = scope(1, 'NODE_RESTART', 'GATE_RESTART', 'PARTITION');

/** Seeded bugs: each must break the invariant named, and its trace is kept under `docs/model/traces`. */
export const seeded: readonly ModelRun[] = [
  bug('lease-before-catch-up', 1, ['LEASE_BEFORE_CATCH_UP', ...SMALL]),
  bug('flows-without-lease', 1, ['FLOWS_WITHOUT_LEASE', ...SMALL]),
  bug('row-after-use', 1, ['ROW_AFTER_USE', ...SMALL]),
  bug('rows-before-commit', 1, ['ROWS_BEFORE_COMMIT', ...SMALL]),
  bug('same-id-after-restart', 1, ['SAME_ID', ...SMALL]),
  bug('pair-by-id', 1, ['PAIR_BY_ID', ...scope(1, 'PARTITION', 'EARLY_READING')]),
  bug('renewals-start-anew', 1, ['RENEWALS_START_ANEW', ...scope(1, 'EARLY_READING')]),
  bug('ack-before-apply', 1, ['ACK_BEFORE_APPLY', ...SMALL]),
  bug('ack-without-gate', 1, ['NODE_ACK_IGNORES_GATE', ...SMALL]),
  bug('ack-without-read-through', 1, ['NODE_ACK_IGNORES_READ_THROUGH', ...scope(1, 'READ_THROUGH')]),
  bug('read-through-opens-upgrade', 1, ['READ_THROUGH_OPENS_UPGRADE', ...scope(1, 'READ_THROUGH')]),
  bug('no-cap', 1, ['NO_CAP', ...SMALL]),
  bug('cap-of-new-lease', 1, ['CAP_OF_NEW_LEASE', ...SMALL]),
  bug('cap-outlives-ack', 1, ['CAP_OUTLIVES_ACK', ...SMALL]),
  bug('grant-before-gate-catches-up', 1, ['GRANT_BEFORE_GATE_CATCHES_UP', ...SMALL]),
  bug('grant-beyond-node', 6, ['GRANT_BEYOND_NODE', ...SMALL]),
  bug('lease-from-answer', 1, ['LEASE_FROM_ANSWER', ...SMALL]),
  bug('no-margin', 6, ['NO_MARGIN', ...scope(1, 'DRIFT')]),
  bug('old-snapshot', 5, ['OLD_SNAPSHOT', ...scope(2, 'PARTITION')]),
  bug('old-snapshot-admits', 1, ['OLD_SNAPSHOT', ...scope(2, 'PARTITION')]),
  bug('forward-after-await', 1, ['FORWARD_AFTER_AWAIT', ...SMALL]),
  mintBug('mint-reads-rev-again', 3, ['REREAD_REV']),
  mintBug('mint-reads-rev-again-unchecked', 1, ['REREAD_REV', 'NO_PARENT_CHECK']),
  mintBug('mint-reads-rev-last', 1, ['REV_LAST']),
  mintBug('mint-without-parent-check', 3, ['NO_PARENT_CHECK']),
  mintBug('mint-names-only-the-user', 1, ['ONLY_THE_USER_IS_NAMED']),
  mintBug('prune-without-floor', 1, ['PRUNE_WITHOUT_FLOOR']),
];

function holds(name: string, defines: readonly string[]): ModelRun {
  return { name, model: 'cluster.pml', defines, breaks: null };
}

function mintHolds(name: string, defines: readonly string[]): ModelRun {
  return { name, model: 'mint.pml', defines, breaks: null };
}

function bug(name: string, breaks: number, defines: readonly string[]): ModelRun {
  return { name, model: 'cluster.pml', defines: [...defines, `ONLY=${breaks}`], breaks };
}

function mintBug(name: string, breaks: number, defines: readonly string[]): ModelRun {
  return { name, model: 'mint.pml', defines: [...defines, `ONLY=${breaks}`], breaks };
}
