import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPair, createPairFolder } from '../support/certificates.ts';
import { createAuthority, createClient } from '../support/client-certificates.ts';
import { createGateByApi } from '../support/gate-keys.ts';
import { mutualTlsOnBothDatabases } from '../support/mutual-tls.ts';
import { startTestGate } from '../support/remote-gate.ts';

/* Client certificates at a gate that runs by itself: it asks for them as the feed tells. */

mutualTlsOnBothDatabases('a client certificate at a remote gate', (world) => {
  test('counts there as it does at the control plane, and no longer once the authority is gone', async () => {
    await using stack = new AsyncDisposableStack();
    const { app, sdk, account_id, files } = world();
    const [root, later] = [await createAuthority(), await createAuthority()];
    const [client, second] = [await createClient(root), await createClient(later)];
    const include = [{ certificate: {} }];
    const policies = [{ name: 'Machines', decision: 'non_identity', include }];
    const { id: application, hostname } = await world().createApplication('remote', policies);
    // Its destination has the port of the control plane: the gate's own is another.
    const destinations = [{ type: 'public', uri: hostname, upstream: world().upstream.origin }];
    const put = await app.api('PUT', `/accounts/${account_id}/access/apps/${application}`, {
      body: { type: 'self_hosted', name: hostname, destinations, policies },
    });
    assert.equal(put.status, 200, JSON.stringify(put.body));
    const id = await world().addAuthority(root, hostname);
    const { token } = await createGateByApi(app, 'edge');
    const own = stack.use(await createPairFolder(await createPair()));
    const flags = [`--control-plane-ca-file=${files.cert}`, ...own.flags];
    const gate = stack.use(await startTestGate({ controlPlanes: [app.origin], token, flags }));
    await gate.ready();
    const to = { hostname, host: `${hostname}:${gate.port}` };
    const statusOf = async (sent?: typeof client, http2 = false) =>
      (await world().ask(to, { client: sent, http2, port: gate.port })).status;
    for (const http2 of [false, true]) {
      assert.notEqual(await statusOf(undefined, http2), 200);
      assert.notEqual(await statusOf(second, http2), 200);
      assert.equal(await statusOf(client, http2), 200);
    }
    await world().addAuthority(later, hostname);
    assert.equal(await statusOf(second), 200);
    await sdk.zeroTrust.access.certificates.delete(id, { account_id });
    assert.notEqual(await statusOf(client), 200);
    assert.equal(await statusOf(second), 200);
  });
});
