/** What of an application is tried through a gate. */
export const CHANNELS = ['requests', 'stream', 'websocket'] as const;
export type Channel = (typeof CHANNELS)[number];

/** When the removal was called, and when its answer arrived: times of one stopwatch, null while that is to come. */
export interface Removal {
  begun: number | null;
  returned: number | null;
}

/** A request, or a try to open a stream or WebSocket. */
export interface Attempt {
  readonly begun: number;
  readonly ended: number;
  /** `failed` is neither: an error of the network, or an answer that says nothing of access. */
  readonly outcome: 'admitted' | 'refused' | 'failed';
  /** What happened, for an operator. */
  readonly note: string;
}

/** What one channel of one gate showed. Times are milliseconds after the removal's return, negative before it. */
export interface Finding {
  readonly gate: string;
  readonly channel: Channel;
  /** The first refusal after the removal was called; null if there was none. */
  readonly first_refusal_ms: number | null;
  /** When the open connection ended; null for requests, and while it is open. */
  readonly cut_ms: number | null;
  /** The sum of the four below. */
  readonly admitted_after: number;
  /** Requests, streams and WebSockets that began after the return and were admitted. */
  readonly begun_after: number;
  /** The same, as the application saw them, where the client was not told so. */
  readonly reached_after: number;
  /** Messages that were sent after the return, either way, and arrived. */
  readonly carried_after: number;
  /** Messages sent before, or by nobody known, that arrived later than the network explains. */
  readonly late: number;
  /** A connection was still open when the probe had watched long enough. */
  readonly left_open: boolean;
  /** Whether anything that began after the return was refused. */
  readonly refused_after: boolean;
  /** The last thing that was neither admission nor refusal; null if there was none. */
  readonly fault: string | null;
}

/** Takes down what one channel shows, as it happens. */
export interface Recorder {
  attempt(attempt: Attempt): void;
  opened(): void;
  /** A message came to its end; `sent` is when its sender handed it over, null if nobody is known to have. */
  arrived(message: { at: number; sent: number | null }): void;
  closed(at: number): void;
  /** The application got a request that began then. */
  reached(begun: number): void;
  /** Well under way: a removal can be probed now. */
  isReady(): boolean;
  /** Refused after the return, and nothing open: there is no more to see. */
  isOver(): boolean;
  lastNote(): string;
  finding(allowance: number): Finding;
}

/** So many admitted requests in a row, or messages of one connection, show that a channel is open. */
const STEADY = 3;
const MOST_DELAYS = 100_000;

/** The judgement is exact: what began or was sent after the return is known, since one clock tells it all. */
export function createRecorder(of: { gate: string; channel: Channel }, removal: Removal): Recorder {
  const counts = { streak: 0, begunAfter: 0, reachedAfter: 0, carriedAfter: 0 };
  const seen = { open: false, note: 'nothing happened', refusedAfter: false };
  const times: { refusal: number | null; cut: number | null } = { refusal: null, cut: null };
  const faults: string[] = [];
  const delays: number[] = [];
  const isAfter = (at: number) => removal.returned !== null && at > removal.returned;
  const afterReturn = (at: number | null) =>
    at === null || removal.returned === null ? null : at - removal.returned;

  return {
    attempt({ begun, ended, outcome, note }) {
      seen.note = note;
      counts.streak = outcome === 'admitted' ? counts.streak + 1 : 0;
      if (outcome === 'admitted' && isAfter(begun)) counts.begunAfter++;
      if (outcome === 'failed') faults[0] = note;
      if (outcome !== 'refused' || removal.begun === null || ended < removal.begun) return;
      times.refusal ??= ended;
      if (isAfter(begun)) seen.refusedAfter = true;
    },
    opened() {
      seen.open = true;
      counts.streak = 0;
    },
    arrived({ at, sent }) {
      counts.streak++;
      if (sent !== null && isAfter(sent)) counts.carriedAfter++;
      else if (removal.returned !== null && delays.length < MOST_DELAYS) delays.push(at - removal.returned);
    },
    closed(at) {
      seen.open = false;
      counts.streak = 0;
      times.cut = at;
    },
    reached(begun) {
      if (isAfter(begun)) counts.reachedAfter++;
    },
    isReady: () => counts.streak >= STEADY && (of.channel === 'requests' || seen.open),
    isOver: () => seen.refusedAfter && !seen.open,
    lastNote: () => seen.note,
    finding(allowance) {
      const { begunAfter, carriedAfter } = counts;
      const late = delays.filter((delay) => delay > allowance).length;
      const unseen = Math.max(0, counts.reachedAfter - begunAfter);
      return {
        ...of,
        first_refusal_ms: afterReturn(times.refusal),
        cut_ms: seen.open ? null : afterReturn(times.cut),
        admitted_after: begunAfter + unseen + carriedAfter + late,
        begun_after: begunAfter,
        reached_after: unseen,
        carried_after: carriedAfter,
        late,
        left_open: seen.open,
        refused_after: seen.refusedAfter,
        fault: faults[0] ?? null,
      };
    },
  };
}

/** What the findings amount to. `unknown`: nothing was admitted, but something answered neither yes nor no. */
export type Verdict = 'kept' | 'BROKEN' | 'unknown';

export function judge(findings: readonly Finding[]): Verdict {
  if (findings.some(({ admitted_after: after, left_open: open }) => after > 0 || open)) return 'BROKEN';
  return findings.length > 0 && findings.every(({ refused_after: refused }) => refused) ? 'kept' : 'unknown';
}
