import type { Fill } from '../harness/seed.ts';
import type { Rules } from './policies.ts';

/** How large the worlds are in which the gate is measured. */
export interface Sizes {
  /** The world of the comparisons with peers: everybody in it is signed in. */
  readonly usual: Fill;
  readonly small: Fill;
  /** What the small world is held against, and how many of the people in both are asked about. */
  readonly large: Fill;
  readonly asked: number;
  /** The small world with more revocations and nothing else. */
  readonly revoked: Fill;
  /** The usual world with so much to evaluate: Cloudflare's limits (reference §3.4). */
  readonly rules: Rules;
  /** How often the server is started, and how long it is then left alone before its memory is read. */
  readonly starts: number;
  readonly settleFor: number;
}

const small: Fill = { users: 1_000, sessions: 1_000, revocations: 1_000 };

/** The sizes of design goals. */
const full: Sizes = {
  usual: { users: 10_000, sessions: 10_000, revocations: 1_000 },
  small,
  large: { users: 1_000_000, sessions: 100_000, revocations: 1_000_000 },
  asked: 1_000,
  revoked: { ...small, revocations: 1_000_000 },
  rules: { applications: 500, groups: 300, rules: 1_000 },
  starts: 7,
  settleFor: 5_000,
};

const quick: Sizes = {
  usual: { users: 300, sessions: 300, revocations: 1_000 },
  small,
  large: { users: 100_000, sessions: 10_000, revocations: 100_000 },
  asked: 100,
  revoked: { ...small, revocations: 100_000 },
  rules: { applications: 5, groups: 5, rules: 1_000 },
  starts: 1,
  settleFor: 500,
};

export function sizesOf({ quick: isQuick }: { quick: boolean }): Sizes {
  return isQuick ? quick : full;
}
