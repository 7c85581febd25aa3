import type { Tx } from '../../src/database/database.ts';
import { createRevocationIndex } from '../../src/protocol/revocation-index.ts';
import { type FinishInput, finishSignIn } from '../../src/sign-in/finish.ts';
import type { Mutant } from './steps.ts';

/** Every step reads for itself where the feed stands: the session inherits nothing from its sign-in's state. */
export const withoutInheritance: Mutant = {
  name: 'inheritance off',
  finish: async (tx, input) => {
    await readAgain(tx, input);
    return await finishSignIn(tx, input);
  },
};

/** Reads where the feed stands after everything else, and so never asks whether that is still so. */
export const readsLast: Mutant = {
  name: 'rev read last',
  finish: async (tx, input) => {
    await readAgain(tx, input);
    const { guard: _, ...change } = await finishSignIn(tx, input);
    const { session } = change.result;
    const at = await readHead(tx, input.accountId);
    // The position that this transaction is about to take: what is revoked later is newer, all else is older.
    const position = at.position + 1;
    await tx.query.updateTable('sessions').set({ position }).where('nonce', '=', session.nonce).execute();
    return {
      ...change,
      result: { ...change.result, session: { ...session, position } },
      items: (change.items ?? []).map((item) =>
        item.kind === 'session' && item.state
          ? { ...item, state: { ...item.state, rev: [at.epoch, position] } }
          : item,
      ),
    };
  },
};

/** Asks whether the lineage stands before the counter is locked, and not again. */
export const asksOnce: Mutant = {
  name: 'guard left out',
  finish: async (tx, input) => {
    const { guard: _, ...change } = await finishSignIn(tx, input);
    return change;
  },
};

/** The gate takes in everything but revocations. */
export const withoutIndex: Mutant = {
  name: 'index of revocations not applied',
  follower: (follower) => ({
    load: (snapshot) => follower.load({ ...snapshot, revocations: createRevocationIndex(snapshot.head) }),
    apply: (batch) =>
      follower.apply({ ...batch, items: batch.items.filter((item) => item.kind !== 'revocation') }),
  }),
};

/** The answer does not wait for the gate: it hears of a revocation only with the next thing that is committed. */
export const withoutAck: Mutant = {
  name: 'answered before it is in force',
  follower: (follower) => {
    const late: Parameters<typeof follower.apply>[0][] = [];
    return {
      load: (snapshot) => follower.load(snapshot),
      apply: (batch) => {
        for (const earlier of late.splice(0)) follower.apply(earlier);
        if (batch.items.some((item) => item.kind === 'revocation')) late.push(batch);
        else follower.apply(batch);
      },
    };
  },
};

async function readAgain(tx: Tx, { accountId, stateId }: FinishInput): Promise<void> {
  const { epoch, position } = await readHead(tx, accountId);
  await tx.query.updateTable('sign_in_states').set({ epoch, position }).where('id', '=', stateId).execute();
}

async function readHead(tx: Tx, accountId: string) {
  return await tx.query
    .selectFrom('feed_heads')
    .selectAll()
    .where('account_id', '=', accountId)
    .executeTakeFirstOrThrow();
}
