import { ofAuthority, ofLineage, ofRecords, ofTokens } from './checker-records.ts';
import {
  type ActEvent,
  type At,
  type Credential,
  type FaultEvent,
  type HistoryEvent,
  MACHINE,
  type RemovalEvent,
  type RequestEvent,
  type TickEvent,
} from './history.ts';

/** What the database says when all is over. */
export interface Final {
  readonly head: { readonly epoch: number; readonly position: number };
  readonly audit: readonly {
    readonly position: number;
    readonly action: string;
    readonly resourceId: string;
    readonly tokenId: string | null;
  }[];
  /** Revocations in the feed. */
  readonly revocations: readonly {
    readonly position: number;
    readonly type: string;
    readonly id: string;
  }[];
  /** Objects that exist: users, service tokens, API tokens. */
  readonly living: ReadonlySet<string>;
  readonly sessions: readonly { readonly userId: string; readonly position: number }[];
}

export interface Checked {
  readonly events: readonly HistoryEvent[];
  readonly final: Final;
  /** Milliseconds of a lease. */
  readonly lease: number;
  /** What an answer may take beyond that on this machine, in milliseconds. */
  readonly network: number;
}

/** One invariant of reference removal-protocol.md, over one history. */
export interface Verdict {
  readonly invariant: number;
  readonly says: string;
  /** How often it could have been broken: 0 proves nothing. */
  readonly checked: number;
  readonly broken: readonly string[];
}

/** A byte may be under way for so long, on a loaded machine, before it is one that left after the return. */
const IN_FLIGHT = 1000;
const RECOVERY = 10_000;

/** Checks the invariants that can be seen from outside: those marked H, and of 2 and 3 what a token shows. */
export function check(checked: Checked): Verdict[] {
  const seen = sort(checked.events);
  return [
    afterReturn(seen),
    ofTokens(seen, checked.final),
    ofLineage(seen, checked.final),
    ofRecords(seen, checked.final),
    ofAuthority(seen, checked.final),
    ofTime(seen, checked),
    ofHealthy(seen),
    ofPairs(seen),
  ];
}

/** A history, sorted. */
export interface Seen {
  readonly credentials: ReadonlyMap<string, Credential>;
  readonly requests: readonly RequestEvent[];
  readonly ticks: readonly TickEvent[];
  readonly removals: readonly RemovalEvent[];
  readonly faults: readonly FaultEvent[];
  readonly acts: readonly ActEvent[];
  /** When the first removal that covers a credential had returned. */
  readonly ended: ReadonlyMap<string, At>;
}

function sort(events: readonly HistoryEvent[]): Seen {
  const of = <K extends HistoryEvent['kind']>(kind: K) =>
    events.filter((event): event is Extract<HistoryEvent, { kind: K }> => event.kind === kind);
  const removals = of('removal');
  const credentials = new Map(of('credential').map((one) => [one.id, one]));
  const ended = new Map<string, At>();
  const byRoot = Map.groupBy(removals, ({ root }) => root);
  for (const credential of credentials.values()) {
    const covering = credential.roots.flatMap((root) => covers(byRoot.get(root.of) ?? [], root.since));
    const returns = covering.flatMap(({ returned }) => (returned === null ? [] : [returned]));
    if (returns.length > 0) ended.set(credential.id, Math.min(...returns));
  }
  const [requests, ticks, faults, acts] = [of('request'), of('tick'), of('fault'), of('act')];
  return { credentials, requests, ticks, removals, faults, acts, ended };
}

function covers(removals: readonly RemovalEvent[], since: At): RemovalEvent[] {
  return removals.filter(({ call }) => since < call);
}

/** What was admitted, or flowed, after the removal that covers it had returned. */
function late({ requests, ticks, ended }: Seen): { credential: string; says: string }[] {
  const admitted = requests.flatMap(({ credential, begin, isAdmitted, gate }) => {
    const after = begin - (ended.get(credential) ?? Number.POSITIVE_INFINITY);
    if (!isAdmitted || !(after > 0)) return [];
    const says = `a request of ${credential} at ${gate} begun ${after.toFixed(1)} ms after the return was admitted`;
    return [{ credential, says }];
  });
  const flowed = ticks.flatMap(({ credential, sent, received, gate, channel }) => {
    const end = ended.get(credential) ?? Number.POSITIVE_INFINITY;
    if (!(sent > end) && !(received > end + IN_FLIGHT)) return [];
    const when = `sent ${(sent - end).toFixed(1)} ms and received ${(received - end).toFixed(1)} ms after the return`;
    return [{ credential, says: `a tick of ${credential} on a ${channel} at ${gate} was ${when}` }];
  });
  return [...admitted, ...flowed];
}

