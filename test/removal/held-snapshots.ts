import type { Database } from '../../src/database/database.ts';
import type { StateSource } from '../../src/removal/feed.ts';

/** The same database, the next of whose snapshots can be held before it begins or after it has ended. */
export function hold(database: Database, when: 'before' | 'after' = 'before') {
  const gate = { armed: false, open: () => {}, refuse: (_error: Error) => {}, arrived: () => {} };
  const held = new Promise<void>((resolve) => {
    gate.arrived = resolve;
  });
  const wait = () =>
    new Promise<void>((resolve, reject) => {
      gate.armed = false;
      gate.open = resolve;
      gate.refuse = reject;
      gate.arrived();
    });
  const snapshot: Database['snapshot'] = async (work, options) => {
    if (!gate.armed) return await database.snapshot(work, options);
    if (when === 'before') await wait();
    const result = await database.snapshot(work, options);
    if (when === 'after') await wait();
    return result;
  };
  return {
    database: { ...database, snapshot },
    held,
    hold: () => {
      gate.armed = true;
    },
    release: () => gate.open(),
    fail: (error: Error) => gate.refuse(error),
  };
}

/** A source of state, last to be read in a snapshot, whose first reading waits for the test. */
export function holdSource() {
  const gate = { isFirst: true, open: () => {}, arrived: () => {} };
  const held = new Promise<void>((resolve) => {
    gate.arrived = resolve;
  });
  const source: StateSource = async () => {
    if (!gate.isFirst) return [];
    gate.isFirst = false;
    const opened = new Promise<void>((resolve) => {
      gate.open = resolve;
    });
    gate.arrived();
    await opened;
    return [];
  };
  return { source, held, release: () => gate.open() };
}

/** A database whose snapshots are taken over two connections in turn. */
export function inTurns(one: Database, other: Database): Database {
  const turn = { count: 0 };
  return {
    ...one,
    snapshot: (work, options) => {
      turn.count += 1;
      return (turn.count % 2 === 1 ? one : other).snapshot(work, options);
    },
  };
}

export function closing(database: Database) {
  return { database, [Symbol.asyncDispose]: () => database.close() };
}
