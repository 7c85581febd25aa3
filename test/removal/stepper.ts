import { setTimeout as wait } from 'node:timers/promises';
import { Client, type PoolClient } from 'pg';
import type { Database } from '../../src/database/database.ts';
import { createPool, createPostgres } from '../../src/database/postgres.ts';

/** Where a player is: its next statement waits to be let through, PostgreSQL makes it wait, or it has ended. */
export type Standing = 'ready' | 'blocked' | 'done';

/**
 * A caller on a PostgreSQL connection of its own, whose statements are let through one at a time by the test.
 * Whether one waits for a lock is what PostgreSQL says of the connection, never a matter of time.
 */
export class Player {
  readonly name: string;
  readonly database: Database;
  readonly #stage: Stage;
  #pid = 0;
  #next: { text: string; go: () => void } | null = null;
  #isDone = true;
  #wake = () => {};
  #changed = Promise.resolve();
  #statements = 0;

  constructor(name: string, stage: Stage) {
    this.name = name;
    this.#stage = stage;
    this.database = createPostgres(this.#pool(stage.url));
  }

  /** The statement that waits to be let through. */
  get next(): string | null {
    return this.#next?.text ?? null;
  }

  /** How many statements were let through since `play`. */
  get statements(): number {
    return this.#statements;
  }

  /** Begins something; nothing of it reaches the database before the first `step`. */
  play<T>(work: () => Promise<T>): Promise<Outcome<T>> {
    if (!this.#isDone) throw new Error(`${this.name} is still playing`);
    this.#isDone = false;
    this.#statements = 0;
    this.#running();
    const settle = <R>(result: R): R => {
      this.#isDone = true;
      this.#wake();
      return result;
    };
    return work().then(
      (value) => settle({ value }),
      (error: unknown) => settle({ error }),
    );
  }

  /** Lets the next statement through, if there is one, and resolves when it is known what came of it. */
  async step(): Promise<Standing> {
    const standing = await this.standing();
    if (standing !== 'ready') return standing;
    const go = this.#next?.go;
    this.#next = null;
    this.#statements += 1;
    this.#running();
    go?.();
    return await this.standing();
  }

  /** Lets through what there is, to the end or to a lock that somebody else holds. */
  async run(): Promise<Standing> {
    for (;;) {
      const standing = await this.step();
      if (standing !== 'ready') return standing;
    }
  }

  /** Where it is, once its last statement has ended or is known to wait. */
  async standing(): Promise<Standing> {
    for (;;) {
      if (this.#isDone) return 'done';
      if (this.#next) return 'ready';
      const changed = this.#changed.then(() => 'changed' as const);
      const said = await Promise.race([changed, this.#ask()]);
      if (said === true) return 'blocked';
    }
  }

  /** Asks only after a moment, since nearly every statement ends by itself: what is answered depends on nothing else. */
  async #ask(): Promise<boolean> {
    await wait(1);
    return !this.#isDone && !this.#next && (await this.#stage.isBlocked(this.#pid));
  }

  #running(): void {
    this.#changed = new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #pool(url: string) {
    const pool = createPool(url, { connections: 1 });
    const connect = pool.connect.bind(pool) as () => Promise<PoolClient>;
    const known = new WeakSet<PoolClient>();
    const take = async () => {
      const client = await connect();
      if (!known.has(client)) known.add(this.#gate(client));
      return client;
    };
    return Object.assign(pool, { connect: take });
  }

  #gate(client: PoolClient): PoolClient {
    this.#pid = (client as unknown as { processID: number }).processID;
    const query = client.query.bind(client) as (text: string, values?: unknown[]) => Promise<unknown>;
    const gated = async (text: string, values?: unknown[]) => {
      await new Promise<void>((go) => {
        this.#next = { text, go };
        this.#wake();
      });
      return await query(text, values);
    };
    return Object.assign(client, { query: gated });
  }
}

export type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/** Players on one PostgreSQL database, and a connection that watches them. */
export interface Stage extends AsyncDisposable {
  readonly url: string;
  player(name: string): Player;
  isBlocked(pid: number): Promise<boolean>;
}

export async function openStage(url: string): Promise<Stage> {
  const watcher = new Client({ connectionString: url });
  await watcher.connect();
  const players: Player[] = [];
  let asked: Promise<unknown> = Promise.resolve();
  const stage: Stage = {
    url,
    player: (name) => {
      const player = new Player(name, stage);
      players.push(player);
      return player;
    },
    isBlocked: async (pid) => {
      const text = 'select cardinality(pg_blocking_pids($1)) > 0 as blocked';
      const asking = asked.then(() =>
        watcher.query<{ blocked: boolean }>({ name: 'blocked', text, values: [pid] }),
      );
      asked = asking;
      return (await asking).rows[0]?.blocked === true;
    },
    [Symbol.asyncDispose]: async () => {
      for (const player of players) await player.database.close();
      await asked;
      await watcher.end();
    },
  };
  return stage;
}

/**
 * Plays two callers against each other: the first lets `lead` statements through, then the second `reply`,
 * then the first goes on, then the second, each as far as it gets, until both have ended.
 */
export async function interleave(
  [first, second]: readonly [Player, Player],
  { lead, reply }: { lead: number; reply: number },
): Promise<void> {
  for (let step = 0; step < lead; step += 1) if ((await first.step()) !== 'ready') break;
  for (let step = 0; step < reply; step += 1) if ((await second.step()) !== 'ready') break;
  for (;;) {
    const one = await first.run();
    const other = await second.run();
    if (one === 'done' && other === 'done') return;
  }
}

/** Plays several callers against each other: of those that can go on, `picks` names each time who does. */
export async function interleaveAll(players: readonly Player[], picks: readonly number[]): Promise<void> {
  for (let turn = 0; ; turn += 1) {
    const standings = await Promise.all(players.map((player) => player.standing()));
    const ready = players.filter((_, index) => standings[index] === 'ready');
    if (standings.every((standing) => standing === 'done')) return;
    await ready[(picks[turn % picks.length] ?? 0) % ready.length]?.step();
  }
}
