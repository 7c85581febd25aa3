import { it } from 'node:test';
import { about, ask, PROGRAM } from './support/gate-questions.ts';
import { gatedOnBothDatabases } from './support/gated.ts';
gatedOnBothDatabases('zz unmatched', (world) => {
  it('spellings', async () => {
    const { app, account_id } = world();
    const put = await app.api('PUT', `/accounts/${account_id}/access/organizations`, { body: { deny_unmatched_requests: false } });
    console.log('org', put.status);
    await world().createApplication('plain.localhost');
    await world().createApplication('ported.localhost:8443');
    for (const host of ['plain.localhost', 'plain.localhost.', 'plain.localhost.:80', 'plain.localhost:99', 'PLAIN.localhost', 'ported.localhost:8443', 'ported.localhost', 'ported.localhost:443', 'plain.localhost..','.plain.localhost', 'plain.localhost:080']) {
      const a = await ask(world(), [...about(world(), '/', host), ...PROGRAM]);
      console.log(host, a.status, a.reason);
    }
  });
});
