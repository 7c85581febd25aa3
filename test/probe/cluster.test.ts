import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHANNELS } from '../../src/probe/recorder.ts';
import { toText } from '../../src/probe/report.ts';
import { startTestApp } from '../support/app.ts';
import { createGateByApi } from '../support/gate-keys.ts';
import { databases } from '../support/postgres.ts';
import { startTestGate } from '../support/remote-gate.ts';
import { onBothDatabases } from '../support/stage.ts';
import { findingsOf, optionsFor, peopleLeft, probeOnce } from './world.ts';

/* Gates that are not the process that the removal is called at. */

const REMOVALS = ['delete', 'revoke'] as const;
const TEAM = '--team-domain=team.localhost';

onBothDatabases(
  'gates that run by themselves',
  (stage) => {
    test('keep the promise, each of them and beside the control plane', async () => {
      const { app } = stage;
      const { token } = await createGateByApi(app, 'Probed');
      const options = { controlPlanes: [app.origin], token };
      await using one = await startTestGate(options);
      await using other = await startTestGate(options);
      await Promise.all([one.ready(), other.ready()]);
      const gates = [one.port, other.port, app.port].map((port) => new URL(`http://127.0.0.1:${port}`));
      for (const removal of REMOVALS) {
        const report = await probeOnce(await optionsFor(app, { removal, gates }));
        assert.equal(report.verdict, 'kept', toText(report));
        assert.equal(findingsOf(report).length, gates.length * CHANNELS.length);
      }
      assert.deepEqual(await peopleLeft(app), []);
    });
  },
  { flags: [TEAM] },
);

for (const { name, create } of databases.filter((one) => one.name === 'postgres')) {
  test(`two nodes on one ${name} keep the promise, whichever the removal is called at`, async () => {
    await using database = await create();
    await using first = await startTestApp(database, { flags: [TEAM] });
    await using second = await startTestApp(database, { flags: [TEAM] });
    const gates = [first, second].map(({ origin }) => new URL(origin));
    for (const [at, removal] of [
      [first, 'delete'],
      [second, 'revoke'],
    ] as const) {
      const report = await probeOnce(await optionsFor(at, { removal, gates }));
      assert.equal(report.verdict, 'kept', toText(report));
      assert.equal(findingsOf(report).length, gates.length * CHANNELS.length);
    }
    assert.deepEqual(await peopleLeft(first), []);
  });
}
