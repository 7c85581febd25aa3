import { deleteUser } from '../../src/access/users/user-removals.ts';
import type { Database } from '../../src/database/database.ts';
import { createGateState } from '../../src/gate/state.ts';
import { operator } from '../../src/kernel/actor.ts';
import { timestamp } from '../../src/kernel/clock.ts';
import { aloneControl, commitAct } from '../../src/removal/act.ts';
import { createFeed } from '../../src/removal/feed.ts';
import { NO_RIGHTS_ASKED } from './steps.ts';
import { askGate, type World } from './world.ts';

/** Another process on the same database, with a gate of its own. */
export async function startNode(world: World, database: Database) {
  const state = createGateState();
  const feed = createFeed({ database, follower: state, sources: world.sources });
  await feed.start();
  const control = aloneControl({ database, feed, clock: world.clock });
  const { accountId } = world;
  return {
    ask: (token: Parameters<World['ask']>[0]) => askGate(state, token, world.clock.now()).verdict,
    remove: (id: string, repeat?: { key: string; isRetry: boolean }) =>
      commitAct(
        control,
        { accountId, actor: operator, authorize: NO_RIGHTS_ASKED, ...(repeat ? { repeat } : {}) },
        (tx) => deleteUser(tx, { accountId, id, now: timestamp(control.clock.now()) }),
      ),
    [Symbol.asyncDispose]: () => database.close(),
  };
}
