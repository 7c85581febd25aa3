import type { Kysely } from 'kysely';
import type { Dialect, Tx } from './database.ts';
import type { Tables } from './tables.ts';

/** The Tx handed to `work`, and the call that runs its effects once the commit is known. */
export function transactionContext(dialect: Dialect) {
  const effects: (() => void)[] = [];
  return {
    tx: (query: Kysely<Tables>): Tx => ({
      dialect,
      query,
      inTransaction: true,
      afterCommit: (effect) => void effects.push(effect),
    }),
    commit: () => {
      for (const effect of effects) effect();
    },
  };
}
