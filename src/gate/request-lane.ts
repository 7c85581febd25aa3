import { newTag } from '../kernel/ids.ts';
import type { RequestEvent, RequestLine } from '../protocol/request-line.ts';

/** How much may be held of visitors of one sort. */
export interface Bounds {
  /** Lines that wait to be written. */
  readonly waiting: number;
  /** Sets of events that are alike, within a minute. */
  readonly open: number;
  /** Lines of one account, within a minute. */
  readonly ofAccount: number;
}

/** One line, for as long as its minute lasts. */
export interface Line {
  readonly event: RequestEvent;
  id: string;
  count: number;
  /** The count that was last handed over; 0: it still waits. */
  written: number;
}

/** Events of one minute that are alike. */
interface Open {
  line: Line;
  lines: number;
}

/** What is held of visitors of one sort. */
export interface Lane {
  readonly isKnown: boolean;
  readonly bounds: Bounds;
  open: Map<string, Open>;
  ofAccount: Map<string, number>;
  waiting: Line[];
  /** The minute before, whose final counts are still to be handed over. */
  closed: Iterator<Open>;
  dropped: number;
}

/** An empty lane. */
export function createLane(isKnown: boolean, bounds: Bounds): Lane {
  const nothing = { open: new Map(), ofAccount: new Map(), waiting: [], closed: [].values(), dropped: 0 };
  return { isKnown, bounds, ...nothing };
}

/** Notes the event; answers the line that it has, alone or with its like. */
export function noteIn(
  lane: Lane,
  event: RequestEvent,
  { key, own }: { key: string; own: number },
): Line | null {
  const open = lane.open.get(key);
  if (open && open.lines >= own) {
    open.line.count += 1;
    return open.line;
  }
  const ofAccount = lane.ofAccount.get(event.accountId) ?? 0;
  if (ofAccount >= lane.bounds.ofAccount) return noteRest(lane, event);
  const line = addLine(lane, key, event);
  if (line) lane.ofAccount.set(event.accountId, ofAccount + 1);
  return line;
}

/** Beyond what an account may have in a minute, there is one line for each application and reason. */
function noteRest(lane: Lane, event: RequestEvent): null {
  const { accountId, applicationId, action, reason } = event;
  const key = `rest ${accountId} ${applicationId} ${action} ${reason}`;
  const open = lane.open.get(key);
  if (open) open.line.count += 1;
  else addLine(lane, key, { ...event, ...NOBODY });
  return null;
}

const NOBODY = {
  method: null,
  host: null,
  ip: null,
  userId: null,
  email: null,
  connection: null,
  providerId: null,
  serviceTokenId: null,
  registrationId: null,
};

function addLine(lane: Lane, key: string, event: RequestEvent): Line | null {
  const open = lane.open.get(key);
  const isFull = lane.waiting.length >= lane.bounds.waiting || (!open && lane.open.size >= lane.bounds.open);
  if (isFull) {
    lane.dropped += 1;
    return null;
  }
  const line = { event: detached(event), id: '', count: 1, written: 0 };
  lane.waiting.push(line);
  lane.open.set(key, { line, lines: (open?.lines ?? 0) + 1 });
  return line;
}

/** A text that was cut out of a longer one keeps all of that in memory; these are kept for a minute. */
function detached(event: RequestEvent): RequestEvent {
  const { requestId, host, ip } = event;
  return { ...event, requestId: copy(requestId), host: host && copy(host), ip: ip && copy(ip) };
}

function copy(text: string): string {
  return Buffer.from(text).toString();
}

/** What was not fetched of the minute before the last is given up: its lines stay, their counts are too small. */
export function rollLane(lane: Lane): void {
  for (let next = lane.closed.next(); !next.done; next = lane.closed.next()) {
    if (hasGrown(next.value.line)) lane.dropped += 1;
  }
  lane.closed = lane.open.values();
  lane.open = new Map();
  lane.ofAccount = new Map();
}

function hasGrown({ written, count }: Line): boolean {
  return written > 0 && count > written;
}

/** At most so many lines to be written: those that wait, and then the final counts of the minute before. */
export function takeFrom(lane: Lane, most: number): RequestLine[] {
  const lines = lane.waiting.splice(0, most).map((line) => handOver(lane, line));
  while (lines.length < most) {
    const next = lane.closed.next();
    if (next.done) break;
    if (hasGrown(next.value.line)) lines.push(handOver(lane, next.value.line));
  }
  return lines;
}

function handOver({ isKnown }: Lane, line: Line): RequestLine {
  const isNew = line.written === 0;
  if (isNew) line.id = newLineId(line.event.at);
  line.written = line.count;
  return { ...line.event, id: line.id, count: line.count, isNew, isKnown };
}

/** Begins with the time, so that lines of one time lie beside each other in the index. */
function newLineId(at: number): string {
  const time = at.toString(16).padStart(12, '0');
  return time + newTag().slice(time.length);
}

/** How many lines were left out since this was last asked. */
export function takeDroppedOf(lane: Lane): number {
  const { dropped } = lane;
  lane.dropped = 0;
  return dropped;
}
