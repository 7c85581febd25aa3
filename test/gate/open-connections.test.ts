import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import type Cloudflare from 'cloudflare';
import { type GatedApplication, LOGOUT } from '../support/gated.ts';
import {
  EXCHANGES,
  type GateSockets,
  type OpenExchange,
  openExchange,
  watchGateSockets,
} from '../support/open-exchanges.ts';
import { type Proxied, proxiedOnBothDatabases, type SignedIn } from '../support/proxied.ts';
import { createRobot, forRobots, type Robot, twoHeaders } from '../support/service-tokens.ts';

/*
 * Open connections are subjects (design §4.5; schedules 12 to 15): what access ends has no open exchange left when
 * the call returns, and nobody else's is touched. Each exchange is seen from both of the gate's ends, in the turn in
 * which the caller of the removal goes on.
 */

/** Somebody with every kind of exchange open, and a bystander with the same. */
interface Held {
  readonly proxied: Proxied;
  readonly application: GatedApplication;
  readonly visitor: SignedIn;
  readonly robot: Robot;
}

interface Ending {
  readonly name: string;
  /** Whose exchanges end; those of the other stay. */
  readonly of: 'person' | 'service token' | 'everybody';
  readonly does: (held: Held) => Promise<unknown>;
  /** What a WebSocket is told in its last frame. */
  readonly stays?: true;
}

const policy = (decision: string, rule: object) => ({ name: decision, decision, include: [rule] });

const ENDINGS: readonly Ending[] = [
  {
    name: "a user's tokens are revoked",
    of: 'person',
    does: ({ proxied: { world }, visitor: { person } }) =>
      world.sdk.zeroTrust.organizations.revokeUsers({ account_id: world.account_id, email: person.email }),
  },
  {
    name: 'a user is deleted',
    of: 'person',
    does: async ({ proxied: { world }, visitor: { person } }) => {
      const { id } = await world.user(person);
      await world.sdk.zeroTrust.access.users.delete(id, { account_id: world.account_id });
    },
  },
  {
    name: "somebody signs out on the application's host",
    of: 'person',
    does: ({ application, visitor: { browser } }) => browser.get(application.site + LOGOUT),
  },
  {
    name: 'somebody signs out on the team domain',
    of: 'person',
    does: ({ proxied: { world }, visitor: { browser } }) => browser.get(world.team + LOGOUT),
  },
  {
    name: 'a service token is deleted',
    of: 'service token',
    does: ({ proxied: { world }, robot }) =>
      world.sdk.zeroTrust.access.serviceTokens.delete(robot.id, { account_id: world.account_id }),
  },
  {
    name: 'a service token is rotated without grace',
    of: 'service token',
    does: ({ proxied: { world }, robot }) =>
      world.sdk.zeroTrust.access.serviceTokens.rotate(robot.id, { account_id: world.account_id }),
  },
  {
    name: 'an application is deleted',
    of: 'everybody',
    does: ({ proxied: { world }, application }) =>
      world.sdk.zeroTrust.access.applications.delete(application.id, { account_id: world.account_id }),
  },
  {
    name: "an application's tokens are revoked",
    of: 'everybody',
    does: ({ proxied: { world }, application }) =>
      world.sdk.zeroTrust.access.applications.revokeTokens(application.id, { account_id: world.account_id }),
  },
  {
    name: 'a policy changes to exclude one of them',
    of: 'person',
    does: (held) =>
      replacePolicies(held, [
        { ...policy('allow', { everyone: {} }), exclude: [{ email: { email: held.visitor.person.email } }] },
        forRobots(),
      ]),
  },
  {
    name: 'a policy changes to let no service token in',
    of: 'service token',
    does: (held) => replacePolicies(held, [policy('allow', { everyone: {} })]),
  },
  {
    name: 'a policy changes and still lets everybody in',
    of: 'everybody',
    stays: true,
    does: (held) =>
      replacePolicies(held, [policy('allow', { email_domain: { domain: 'example.com' } }), forRobots()]),
  },
];

function replacePolicies({ proxied: { world, upstream }, application }: Held, policies: readonly object[]) {
  const { host } = new URL(application.site);
  return world.sdk.zeroTrust.access.applications.update(application.id, {
    account_id: world.account_id,
    type: 'self_hosted',
    domain: host,
    destinations: [{ type: 'public', uri: host, upstream: upstream.origin }],
    policies,
  } as unknown as Cloudflare.ZeroTrust.Access.ApplicationUpdateParams);
}

proxiedOnBothDatabases('an exchange that is open', (world) => {
  let sockets: GateSockets;
  before(() => {
    sockets = watchGateSockets();
  });
  after(() => sockets[Symbol.dispose]());

  for (const ending of ENDINGS) {
    for (const kind of EXCHANGES) {
      it(`${ending.stays ? 'goes on' : 'ends'} when ${ending.name}: ${kind}`, async () => {
        const held = await hold(world());
        const opening = { proxied: world(), sockets };
        const { host } = new URL(held.application.site);
        const bystander = await world().signedIn(undefined, held.application);
        const elsewhere = await world().signedIn(held.visitor.person);
        const asPerson = { host, headers: { cookie: held.visitor.cookie } };
        const asService = { host, headers: Object.fromEntries(twoHeaders(held.robot)) };
        const open = {
          person: await openExchange(opening, kind, asPerson),
          service: await openExchange(opening, kind, asService),
          bystander: await openExchange(opening, kind, { host, headers: { cookie: bystander.cookie } }),
          elsewhere: await openExchange(opening, kind, { headers: { cookie: elsewhere.cookie } }),
        };

        await ending.does(held);

        const ends = {
          person: ending.of !== 'service token',
          service: ending.of !== 'person',
          bystander: ending.of === 'everybody',
          // Another application of the same person, by another session.
          elsewhere: ending.of === 'person' && /^a user/.test(ending.name),
        };
        const over = Object.keys(open).filter((name) => ends[name as keyof typeof ends] && !ending.stays);
        const atReturn = over.map((name) => assertOver(open[name as keyof typeof open], name));
        for (const [name, one] of Object.entries(open)) if (!over.includes(name)) await one.finish();
        for (const [at, name] of over.entries()) {
          const one = open[name as keyof typeof open];
          const received = await one.ended();
          assert.equal(one.gate.client.bytesWritten, atReturn[at], `${name}: bytes after the return`);
          assert.ok(received <= (atReturn[at] ?? 0), 'more came than was ever sent');
          if (kind === 'websocket') assert.equal(one.closeCode(), 4401);
        }
      });
    }
  }
});

/** That both of the gate's ends are closed; answers what the kernel was ever handed for the client. */
function assertOver({ gate, kind }: OpenExchange, name: string): number {
  assert.equal(gate.upstream.destroyed, true, `${name}, ${kind}: the application still has a connection`);
  assert.equal(gate.client.destroyed, true, `${name}, ${kind}: the client still has a connection`);
  return gate.client.bytesWritten;
}

async function hold(proxied: Proxied): Promise<Held> {
  const { world } = proxied;
  const robot = await createRobot(world);
  const name = `open-${proxied.upstream.arrivals.length}-${world.provider.people.length}`;
  const policies = [policy('allow', { everyone: {} }), forRobots()];
  const application = await proxied.createApplication(name, { policies });
  const visitor = await proxied.signedIn(undefined, application);
  return { proxied, application, visitor, robot };
}
