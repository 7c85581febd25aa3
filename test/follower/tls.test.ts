import assert from 'node:assert/strict';
import { request as plainRequest } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { startTestApp } from '../support/app.ts';
import { createPair, createPairFolder } from '../support/certificates.ts';
import { createGateByApi } from '../support/gate-keys.ts';
import { databases } from '../support/postgres.ts';
import { startTestGate, until } from '../support/remote-gate.ts';
import { startUpstream } from '../support/upstream.ts';

const sqlite = databases.find(({ name }) => name === 'sqlite') ?? assert.fail();

/** A control plane by https, whose certificate no system knows. */
async function startControlPlane(stack: AsyncDisposableStack) {
  const pair = await createPair();
  const files = stack.use(await createPairFolder(pair));
  const database = stack.use(await sqlite.create());
  // The API is asked at a server of its own: no client of this process knows the certificate.
  const plain = await startTestApp(database);
  const { token } = await createGateByApi(plain, 'edge');
  const upstream = stack.use(await startUpstream());
  const account_id = plain.credentials.account_id;
  const destinations = [{ type: 'public', uri: 'app.localhost', upstream: upstream.origin }];
  const policies = [{ name: 'Everyone', decision: 'allow', include: [{ everyone: {} }] }];
  const body = { name: 'App', type: 'self_hosted', destinations, policies };
  const made = await plain.api('POST', `/accounts/${account_id}/access/apps`, { body });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  await plain.close();
  const flags = [...files.flags, `--team-domain=${plain.teamDomain}`];
  const app = stack.use(await startTestApp(database, { flags }));
  return { app, files, pair, token };
}

test('a control plane whose certificate nobody vouches for is not followed', async () => {
  await using stack = new AsyncDisposableStack();
  const { app, token } = await startControlPlane(stack);
  const gate = stack.use(await startTestGate({ controlPlanes: [app.origin], token }));
  await until(
    () => gate.log.some(({ why }) => /certificate/.test(String(why))),
    () => `it says nothing of a certificate: ${JSON.stringify(gate.log)}`,
  );
  assert.equal(gate.gate.unready(), 'the control plane was not reached yet');
});

test('one that --control-plane-ca-file vouches for is, and people come to the gate by https', async () => {
  await using stack = new AsyncDisposableStack();
  const { app, files, pair, token } = await startControlPlane(stack);
  const flags = [`--control-plane-ca-file=${files.cert}`, ...files.flags];
  const gate = stack.use(await startTestGate({ controlPlanes: [app.origin], token, flags }));
  await gate.ready();
  const ask = async (path: string) => {
    const headers = { host: 'app.localhost', accept: 'text/html', 'sec-fetch-mode': 'navigate' };
    const to = {
      host: '127.0.0.1',
      port: gate.port,
      path,
      headers,
      ca: pair.cert,
      servername: 'app.localhost',
    };
    return await new Promise<{ status: number; location: string; body: string }>((resolve, reject) => {
      request({ ...to, agent: false }, async (answer) => {
        const { statusCode: status = 0, headers } = answer;
        resolve({ status, location: headers.location ?? '', body: await text(answer) });
      })
        .on('error', reject)
        .end();
    });
  };
  const page = await ask('/');
  assert.equal(page.status, 302, page.body);
  assert.ok(page.location.startsWith(`https://${app.teamDomain}/cdn-cgi/access/login/`), page.location);
  // By https as well: what the gate asks of the control plane besides the stream.
  assert.equal((await ask('/cdn-cgi/access/get-identity')).status, 400);
});

test('a gate that is reached by http where people come by https refuses', async () => {
  await using stack = new AsyncDisposableStack();
  const { app, files, token } = await startControlPlane(stack);
  const flags = [`--control-plane-ca-file=${files.cert}`];
  const gate = stack.use(await startTestGate({ controlPlanes: [app.origin], token, flags }));
  await gate.ready();

  const status = await new Promise((resolve, reject) => {
    plainRequest(
      { host: '127.0.0.1', port: gate.port, headers: { host: 'app.localhost' }, agent: false },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      },
    )
      .on('error', reject)
      .end();
  });
  assert.equal(status, 403);
  assert.ok(gate.log.some(({ reason }) => reason === 'scheme_mismatch'));
});
