import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHANNELS } from '../../src/probe/recorder.ts';
import { toText } from '../../src/probe/report.ts';
import { createPair } from '../support/certificates.ts';
import { startTlsServer } from '../support/tls-world.ts';
import { causeOf, findingsOf, optionsFor, probeOnce } from './world.ts';

/* Over TLS, gates and team domain are dialled by address and must have a certificate for the name. */

test('a healthy gate keeps the promise over TLS', async () => {
  await using server = await startTlsServer();
  const options = await optionsFor(server.app, { host: 'wiki.localhost', ca: server.pair.cert });
  const report = await probeOnce(options);
  assert.equal(report.verdict, 'kept', toText(report));
  assert.equal(findingsOf(report).length, CHANNELS.length);
});

test('a certificate of an authority that was not named is not believed', async () => {
  await using server = await startTlsServer();
  const { cert } = await createPair();
  const options = await optionsFor(server.app, { host: 'wiki.localhost', ca: cert });
  assert.match(
    causeOf(await probeOnce(options)),
    /^the control plane at \S+ does not answer: .*certificate/i,
  );
});

test('a certificate for other names is not believed', async () => {
  await using server = await startTlsServer();
  const options = await optionsFor(server.app, { host: 'stranger.localhost', ca: server.pair.cert });
  const { origin } = server.app;
  assert.match(
    causeOf(await probeOnce(options)),
    new RegExp(`^gate ${origin} does not answer: .*stranger\\.localhost`),
  );
});
