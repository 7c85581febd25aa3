/** How large the worlds are in which the API is measured, and how often it is asked. */
export interface Sizes {
  /** Each of them has a device with a registration. */
  readonly users: number;
  /** What the large world is held against: so many users. */
  readonly few: number;
  readonly userGroups: number;
  /** People who are deleted, one after the other. */
  readonly deletions: number;
  readonly rounds: number;
  /** Requests of one kind in a round: the first pages of a walk. */
  readonly pages: number;
  /** Requests of one kind to Prism in a round. */
  readonly mocked: number;
  /** Requests of the fuzz on each database; 0 for none. */
  readonly fuzzed: number;
}

/** The sizes of design goals. */
const full: Sizes = {
  ...{ users: 1_000_000, few: 1_000, userGroups: 100_000, deletions: 200 },
  ...{ rounds: 9, pages: 100, mocked: 20, fuzzed: 50_000 },
};

const quick: Sizes = {
  ...{ users: 10_000, few: 1_000, userGroups: 5_000, deletions: 6 },
  ...{ rounds: 2, pages: 6, mocked: 1, fuzzed: 0 },
};

export function sizesOf({ quick: isQuick }: { quick: boolean }): Sizes {
  return isQuick ? quick : full;
}

/** What a person who is deleted has. */
export const HOLDINGS = { sessions: 100, registrations: 10, groups: 50 } as const;
