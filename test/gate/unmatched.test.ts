import assert from 'node:assert/strict';
import { it } from 'node:test';
import { about, ask, type HeaderLine, NAVIGATION, PROGRAM } from '../support/gate-questions.ts';
import { type Gated, gatedOnBothDatabases } from '../support/gated.ts';
import { exchange, toBytes } from '../support/raw-http.ts';

/** The account's one zone. */
const ZONE = 'localhost';

async function organization({ app, account_id }: Gated, body: object): Promise<void> {
  const answer = await app.api('PUT', `/accounts/${account_id}/access/organizations`, { body });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
}

async function asked(world: Gated, host: string, { uri = '/', headers = PROGRAM }: Asked = {}) {
  const { status, reason, headers: said } = await ask(world, [...about(world, uri, host), ...headers]);
  return { said, outcome: [status, reason] };
}

interface Asked {
  readonly uri?: string;
  readonly headers?: readonly HeaderLine[];
}

const DENIED = [403, 'application_unknown'];
const ALLOWED = [200, 'unmatched_allowed'];

gatedOnBothDatabases('what leads to no application', (world) => {
  it('is denied as long as nobody says otherwise', async () => {
    assert.deepEqual((await asked(world(), 'nothing.localhost')).outcome, DENIED);
    assert.deepEqual((await asked(world(), 'nothing.localhost', { headers: NAVIGATION })).outcome, DENIED);
  });

  it('is let through where the organization denies none, without a word of who it is', async () => {
    await organization(world(), { deny_unmatched_requests: false });
    const forged: HeaderLine[] = [
      ['cf-access-jwt-assertion', 'forged'],
      ['cf-access-authenticated-user-email', 'root@example.com'],
      ['cookie', 'theirs=1; CF_Authorization=forged'],
    ];
    const { said, outcome } = await asked(world(), 'nothing.localhost:3000', { headers: forged });
    assert.deepEqual(outcome, ALLOWED);
    assert.equal(said.get('cf-access-jwt-assertion'), '');
    assert.equal(said.get('cf-access-authenticated-user-email'), '');
    assert.equal(said.get('cookie'), 'theirs=1');
  });

  it('is denied all the same outside of the zone, on the team domain, and under a name of the server', async () => {
    await organization(world(), { deny_unmatched_requests: false });
    const { team, app } = world();
    const { host, hostname } = new URL(team);
    for (const one of ['example.com', 'notlocalhost', host, hostname, 'localhost', `127.0.0.1:${app.port}`]) {
      assert.deepEqual((await asked(world(), one)).outcome, DENIED, one);
    }
    const edge = await asked(world(), 'nothing.localhost', { uri: '/cdn-cgi/access/get-identity' });
    assert.deepEqual(edge.outcome, DENIED);
    const odd = await asked(world(), 'nothing.localhost', { uri: '/a%2fb' });
    assert.deepEqual(odd.outcome, [403, 'path_ambiguous']);
  });

  it('beside an application on the same host is let through, and the application is not', async () => {
    await organization(world(), { deny_unmatched_requests: false });
    await world().createApplication('half.localhost/private');
    assert.deepEqual((await asked(world(), 'half.localhost', { uri: '/public' })).outcome, ALLOWED);
    for (const uri of ['/private', '/private/page']) {
      assert.deepEqual((await asked(world(), 'half.localhost', { uri })).outcome, [401, 'no_credential']);
    }
  });

  it('is nothing that the built-in proxy leads to', async () => {
    await organization(world(), { deny_unmatched_requests: false });
    const { app } = world();
    await world().createApplication('half-proxied.localhost/private');
    for (const host of ['half-proxied.localhost', 'nothing.localhost']) {
      const { status } = await exchange(app.port, toBytes({ target: '/public' }, `${host}:${app.port}`));
      assert.ok(status >= 400, `${host}: ${status}`);
    }
  });

  it('is let through in a zone that is exempted, and denied again when it is exempted no more', async () => {
    const exempted = { deny_unmatched_requests_exempted_zone_names: [ZONE] };
    await organization(world(), { deny_unmatched_requests: true, ...exempted });
    assert.deepEqual((await asked(world(), 'nothing.localhost')).outcome, ALLOWED);
    await organization(world(), { deny_unmatched_requests_exempted_zone_names: [] });
    assert.deepEqual((await asked(world(), 'nothing.localhost')).outcome, DENIED);
    await organization(world(), { deny_unmatched_requests: false });
    assert.deepEqual((await asked(world(), 'nothing.localhost')).outcome, ALLOWED);
    await organization(world(), { deny_unmatched_requests: true });
    assert.deepEqual((await asked(world(), 'nothing.localhost')).outcome, DENIED);
  });
});
