import { it } from 'node:test';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { gatedOnBothDatabases } from './support/gated.ts';
gatedOnBothDatabases('zz policy tests', (world) => {
  it('blocks', { timeout: 150000 }, async () => {
    const { app, account_id } = world();
    for (let i = 0; i < 400; i++) await app.api('POST', `/accounts/${account_id}/access/users`, { body: { email: `u${i}@example.com` } });
    const rules = (n: number) => Array.from({ length: n }, (_, i) => ({ ip: { ip: `10.${i >> 8}.${i & 255}.0/24` } }));
    // one reusable policy with 3 lists of 1000 rules, reused 100 times by id
    const p = { name: 'P', decision: 'allow', include: rules(1000), exclude: rules(1000), require: [{ everyone: {} }] };
    const { body } = await app.api('POST', `/accounts/${account_id}/access/policies`, { body: p });
    const id = body.result?.id; console.log(id, JSON.stringify(body.errors));
    const policies = Array.from({ length: 100 }, () => id);
    const h = monitorEventLoopDelay({ resolution: 5 }); h.enable();
    const started = await Promise.all(Array.from({ length: 3 }, () => app.api('POST', `/accounts/${account_id}/access/policy-tests`, { body: { policies } })));
    console.log(started.map((s) => s.status), JSON.stringify(started[0]?.body.errors));
    const t = Date.now();
    const a = await app.api('GET', `/accounts/${account_id}/access/policy-tests/${started[0]?.body.result?.id}`);
    console.log('one GET took', Date.now() - t, 'ms', JSON.stringify(a.body.result));
    await new Promise((r) => setTimeout(r, 4000));
    console.log('max loop delay ms', h.max / 1e6, 'mean', h.mean / 1e6);
    const b = await app.api('GET', `/accounts/${account_id}/access/policy-tests/${started[0]?.body.result?.id}`);
    console.log(JSON.stringify(b.body.result));
  });
});
