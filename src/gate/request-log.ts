import { parseAddress } from '../kernel/address.ts';
import type { RequestEvent, RequestLine } from '../protocol/request-line.ts';
import type { Decision } from './decision.ts';
import {
  type Bounds,
  createLane,
  type Line,
  noteIn,
  rollLane,
  takeDroppedOf,
  takeFrom,
} from './request-lane.ts';
import type { GateState } from './state.ts';

/**
 * The request log on its way to the disk. Everything here is memory with bounds: whoever decides only notes, and
 * never waits; what finds no room is counted and left out.
 */
export interface RequestLog {
  /** Notes a decision of the gate; one that belongs to no account is for the process log alone. */
  record(decision: Decision): void;
  /** Notes a sign-in that ended at this time, in milliseconds since the epoch. */
  noteSignIn(ended: SignInNote, at: number): void;
  /** Ends the minute: what comes now begins lines of its own, and the counts of the last minute are final. */
  roll(): void;
  /** Hands over at most so many lines to be written, each once, and once more when its count is final. */
  take(most: number): RequestLine[];
  /** How many lines were left out, in whole or in part, since this was last asked. */
  takeDropped(): number;
}

/** A sign-in; `refused` is why it did not end in a session, or null. */
export interface SignInNote
  extends Pick<RequestEvent, 'requestId' | 'accountId' | 'ip' | 'userId' | 'email' | 'applicationId'> {
  readonly providerId: string;
  readonly refused: string | null;
}

// So that those who prove nothing can neither fill the memory nor push out what is known of the others.
const KNOWN: Bounds = { waiting: 20_000, open: 50_000, ofAccount: 20_000 };
const UNKNOWN: Bounds = { waiting: 5_000, open: 10_000, ofAccount: 1_000 };

/** Lines that refusals and sign-ins have to themselves, of those that are alike within a minute; the last counts. */
const OWN_LINES = 10;

/** Where a visitor was admitted last. */
interface Visit {
  readonly applicationId: string | null;
  readonly ip: string;
  readonly line: Line;
}

/** `state` knows of what kind providers are, and where applications live. */
export function createRequestLog(state: GateState): RequestLog {
  const known = createLane(true, KNOWN);
  const unknown = createLane(false, UNKNOWN);
  const lanes = [known, unknown];
  /** By visitor: whoever asks again the same way, as almost everybody does, costs one look here. */
  let latest = new Map<string, Visit>();

  const note = (event: RequestEvent, key: string, own: number) => {
    const isKnown = event.email !== null || event.serviceTokenId !== null;
    return noteIn(isKnown ? known : unknown, event, { key, own });
  };

  const noteVisit = (visitor: string, decision: Decision) => {
    const { applicationId, ip } = decision;
    const event = toEvent(state, decision);
    const line = event && note(event, `${visitor} ${applicationId} ${ip}`, 1);
    if (line) latest.set(visitor, { applicationId, ip, line });
  };

  const noteAny = (event: RequestEvent) => void note(event, likeness(event), OWN_LINES);

  return {
    record: (decision) => {
      if (decision.verdict === 'allow') {
        const visitor =
          decision.registrationId ?? decision.userId ?? decision.serviceTokenId ?? decision.reason;
        const last = latest.get(visitor);
        if (last?.ip === decision.ip && last.applicationId === decision.applicationId) last.line.count += 1;
        else noteVisit(visitor, decision);
        return;
      }
      const event = toEvent(state, decision);
      if (event) noteAny(event);
    },
    noteSignIn: (ended, at) => noteAny(toLogin(state, ended, at)),
    roll: () => {
      latest = new Map();
      for (const lane of lanes) rollLane(lane);
    },
    take: (most) => {
      const first = takeFrom(known, most);
      return [...first, ...takeFrom(unknown, most - first.length)];
    },
    takeDropped: () => lanes.reduce((sum, lane) => sum + takeDroppedOf(lane), 0),
  };
}

/** What a flood has in common: whom it is of, or the network it comes from, what it is for, and why it fails. */
function likeness({ accountId, action, applicationId, reason, ...from }: RequestEvent): string {
  const visitor = from.email ?? from.serviceTokenId ?? networkOf(from.ip ?? '');
  return `${accountId} ${applicationId} ${action} ${reason} ${visitor}`;
}

/** An IPv4 address, or the network of an IPv6 one: whoever has one of its addresses has 2^64. */
function networkOf(ip: string): string {
  const address = ip.includes(':') ? parseAddress(ip) : null;
  return address && 'parts' in address ? address.parts.slice(0, 4).join(':') : ip;
}

/** null: it belongs to no account. */
function toEvent(state: GateState, decision: Decision): RequestEvent | null {
  const { accountId, providerId } = decision;
  if (accountId === null) return null;
  const connection = providerId === null ? null : connectionOf(state, accountId, providerId);
  return { ...decision, accountId, action: 'request', connection };
}

function toLogin(state: GateState, { refused, ...ended }: SignInNote, at: number): RequestEvent {
  const { accountId, applicationId, providerId } = ended;
  const application = state.account(accountId)?.applications.get(applicationId ?? '');
  return {
    ...ended,
    at,
    action: 'login',
    via: 'sign_in',
    verdict: refused === null ? 'allow' : 'deny',
    reason: refused ?? 'signed_in',
    method: null,
    host: application?.destinations[0]?.host ?? null,
    connection: connectionOf(state, accountId, providerId),
    serviceTokenId: null,
    registrationId: null,
  };
}

function connectionOf(state: GateState, accountId: string, providerId: string): string | null {
  return state.account(accountId)?.providers.get(providerId)?.type ?? null;
}
