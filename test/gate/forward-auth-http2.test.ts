import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowAll, createApplication } from '../support/access.ts';
import { FAMILIES, FAMILY_NAMES } from '../support/families.ts';
import { askOver, openSession } from '../support/http2.ts';
import { startTlsServer } from '../support/tls-world.ts';

/*
 * The questions over HTTP/2, where the host is `:authority`. That nobody is signed in suffices here: which question was
 * read shows in where the answer leads.
 */

const SECRET = 'a secret between the proxy and the gate';
const HOST = 'app.localhost';

test('a question over HTTP/2 is the same as over HTTP/1.1, for every family', async () => {
  await using server = await startTlsServer([`--forward-auth-secret=${SECRET}`]);
  const { app } = server;
  await createApplication(app, { domain: HOST, policies: [allowAll] });
  const session = openSession(`https://127.0.0.1:${app.port}`);
  try {
    for (const name of FAMILY_NAMES) {
      const asked = FAMILIES[name]({ host: HOST, scheme: 'https', uri: '/deep?x=1' });
      const ask = (more: Record<string, string>, authority = asked.host) =>
        askOver(session, {
          ':method': asked.method,
          ':path': asked.target,
          ':authority': authority,
          ...Object.fromEntries(asked.headers),
          'sec-fetch-mode': 'navigate',
          ...more,
        });
      const secret = { 'x-portcullis-forward-auth-secret': SECRET };
      const answer = await ask(secret);
      assert.equal(answer.status, name === 'nginx' ? 401 : 302, name);
      const login = new URL(String(answer.headers.location));
      assert.equal(login.pathname, `/cdn-cgi/access/login/${HOST}`);
      assert.equal(login.searchParams.get('redirect_url'), '/deep?x=1');

      const unasked = await ask({}, HOST);
      assert.equal(unasked.headers.location, undefined, `${name} on a host that people use`);
      const two = await ask({ ...secret, host: 'other.localhost' }, HOST);
      if (name === 'envoy')
        assert.ok(two.status === 400 && !two.headers.location, 'two hosts are no question');
    }
  } finally {
    session.destroy();
  }
});
