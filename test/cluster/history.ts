import { once } from 'node:events';
import { createWriteStream } from 'node:fs';

/** Milliseconds by the one monotonic clock of the process that watches. */
export type At = number;

/** What lets somebody in: a person's application token, or a service token. */
export interface Credential {
  readonly kind: 'credential';
  readonly id: string;
  /** Never removed: it must be admitted all the time. */
  readonly isHealthy: boolean;
  readonly born: At;
  /** Everything that ends it, and since when for certain it hangs on that: whatever ends later ends it. */
  readonly roots: readonly { readonly of: string; readonly since: At }[];
  /** As its claim `rev` says; null for one that has none. */
  readonly rev: readonly [epoch: number, position: number] | null;
}

/** A step of a sign-in, or all of it. */
export interface SignInEvent {
  readonly kind: 'sign_in';
  readonly person: string;
  readonly node: string;
  readonly gate: string;
  readonly begin: At;
  readonly end: At;
  /** The credential that came of it. */
  readonly credential: string | null;
  readonly failure: string | null;
}

export interface RequestEvent {
  readonly kind: 'request';
  readonly credential: string;
  readonly gate: string;
  readonly begin: At;
  readonly end: At;
  /** 0: no answer. */
  readonly status: number;
  /** The application itself answered. */
  readonly isAdmitted: boolean;
  /** The first of this credential at this gate. */
  readonly isFirst: boolean;
}

export type Channel = 'socket' | 'stream' | 'upload';

/** One tick that went through an open connection, either way. */
export interface TickEvent {
  readonly kind: 'tick';
  readonly credential: string;
  readonly gate: string;
  readonly exchange: number;
  readonly channel: Channel;
  readonly sent: At;
  readonly received: At;
}

/** An open connection has ended. */
export interface EndEvent {
  readonly kind: 'end';
  readonly credential: string;
  readonly gate: string;
  readonly exchange: number;
  readonly channel: Channel;
  readonly at: At;
}

/** One call of a removal, with the attempts that it took. Two calls on one object are two events. */
export interface RemovalEvent {
  readonly kind: 'removal';
  readonly id: number;
  readonly what: string;
  /** What the revocation in the feed names. */
  readonly subject: { readonly type: string; readonly id: string };
  /** The root that it takes away from every credential that hung on it when it was called. */
  readonly root: string;
  readonly call: At;
  /** When the answer came that says that the access is over; null if none came. */
  readonly returned: At | null;
  readonly status: number;
  readonly attempts: readonly Attempt[];
}

export interface Attempt {
  readonly node: string;
  readonly begin: At;
  readonly end: At;
  readonly status: number;
}

/** Touched when everything is, since the machine itself did nothing for a while. */
export const MACHINE = 'machine';

export interface FaultEvent {
  readonly kind: 'fault';
  readonly name: string;
  /** `node-1`, `gate-4`, `database`: who may answer badly because of it. */
  readonly touches: readonly string[];
  readonly begin: At;
  readonly healed: At;
}

/** An act by a credential of the API that is to be removed. */
export interface ActEvent {
  readonly kind: 'act';
  readonly actor: string;
  readonly node: string;
  readonly begin: At;
  readonly end: At;
  readonly status: number;
}

export type HistoryEvent =
  | Credential
  | SignInEvent
  | RequestEvent
  | TickEvent
  | EndEvent
  | RemovalEvent
  | FaultEvent
  | ActEvent;

/** Everything that was seen, in the order in which it was known. */
export interface History {
  readonly events: readonly HistoryEvent[];
  add(event: HistoryEvent): void;
  now(): At;
  /** Writes it as lines of JSON. */
  write(file: string): Promise<void>;
}

export function createHistory(): History {
  const events: HistoryEvent[] = [];
  return {
    events,
    add: (event) => void events.push(event),
    now: () => performance.now(),
    write: async (file) => {
      const stream = createWriteStream(file);
      for (const event of events) {
        if (!stream.write(`${JSON.stringify(event)}\n`)) await once(stream, 'drain');
      }
      stream.end();
      await once(stream, 'finish');
    },
  };
}
