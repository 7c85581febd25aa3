import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { removeBehindPartition, repointDuringSignIn } from './aimed.ts';
import { check, sayVerdicts, type Verdict } from './checker.ts';
import { prepareAccount } from './crowd.ts';
import { type Estate, type EstateOptions, startEstate } from './estate.ts';
import { readFinal } from './final.ts';
import { createHistory, type History } from './history.ts';
import {
  type Mutant,
  makeMutant,
  onlyRests,
  REST_MS,
  readsLast,
  withoutAcks,
  withoutInheritance,
} from './mutants.ts';

/* Real processes of a program that was broken on purpose: if the harness did not find that, it would find nothing. */

type Schedule = (estate: Estate, history: History) => Promise<void>;

const repointed: Schedule = (estate, history) =>
  repointDuringSignIn(estate, history, { person: 'early', after: null });
const repointedLate: Schedule = (estate, history) =>
  repointDuringSignIn(estate, history, { person: 'late', after: REST_MS / 2 });

describe('the harness', { concurrency: 2 }, () => {
  test('finds a product whose removals do not wait for gates and nodes', async () => {
    const verdicts = await runMutant(withoutAcks, removeBehindPartition, { nodes: 2, gates: 1, lease: 3 });
    assertBroken(verdicts, 1);
    for (const what of [
      /^a request of .* at gate-1/,
      /^a request of .* at node-2/,
      /^a tick of .* at gate-1/,
    ]) {
      assert.ok(
        brokenOf(verdicts, 1).some((one) => what.test(one)),
        String(what),
      );
    }
  });

  test('finds a product that reads the position last', async () => {
    const verdicts = await runMutant(readsLast, repointedLate, { nodes: 1, gates: 0, lease: 3 });
    assertBroken(verdicts, 1);
    assertBroken(verdicts, 3);
  });

  test('finds nothing if the product only rests where that one did', async () => {
    const verdicts = await runMutant(onlyRests, repointedLate, { nodes: 1, gates: 0, lease: 3 });
    assert.deepEqual(
      verdicts.flatMap(({ broken }) => broken),
      [],
    );
  });

  test('finds a product in which a session inherits nothing', async () => {
    const verdicts = await runMutant(withoutInheritance, repointed, { nodes: 1, gates: 0, lease: 3 });
    assertBroken(verdicts, 1);
    assertBroken(verdicts, 3);
  });

  test('refuses a mutation that does not fit the program any more', async () => {
    const edits = [{ file: 'sign-in/finish.ts', from: 'words that are not there', to: '' }];
    const folder = await mkdtemp(join(tmpdir(), 'portcullis-mutant-'));
    try {
      await assert.rejects(makeMutant({ name: 'none', edits }, join(folder, 'copy')), /0 places of: words/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

async function runMutant(
  mutant: Mutant,
  schedule: Schedule,
  options: EstateOptions,
): Promise<readonly Verdict[]> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-mutant-'));
  try {
    await using estate = await startEstate({
      ...options,
      root: await makeMutant(mutant, join(folder, 'copy')),
    });
    await prepareAccount(estate);
    const history = createHistory();
    await schedule(estate, history);
    const final = await readFinal(estate);
    return check({ events: history.events, final, lease: options.lease * 1000, network: 3000 });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function brokenOf(verdicts: readonly Verdict[], invariant: number): string[] {
  return verdicts.filter((one) => one.invariant === invariant).flatMap(({ broken }) => [...broken]);
}

function assertBroken(verdicts: readonly Verdict[], invariant: number): void {
  assert.ok(brokenOf(verdicts, invariant).length > 0, `${invariant} holds:\n${sayVerdicts(verdicts)}`);
}
