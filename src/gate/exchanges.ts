import { setImmediate } from 'node:timers';
import type { Clock } from '../kernel/clock.ts';
import type { FeedBatch, FeedItem, Subject } from '../protocol/feed.ts';
import { subjectKey } from '../protocol/feed.ts';
import type { Admissions, Admitted } from './admission.ts';
import { lineageOf } from './decide.ts';
import type { Question } from './question.ts';

/** Why something open was ended. A closed list, for the log and for a WebSocket's last frame. */
export type CutReason = 'revoked' | 'policy' | 'expired' | 'stopping';

/** Both ends of one request, upgrade or stream that is under way. None of its calls throws. */
export interface Exchange {
  readonly question: Question;
  readonly admitted: Admitted;
  /** Ends it in this turn: upstream leg first, queued bytes dropped, sockets reset (decisions, Gate). */
  cut(reason: CutReason): void;
  /** Nothing flows, either way, until `thaw` or `cut`. */
  freeze(): void;
  thaw(): void;
}

/** The place of an exchange among those that are open. */
export interface Place {
  /** Asked before every chunk, either way: neither cut nor frozen nor over by itself. */
  mayFlow(): boolean;
  /** It has ended by itself. */
  leave(): void;
}

/**
 * Every exchange that is open at this gate, by whose it is. What a feed entry ends is cut before the entry counts
 * as applied; what a changed policy may end is frozen before, and decided after (design §4.5).
 */
export interface Exchanges {
  /** Call in the turn of the verdict, before the first byte. */
  enter(exchange: Exchange): Place;
  /** After the gate's memory has taken the batch, and in the same turn. */
  apply(batch: FeedBatch): void;
  /** After the whole memory of an account was replaced, and in the same turn: all of it is decided anew. */
  reload(accountId: string): void;
  /** Cuts what is over by itself; nothing of it flows since then anyway. */
  sweep(): void;
  cutAll(reason: CutReason): void;
  readonly size: number;
}

interface Open {
  readonly exchange: Exchange;
  readonly keys: readonly string[];
  isFrozen: boolean;
  isOver: boolean;
}

/** How many frozen exchanges are decided in one turn of the loop. */
const AT_ONCE = 500;

export function createExchanges(options: {
  admissions: Pick<Admissions, 'stillAdmits'>;
  clock: Clock;
  onCut: (exchange: Exchange, reason: CutReason) => void;
}): Exchanges {
  const { admissions, clock, onCut } = options;
  const bySubject = new Map<string, Set<Open>>();
  const all = new Set<Open>();
  const frozen = new Set<Open>();

  const forget = (open: Open) => {
    open.isOver = true;
    all.delete(open);
    frozen.delete(open);
    for (const key of open.keys) dropFrom(bySubject, key, open);
  };

  const cut = (open: Open, reason: CutReason) => {
    if (open.isOver) return;
    forget(open);
    open.exchange.cut(reason);
    onCut(open.exchange, reason);
  };

  const freeze = (open: Open) => {
    if (open.isOver || open.isFrozen) return;
    open.isFrozen = true;
    frozen.add(open);
    open.exchange.freeze();
  };

  const decide = (open: Open) => {
    frozen.delete(open);
    const { question, admitted } = open.exchange;
    if (!admissions.stillAdmits(question, admitted)) return cut(open, 'policy');
    if (!open.isFrozen) return;
    open.isFrozen = false;
    open.exchange.thaw();
  };

  const decideFrozen = () => {
    let left = AT_ONCE;
    for (const open of frozen) {
      if (left-- === 0) return void setImmediate(decideFrozen);
      decide(open);
    }
  };

  const openOf = (key: string) => [...(bySubject.get(key) ?? [])];

  return {
    get size() {
      return all.size;
    },
    enter: (exchange) => {
      const open = { exchange, keys: keysOf(exchange.admitted), isFrozen: false, isOver: false };
      all.add(open);
      for (const key of open.keys) addTo(bySubject, key, open);
      return {
        mayFlow: () => !open.isOver && !open.isFrozen && clock.now() < exchange.admitted.endsAt,
        leave: () => forget(open),
      };
    },
    apply: ({ accountId, items }) => {
      for (const key of items.flatMap((item) => endedBy(accountId, item))) {
        for (const open of openOf(key)) cut(open, 'revoked');
      }
      // A secret that was replaced is a removal as well, so there is no later.
      for (const key of items.flatMap((item) => changedBy(accountId, item))) {
        for (const open of openOf(key)) decide(open);
      }
      for (const key of items.flatMap((item) => touchedBy(accountId, item))) {
        for (const open of openOf(key)) freeze(open);
      }
      if (frozen.size > 0) setImmediate(decideFrozen);
    },
    reload: (accountId) => {
      for (const open of openOf(keyOf(accountId, { type: 'account', id: accountId }))) decide(open);
    },
    sweep: () => {
      const now = clock.now();
      for (const open of all) if (!(now < open.exchange.admitted.endsAt)) cut(open, 'expired');
    },
    cutAll: (reason) => {
      for (const open of all) cut(open, reason);
    },
  };
}

/** Whose an exchange is: every subject whose revocation ends it, and every object whose change may. */
function keysOf({ destination: { account, application }, visitor }: Admitted): string[] {
  const { accountId } = account;
  const subjects: Subject[] =
    visitor.kind === 'user'
      ? lineageOf(accountId, visitor.session)
      : [
          { type: 'account', id: accountId },
          { type: 'service_token', id: visitor.serviceToken.id },
        ];
  const all: Subject[] = [...subjects, { type: 'application', id: application.id }];
  return all.map((subject) => keyOf(accountId, subject));
}

/** What a revocation, or the end of an object, ends at once. */
function endedBy(accountId: string, item: FeedItem): string[] {
  if (item.kind === 'revocation') return [keyOf(accountId, item.subject)];
  if (item.state !== null || !isSubject(item.kind)) return [];
  return [keyOf(accountId, { type: item.kind, id: item.id })];
}

/** What hangs on one credential that has changed. */
function changedBy(accountId: string, item: FeedItem): string[] {
  if (item.kind !== 'session' && item.kind !== 'service_token') return [];
  return [keyOf(accountId, { type: item.kind, id: item.id })];
}

/**
 * What a change of rules may end. When one application changes, the routes of any other may lead elsewhere, so
 * that touches every exchange of the account.
 */
function touchedBy(accountId: string, { kind }: FeedItem): string[] {
  if (kind !== 'application' && kind !== 'organization' && kind !== 'provider') return [];
  return [keyOf(accountId, { type: 'account', id: accountId })];
}

function isSubject(kind: string): kind is 'application' | 'provider' | 'session' | 'service_token' {
  return kind === 'application' || kind === 'provider' || kind === 'session' || kind === 'service_token';
}

function keyOf(accountId: string, subject: Subject): string {
  return `${accountId} ${subjectKey(subject)}`;
}

function addTo(map: Map<string, Set<Open>>, key: string, open: Open): void {
  const known = map.get(key);
  if (known) known.add(open);
  else map.set(key, new Set([open]));
}

function dropFrom(map: Map<string, Set<Open>>, key: string, open: Open): void {
  const known = map.get(key);
  known?.delete(open);
  if (known?.size === 0) map.delete(key);
}
