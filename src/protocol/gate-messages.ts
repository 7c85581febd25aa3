import type { FeedItem } from './feed.ts';
import type { Head, Rev } from './rev.ts';

/**
 * The version of the stream between node and gate, of which each speaks this one alone. A gate that knows fewer kinds of
 * rules than its node would leave out the exclusions that it does not know, and let in whom they are meant for.
 */
export const GATE_PROTOCOL = 3;

/** Where a gate attaches: a WebSocket, with the credential as `Authorization: Bearer`. */
export const ATTACH_PATH = '/portcullis/gate/attach';
/** Where a gate without a lease asks about one request: POST, JSON, the same credential. */
export const DECIDE_PATH = '/portcullis/gate/decide';
/** Where a gate brings what lies below /cdn-cgi/access on an application's host: POST, JSON, the same credential. */
export const EDGE_PATH = '/portcullis/gate/edge';

/** Why a stream was closed, as WebSocket close codes of our own. */
export const CLOSE = {
  /** The credential lives no more: do not come back with it. */
  revoked: 4401,
  /** What was said is not this protocol, or not a version that is known here. */
  protocol: 4400,
  /** Gate and node do not have one history, or what comes next is too much for one message: come back for a snapshot. */
  forked: 4409,
  /** This node cannot decide now: come back, to any node. */
  unavailable: 4503,
} as const;

/** How far a gate has applied the feed. */
export interface AppliedPosition extends Rev {
  readonly chain: string;
}

/** The public half of the key with which a gate signs what applications get. */
export interface GateKey {
  /** SHA-256 of the modulus, 64 lower-case hex. */
  readonly kid: string;
  readonly kty: 'RSA';
  readonly n: string;
  readonly e: string;
}

/** What a gate says. */
export type FromGate =
  | {
      readonly type: 'attach';
      readonly protocol: number;
      /** 32 hex, new at each start: leases and acks are a process's, not a credential's (schedule 9). */
      readonly process: string;
      /** For the operator: host and port. */
      readonly host: string;
      readonly version: string;
      readonly key: GateKey;
      /** null: nothing yet, send a snapshot. */
      readonly applied: AppliedPosition | null;
    }
  | { readonly type: 'renew'; readonly nonce: number }
  /** Everything up to here is applied, and nothing that it ended is open. */
  | { readonly type: 'ack'; readonly epoch: number; readonly position: number }
  /** Asks to be told when everything that had committed by then was sent. */
  | { readonly type: 'sync'; readonly nonce: number };

/** What a node says. */
export type FromNode =
  | {
      readonly type: 'welcome';
      readonly protocol: number;
      readonly node: string;
      readonly account: string;
      readonly gate: { readonly id: string; readonly name: string };
      /** Of the addresses under which people reach applications and team domains. */
      readonly scheme: 'http' | 'https';
      /** Milliseconds of a usual lease. */
      readonly lease: number;
    }
  /** A whole new memory: `begin`, then any number of `revocations` and `states`, then `end`. */
  | {
      readonly type: 'snapshot';
      readonly part: 'begin';
      readonly head: Head;
      readonly chain: string;
    }
  | {
      readonly type: 'snapshot';
      readonly part: 'revocations';
      readonly revocations: readonly SentRevocation[];
    }
  | { readonly type: 'snapshot'; readonly part: 'states'; readonly items: readonly FeedItem[] }
  | { readonly type: 'snapshot'; readonly part: 'end' }
  /** One transaction. Positions without items may be left out, and are told with the next that has some. */
  | {
      readonly type: 'batch';
      readonly epoch: number;
      readonly position: number;
      readonly items: readonly FeedItem[];
      readonly chain: string;
    }
  /** A lease of so many milliseconds from before `renew` with this nonce was sent; 0: none now. */
  | {
      readonly type: 'lease';
      readonly nonce: number;
      readonly milliseconds: number;
      /** The node's wall clock: a gate far from it must not sign. Milliseconds since the epoch. */
      readonly wall: number;
    }
  | { readonly type: 'synced'; readonly nonce: number };

/** A revocation as it travels in a snapshot. */
export type SentRevocation = readonly [type: string, id: string, epoch: number, position: number];

/** A frame that is larger than this is no message of this protocol, in bytes. */
export const LARGEST_FROM_GATE = 16 * 1024;
export const LARGEST_FROM_NODE = 16 * 1024 * 1024;

/**
 * A transaction that is larger than this is not sent as one, in bytes: it comes with a snapshot, whose frames have about
 * LARGE_PART each. No item may reach what a frame holds, so what API and sign-in take is bounded far below it.
 */
export const LARGEST_BATCH = 8 * 1024 * 1024;
export const LARGE_PART = 1024 * 1024;

/** Reads what a gate said; null for anything that is not exactly one of its messages. */
export function readFromGate(text: string): FromGate | null {
  const said = parseObject(text);
  if (!said) return null;
  switch (said.type) {
    case 'attach':
      return isAttach(said) ? (said as FromGate) : null;
    case 'renew':
    case 'sync':
      return isCount(said.nonce) ? (said as FromGate) : null;
    case 'ack':
      return isCount(said.epoch) && isCount(said.position) ? (said as FromGate) : null;
    default:
      return null;
  }
}

/**
 * Reads what a node said; null for anything else. The items of the feed are taken at the node's word: whoever has
 * the control plane has everything.
 */
export function readFromNode(text: string): FromNode | null {
  const said = parseObject(text);
  return said && NODE_TYPES.has(String(said.type)) ? (said as FromNode) : null;
}

const NODE_TYPES = new Set(['welcome', 'snapshot', 'batch', 'lease', 'synced']);
const PROCESS = /^[0-9a-f]{32}$/;
const HASH = /^[0-9a-f]{64}$/;
const BASE64URL = /^[\w-]{4,1024}$/;

function isAttach(said: Record<string, unknown>): boolean {
  const { protocol, process, host, version, key, applied } = said;
  return (
    isCount(protocol) &&
    typeof process === 'string' &&
    PROCESS.test(process) &&
    isShortText(host) &&
    isShortText(version) &&
    isKey(key) &&
    (applied === null || isApplied(applied))
  );
}

function isKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { kid, kty, n, e } = value as Record<string, unknown>;
  return kty === 'RSA' && isMatch(kid, HASH) && isMatch(n, BASE64URL) && isMatch(e, BASE64URL);
}

function isApplied(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { epoch, position, chain } = value as Record<string, unknown>;
  return isCount(epoch) && isCount(position) && (chain === '' || isMatch(chain, HASH));
}

function isMatch(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value);
}

/** Printable ASCII: it is shown to operators and kept in the database. */
function isShortText(value: unknown): boolean {
  return isMatch(value, /^[ -~]{1,255}$/);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
