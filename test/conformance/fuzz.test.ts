import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOperations } from '../support/conformance/document.ts';
import { rowsOf } from '../support/conformance/foreign.ts';
import { fuzz } from '../support/conformance/fuzz.ts';
import { inhabit } from '../support/conformance/tenants.ts';
import { readRows } from '../support/rows.ts';
import { onBothDatabases, type Stage } from '../support/stage.ts';

/** Another one with FUZZ_SEED, and more with FUZZ_REQUESTS: what failed is found again by what the failure names. */
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_122);
const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 10_000);

/** PostgreSQL answers half as fast, so it is asked the smaller part. */
const partOf = ({ database }: Stage) => Math.ceil(REQUESTS * (database.url === null ? 0.7 : 0.3));

onBothDatabases('requests made of the server’s own description', (stage) => {
  test(`some thousands of them (seed ${SEED}) are answered as described, and touch no other account`, async (context) => {
    const { app, database } = stage;
    const requests = partOf(stage);
    const operations = await readOperations(app);
    const [own, other] = await inhabit(app, ['quokka', 'axolotl']);
    const theirs = rowsOf(await readRows(database), other);
    const run = await fuzz({ origin: app.origin, operations, own, other, seed: SEED, requests });
    context.diagnostic(`${requests} requests: ${JSON.stringify(run.statuses)}`);
    assert.deepEqual(run.defects.slice(0, 10), [], `seed ${SEED}: ${run.defects.length} defects`);
    const succeeded = (run.statuses[200] ?? 0) + (run.statuses[201] ?? 0) + (run.statuses[202] ?? 0);
    assert.ok(succeeded > requests / 8, `the requests are understood: ${JSON.stringify(run.statuses)}`);
    assert.ok((run.statuses[400] ?? 0) > requests / 20, `and refused: ${JSON.stringify(run.statuses)}`);
    assert.deepEqual(rowsOf(await readRows(database), other), theirs, 'the other account has changed');
    const health = await fetch(`${app.origin}/healthz`);
    assert.equal(health.status, 200);
    const headers = { ...other.key };
    const users = await app.api('GET', `/accounts/${other.accountId}/access/users`, { token: null, headers });
    assert.equal(users.body.result.length, 1);
  });
});
