import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import type Cloudflare from 'cloudflare';
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { type ExternalService, NO_ANSWERS, startExternalService } from '../support/external-service.ts';
import { about } from '../support/gate-questions.ts';
import { databases } from '../support/postgres.ts';
import { openWebSocket } from '../support/proxied.ts';
import { exchange, toBytes } from '../support/raw-http.ts';
import { askGate } from '../support/remote-asks.ts';
import { type Followed, startFollowed, until } from '../support/remote-gate.ts';

/*
 * A gate by itself: what it lets in without looking at who it is, and services of others that it asks itself, with
 * its own key, or has a node ask while it has no lease.
 */

const everyone = { everyone: {} };
const bypass = { name: 'Anybody', decision: 'bypass', include: [everyone] };
const people = { name: 'People', decision: 'allow', include: [everyone] };

function setPolicies({ world, application, upstream }: Followed, policies: readonly object[]) {
  const { host } = new URL(application.site);
  return world.sdk.zeroTrust.access.applications.update(application.id, {
    ...{ account_id: world.account_id, type: 'self_hosted', domain: host, policies },
    destinations: [{ type: 'public', uri: host, upstream: upstream.origin }],
  } as unknown as Cloudflare.ZeroTrust.Access.ApplicationUpdateParams);
}

async function certs({ world: { app } }: Followed): Promise<JSONWebKeySet> {
  return (await (await fetch(`${app.origin}/cdn-cgi/access/certs`)).json()) as JSONWebKeySet;
}

async function unled({ gate, line }: Followed): Promise<void> {
  line.refuseStreams();
  await until(
    () => gate.gate.unready() !== null,
    () => 'it still decides by a lease',
  );
}

for (const { name, create } of databases) {
  describe(`policies at a remote gate (${name})`, () => {
    let followed: Followed;
    let service: ExternalService;
    const asking = () => ({
      ...people,
      require: [{ external_evaluation: service.rule }],
    });
    before(async () => {
      service = await startExternalService();
      followed = await startFollowed(await create(), {
        serveFlags: ['--lease=2'],
        gateFlags: ['--trusted-proxy=127.0.0.0/8'],
      });
    });
    after(async () => {
      await followed?.[Symbol.asyncDispose]();
      await service?.[Symbol.asyncDispose]();
    });

    test('let nobody in by a service that does not answer as it should', async () => {
      await setPolicies(followed, [people]);
      for (const behaviour of ['no', ...NO_ANSWERS] as const) {
        // An identity that nobody has asked about.
        const { cookie } = await followed.signedIn();
        service.behave(behaviour);
        await setPolicies(followed, [asking()]);
        assert.equal((await askGate(followed, '/', cookie)).status, 403, behaviour);
        await setPolicies(followed, [people]);
      }
    });

    test("let in by yes, asked with the gate's own key, which the team domain publishes", async () => {
      await setPolicies(followed, [people]);
      const { cookie, person } = await followed.signedIn();
      service.behave('yes');
      await setPolicies(followed, [asking()]);
      const answer = await askGate(followed, '/', cookie);
      assert.deepEqual([answer.status, answer.text], [200, `hello ${person.email}`]);
      const token = service.asked.at(-1) ?? '';
      const keys = await certs(followed);
      const { payload } = await jwtVerify(token, createLocalJWKSet(keys), {
        typ: 'external-evaluation+jwt',
        audience: service.rule.evaluate_url,
      });
      assert.equal((payload.identity as { email?: string }).email, person.email);
      const assertion = followed.upstream.arrivals.at(-1)?.request.headers['cf-access-jwt-assertion'];
      assert.equal(
        decodeProtectedHeader(token).kid,
        decodeProtectedHeader(String(assertion)).kid,
        'the key of the gate',
      );
    });

    test('let anybody in by a bypass, and cut them when it goes', async () => {
      await setPolicies(followed, [bypass, people]);
      const { host, world } = followed.place;
      const open = await openWebSocket({ host, world }, { headers: {}, path: '/' });
      const answer = await askGate(followed, '/', undefined, {
        headers: {
          'cf-access-jwt-assertion': 'forged',
          'cf-access-authenticated-user-email': 'root@example.com',
        },
      });
      assert.equal(answer.status, 200);
      const { headers } = followed.upstream.arrivals.at(-1)?.request ?? assert.fail();
      assert.deepEqual(
        Object.keys(headers).filter((one) => one.startsWith('cf-access')),
        [],
      );
      const closed = once(open, 'close');
      await setPolicies(followed, [people]);
      assert.equal((await closed)[0], 4401);
      assert.equal((await askGate(followed, '/')).status, 401);
    });

    /** What a proxy is told that asks the gate about a host that no application has. */
    const unmatched = async (host: string) => {
      const { port } = followed.gate;
      const headers = about(followed.world, '/', host);
      const target = '/portcullis/forward-auth';
      return (await exchange(port, toBytes({ target, headers }, `127.0.0.1:${port}`))).status;
    };

    const denyUnmatched = async (deny_unmatched_requests: boolean) => {
      const { app, account_id } = followed.world;
      const target = `/accounts/${account_id}/access/organizations`;
      assert.equal((await app.api('PUT', target, { body: { deny_unmatched_requests } })).status, 200);
    };

    test('let through what leads to no application, while and where the organization says so', async () => {
      const { host: team } = new URL(followed.world.team);
      const { port } = followed.world.app;
      assert.equal(await unmatched('nothing.localhost'), 403);
      await denyUnmatched(false);
      assert.equal(await unmatched('nothing.localhost'), 200);
      for (const host of [team, 'localhost', `127.0.0.1:${port}`, 'example.com']) {
        assert.equal(await unmatched(host), 403, host);
      }
      await denyUnmatched(true);
      assert.equal(await unmatched('nothing.localhost'), 403);
    });

    test('are the same without a lease, asked of a node', async () => {
      await setPolicies(followed, [people]);
      const [refused, admitted] = [await followed.signedIn(), await followed.signedIn()];
      service.decideBy(({ identity }) => (identity as { email: string }).email === admitted.person.email);
      await setPolicies(followed, [asking()]);
      await unled(followed);
      assert.equal((await askGate(followed, '/', refused.cookie)).status, 403);
      const answer = await askGate(followed, '/', admitted.cookie);
      assert.deepEqual([answer.status, answer.text], [200, `hello ${admitted.person.email}`]);
      const kids = service.asked.slice(-2).map((token) => decodeProtectedHeader(token).kid);
      const assertion = followed.upstream.arrivals.at(-1)?.request.headers['cf-access-jwt-assertion'];
      assert.equal(kids[0], decodeProtectedHeader(String(assertion)).kid, 'the key of the node');
      assert.equal((await askGate(followed, '/')).status, 401);
      await setPolicies(followed, [bypass]);
      assert.equal((await askGate(followed, '/')).status, 200);
      const { headers } = followed.upstream.arrivals.at(-1)?.request ?? assert.fail();
      assert.equal(headers['cf-access-jwt-assertion'], undefined);
      await setPolicies(followed, [bypass, { ...bypass, name: 'Nobody', decision: 'deny' }]);
      assert.equal((await askGate(followed, '/')).status, 401);
      assert.equal(await unmatched('nothing.localhost'), 403);
      await denyUnmatched(false);
      assert.equal(await unmatched('nothing.localhost'), 200, 'though the gate has not heard of it');
      await denyUnmatched(true);
      assert.equal(await unmatched('nothing.localhost'), 403);
    });
  });
}
