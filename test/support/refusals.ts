import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestApp } from './app.ts';
import { exchange, type RawAnswer, type RawRequest, toBytes } from './raw-http.ts';
import { readRows } from './rows.ts';
import { onBothDatabases, type Stage } from './stage.ts';

/** What a refusal must say. */
export interface Refusal {
  readonly status: number;
  readonly code: number;
  /** Where the fault lies; if left out, the refusal must point nowhere. */
  readonly pointer?: string;
  /** Part of the message, for the reader's sake. */
  readonly says?: RegExp;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that must be refused, told in a sentence. */
export interface Scenario<World> {
  readonly name: string;
  readonly sends: (world: World) => RawRequest | Buffer;
  readonly refusal: Refusal;
}

/** Plays each scenario on both databases: a clear refusal in the envelope, and not one row changed. */
export function refuses<World>(
  title: string,
  prepare: (stage: Stage) => Promise<World>,
  scenarios: readonly Scenario<World>[],
): void {
  onBothDatabases(title, (stage) => {
    const prepared: { world?: Promise<World> } = {};
    for (const scenario of scenarios) {
      test(scenario.name, async () => {
        prepared.world ??= prepare(stage);
        await play(stage, scenario, await prepared.world);
      });
    }
  });
}

async function play<World>({ app, database }: Stage, scenario: Scenario<World>, world: World): Promise<void> {
  const rows = await readRows(database);
  const sent = scenario.sends(world);
  const bytes = Buffer.isBuffer(sent) ? sent : toBytes(sent, `127.0.0.1:${app.port}`);
  await assertRefusal(app, await exchange(app.port, bytes), scenario.refusal);
  assert.deepEqual(await readRows(database), rows);
}

/** The envelope of a refusal, whole, with a documentation address that leads somewhere. */
export async function assertRefusal(app: TestApp, answer: RawAnswer, expected: Refusal): Promise<void> {
  assert.equal(answer.status, expected.status, answer.text);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
  assert.match(answer.headers.get('x-request-id') ?? '', /^[0-9a-f]{16}$/);
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  for (const [name, value] of Object.entries(expected.headers ?? {})) {
    assert.equal(answer.headers.get(name), value, name);
  }
  const { errors, ...rest } = JSON.parse(answer.text) as { errors: Item[] };
  assert.deepEqual(rest, { success: false, messages: [], result: null });
  const [error] = errors;
  assert.ok(error);
  assert.equal(error.code, expected.code, answer.text);
  assert.equal(error.source?.pointer, expected.pointer, answer.text);
  assert.match(error.message, expected.says ?? /\w/);
  await assertDocumented(app, error);
}

interface Item {
  readonly code: number;
  readonly message: string;
  readonly documentation_url: string;
  readonly source?: { readonly pointer: string };
}

async function assertDocumented(app: TestApp, { code, documentation_url }: Item): Promise<void> {
  const url = new URL(documentation_url);
  assert.equal(url.origin, app.origin);
  assert.equal(url.hash, `#${code}`);
  const page = await fetch(url);
  assert.equal(page.status, 200);
  assert.ok((await page.text()).includes(`id="${code}"`), documentation_url);
}