function afterReturn(seen: Seen): Verdict {
  const { requests, ticks, ended } = seen;
  const admittedBefore = new Set([
    ...requests.filter(({ isAdmitted }) => isAdmitted).map(({ credential }) => credential),
    ...ticks.map(({ credential }) => credential),
  ]);
  return {
    invariant: 1,
    says: 'nothing is admitted, and nothing flows, after the removal has returned',
    // One that was never admitted proves nothing by being refused.
    checked: [...ended.keys()].filter((id) => admittedBefore.has(id)).length,
    broken: late(seen).map(({ says }) => says),
  };
}

const EVERYBODY = ['database', 'all gates', MACHINE];

function touchesAny(touches: readonly string[], names: readonly string[]): boolean {
  return names.some((name) => touches.includes(name));
}

function overlaps({ begin, healed }: FaultEvent, from: At, to: At, recovery = 0): boolean {
  return begin <= to && from <= healed + recovery;
}

/** Invariant 9, the removals. */
function ofTime({ removals, faults }: Seen, { lease, network }: Checked): Verdict {
  const longest = lease * 1.2 + network;
  const broken: string[] = [];
  for (const { what, subject, returned, attempts, status } of removals) {
    if (returned === null) broken.push(`${what} ${subject.id} never returned: ${status}`);
    const last = attempts.at(-1);
    if (returned === null || !last) continue;
    const took = last.end - last.begin;
    const touching = faults.filter(({ touches }) => touchesAny(touches, [last.node, 'database', MACHINE]));
    if (took > longest && !touching.some((fault) => overlaps(fault, last.begin, last.end, network)))
      broken.push(`${what} ${subject.id} took ${took.toFixed(0)} ms on ${last.node}`);
  }
  const says = `a removal returns within a lease and its margin, ${longest} ms here`;
  return { invariant: 9, says, checked: removals.length, broken };
}

/** Invariant 9, those who are never removed. */
function ofHealthy({ credentials, requests, faults }: Seen): Verdict {
  const healthy = requests.filter(
    ({ credential, begin }) =>
      credentials.get(credential)?.isHealthy === true && begin > (credentials.get(credential)?.born ?? 0),
  );
  const broken = healthy.flatMap(({ gate, begin, end, isAdmitted, status, credential }) => {
    if (isAdmitted) return [];
    const touching = faults.filter(({ touches }) => touchesAny(touches, [gate, ...EVERYBODY]));
    if (touching.some((fault) => overlaps(fault, begin, end, RECOVERY))) return [];
    return [`${credential} was refused (${status}) at ${gate}, which nothing was done to`];
  });
  const says = 'whoever is not removed is admitted, but through a faulty gate until ten seconds after';
  return { invariant: 9, says, checked: healthy.length, broken };
}

/** Invariant 10: of two calls on one object, 1 holds from the first that was answered. */
function ofPairs(seen: Seen): Verdict {
  const pairs = [...Map.groupBy(seen.removals, ({ root }) => root)].filter(([, some]) =>
    some.some((one, at) => some.some((other, to) => at !== to && meets(one, other))),
  );
  const roots = new Set(pairs.map(([root]) => root));
  const broken = late(seen).filter(({ credential }) =>
    seen.credentials.get(credential)?.roots.some(({ of }) => roots.has(of)),
  );
  const says = 'of two removals of one object, the first answer counts';
  return { invariant: 10, says, checked: pairs.length, broken: broken.map((one) => one.says) };
}

/** The other was called while the first was under way. */
function meets(one: RemovalEvent, other: RemovalEvent): boolean {
  return one.call <= other.call && other.call < (one.returned ?? Number.POSITIVE_INFINITY);
}

/** How long it took after each fault until nobody who is not removed was refused any more, in milliseconds. */
export function recoveries(events: readonly HistoryEvent[]): { name: string; milliseconds: number }[] {
  const { credentials, requests, faults } = sort(events);
  const refused = requests.filter(
    ({ credential, isAdmitted }) => !isAdmitted && credentials.get(credential)?.isHealthy,
  );
  const made = faults.filter(({ touches }) => !touches.includes(MACHINE));
  return made.map(({ name, healed }) => {
    const later = faults.filter((other) => other.healed > healed).map(({ begin }) => begin);
    const next = Math.min(...later);
    const after = refused
      .filter(({ begin }) => begin >= healed && begin < next)
      .map(({ end }) => end - healed);
    return { name, milliseconds: Math.max(0, ...after) };
  });
}

/** The verdicts as lines for people. */
export function sayVerdicts(verdicts: readonly Verdict[]): string {
  return verdicts
    .map(({ invariant, says, checked, broken }) => {
      const verdict = broken.length === 0 ? 'holds' : `BROKEN ${broken.length} times`;
      const some = broken.slice(0, 5).map((one) => `\n     ${one}`);
      return `${String(invariant).padStart(2)}  ${says}: ${verdict} (${checked} checked)${some.join('')}`;
    })
    .join('\n');
}
