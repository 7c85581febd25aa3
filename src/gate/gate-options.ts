import type { IncomingMessage } from 'node:http';
import type { Cidr } from '../kernel/address.ts';
import type { Clock } from '../kernel/clock.ts';
import type { CookieReader, Scheme } from '../protocol/cookies.ts';
import type { Admissions } from './admission.ts';
import type { Answer } from './answers.ts';
import type { Decision } from './decision.ts';
import type { Question } from './question.ts';
import type { Destination, GateState } from './state.ts';

/** What lies below this on the host of an application is the gate's own. */
export const EDGE_PREFIX = '/cdn-cgi/access/';

/** What the gate is made of, whether it is asked by a foreign proxy or is the proxy itself. */
export interface GateOptions {
  readonly state: GateState;
  readonly admissions: Admissions;
  readonly clock: Clock;
  readonly scheme: Scheme;
  readonly trustedProxies: readonly Cidr[];
  readonly readCookies: CookieReader;
  /** The client's address, by the trusted proxies alone. */
  readonly addressOf: (request: IncomingMessage) => string;
  /**
   * Answers /cdn-cgi/access/… on the host of these applications: hand-off, sign-out, who is signed in. Never with
   * a 2xx where a foreign proxy asks.
   */
  readonly edge: (
    question: Question,
    destinations: readonly Destination[],
    requestId: string,
  ) => Promise<Answer>;
  readonly onDecision: (decision: Decision) => void;
  readonly onFault: (error: unknown, requestId: string) => void;
}
