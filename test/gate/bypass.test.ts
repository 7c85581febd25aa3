import assert from 'node:assert/strict';
import { once } from 'node:events';
import { it } from 'node:test';
import type Cloudflare from 'cloudflare';
import { about, ask as askAuth, type HeaderLine, NAVIGATION, PROGRAM } from '../support/gate-questions.ts';
import type { GatedApplication } from '../support/gated.ts';
import { ask, echo, openWebSocket, type Proxied, proxiedOnBothDatabases } from '../support/proxied.ts';
import { eventually } from '../support/request-lines.ts';

/*
 * A bypass lets in whoever comes, so what has to hold is all around it: what outweighs it, that nobody is told
 * of anybody, and that it ends with the policy and with nothing else.
 */

const everyone = { everyone: {} };
const bypass = { name: 'Anybody', decision: 'bypass', include: [everyone] };
const people = { name: 'People', decision: 'allow', include: [everyone] };
const denyEveryone = { name: 'Nobody', decision: 'deny', include: [everyone] };
const from = (ip: string) => [{ ip: { ip } }];

let made = 0;
function create(proxied: Proxied, policies: readonly object[]): Promise<GatedApplication> {
  made += 1;
  return proxied.createApplication(`bypass-${made}`, { policies });
}

function setPolicies(
  { world, upstream }: Proxied,
  { id, site }: GatedApplication,
  policies: readonly object[],
) {
  const { host } = new URL(site);
  return world.sdk.zeroTrust.access.applications.update(id, {
    ...{ account_id: world.account_id, type: 'self_hosted', domain: host, policies },
    destinations: [{ type: 'public', uri: host, upstream: upstream.origin }],
  } as unknown as Cloudflare.ZeroTrust.Access.ApplicationUpdateParams);
}

function question(proxied: Proxied, { site }: GatedApplication, headers: readonly HeaderLine[] = []) {
  return askAuth(proxied.world, [...about(proxied.world, '/', new URL(site).host), ...headers]);
}

const FORGED = {
  'cf-access-jwt-assertion': 'forged',
  'cf-access-authenticated-user-email': 'root@example.com',
  cf_access_authenticated_user_email: 'root@example.com',
  'cf-access-client-id': 'forged',
  'cf-access-client-secret': 'forged',
  cookie: 'theirs=1; CF_Authorization=forged; CF_AppSession=forged',
};

proxiedOnBothDatabases('a bypass', (proxied) => {
  for (const [what, policies] of [
    ['is for another address', [{ ...bypass, include: from('203.0.113.0/24') }, people]],
    ['stands beside a deny for everyone', [bypass, denyEveryone]],
    ['stands beside a deny for the address', [bypass, { ...denyEveryone, include: from('127.0.0.0/8') }]],
    ['excludes the address', [{ ...bypass, exclude: from('127.0.0.1') }, people]],
  ] as const) {
    it(`lets nobody in without a credential that ${what}`, async () => {
      const application = await create(proxied(), policies);
      const program = await question(proxied(), application, PROGRAM);
      assert.deepEqual([program.status, program.reason], [401, 'no_credential']);
      const browser = await question(proxied(), application, NAVIGATION);
      assert.deepEqual([browser.status, browser.reason], [302, 'no_credential']);
      const before = proxied().upstream.arrivals.length;
      const { host } = new URL(application.site);
      assert.equal((await ask(proxied(), '/', { headers: { host } })).status, 401);
      assert.equal(proxied().upstream.arrivals.length, before);
    });
  }

  it('lets anybody in by forward-auth, and tells the application of nobody', async () => {
    const application = await create(proxied(), [bypass]);
    const forged = Object.entries(FORGED).filter(([name]) => name !== 'cookie');
    const lines: HeaderLine[] = [...forged, ['cookie', 'theirs=1; CF_Authorization=forged']];
    for (const headers of [PROGRAM, NAVIGATION, lines]) {
      const said = await question(proxied(), application, headers);
      assert.deepEqual([said.status, said.reason], [200, 'policy_bypass']);
      assert.equal(said.headers.get('cf-access-jwt-assertion'), '');
      assert.equal(said.headers.get('cf-access-authenticated-user-email'), '');
      assert.equal(said.headers.get('cookie'), headers === lines ? 'theirs=1' : '');
    }
  });

  it('lets anybody in by the proxy, without what they say of themselves or what is ours', async () => {
    const application = await create(proxied(), [bypass]);
    const { host } = new URL(application.site);
    const { values, rawHeaders } = await echo(proxied(), { headers: { host, ...FORGED } });
    assert.deepEqual(values('cookie'), ['theirs=1']);
    const told = rawHeaders.filter((_, at) => at % 2 === 0 && /cf.?access/i.test(rawHeaders[at] ?? ''));
    assert.deepEqual(told, []);
  });

  it('says nothing of somebody who is signed in either', async () => {
    const application = await create(proxied(), [people]);
    const { cookie } = await proxied().signedIn(undefined, application);
    await setPolicies(proxied(), application, [bypass, people]);
    const { host } = new URL(application.site);
    const { values } = await echo(proxied(), { headers: { host, cookie } });
    assert.deepEqual(values('cf-access-authenticated-user-email'), []);
    assert.deepEqual(values('cookie'), []);
  });

  it('has its line in the request log, of nobody', async () => {
    const { world } = proxied();
    const application = await create(proxied(), [bypass]);
    await question(proxied(), application, PROGRAM);
    const line = await eventually(async () => {
      const logs = await world.sdk.zeroTrust.access.logs.accessRequests.list({
        account_id: world.account_id,
      });
      return (logs as unknown as Record<string, unknown>[]).find(({ app_uid: id }) => id === application.id);
    });
    assert.deepEqual(
      [line.reason, line.verdict, line.allowed, line.user_email],
      ['policy_bypass', 'allow', true, null],
    );
  });

  it('of a connection stays when its person is revoked and deleted, and ends when the policy goes', async () => {
    const { world } = proxied();
    const application = await create(proxied(), [people]);
    const { cookie, person } = await proxied().signedIn(undefined, application);
    await setPolicies(proxied(), application, [bypass, people]);
    const { host } = new URL(application.site);
    const place = { world, host };
    const anonymous = await openWebSocket(place, { headers: {}, path: '/' });
    const known = await openWebSocket(place, { headers: { cookie }, path: '/' });
    const { account_id } = world;
    const { id } = await world.user(person);
    await world.sdk.zeroTrust.organizations.revokeUsers({ account_id, email: person.email });
    await world.sdk.zeroTrust.access.users.delete(id, { account_id });
    for (const one of [anonymous, known]) {
      one.send('still there');
      const [data] = await once(one, 'message');
      assert.equal(String(data), 'still there');
    }
    const closed = [anonymous, known].map((one) => once(one, 'close'));
    await setPolicies(proxied(), application, [people]);
    for (const one of closed) assert.equal((await one)[0], 4401);
    assert.equal((await ask(proxied(), '/', { headers: { host } })).status, 401);
  });

  it('of a connection ends with the application', async () => {
    const { world } = proxied();
    const application = await create(proxied(), [bypass]);
    const { host } = new URL(application.site);
    const open = await openWebSocket({ world, host }, { headers: {}, path: '/' });
    const closed = once(open, 'close');
    await world.sdk.zeroTrust.access.applications.delete(application.id, { account_id: world.account_id });
    assert.equal((await closed)[0], 4401);
  });
});
