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

const WHOSE = ['person', 'service', 'bystander', 'elsewhere'] as const;
type Whose = (typeof WHOSE)[number];

/** Downloads: of those that are cut, and of those that go on to their end, beyond what kernels keep. */
const LONG = 50 * 1024 * 1024;
const SHORT = 16 * 1024 * 1024;

/** Somebody with an exchange open; others have the same. */
interface Held {
  readonly proxied: Proxied;
  readonly application: GatedApplication;
  readonly visitor: SignedIn;
  readonly robot: Robot;
}

interface Ending {
  readonly name: string;
  /** Whose exchanges end; those of the other stay. */
  readonly of: 'person' | 'people' | 'service token' | 'everybody';
  readonly does: (held: Held) => Promise<unknown>;
  /** Nothing ends after all. */
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
    of: 'people',
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
        const ends = {
          person: ending.of !== 'service token',
          service: ending.of === 'service token' || ending.of === 'everybody',
          bystander: ending.of === 'people' || ending.of === 'everybody',
          // Another application of the same person, by another session.
          elsewhere: /^a user/.test(ending.name),
        };
        const as = {
          person: { host, headers: { cookie: held.visitor.cookie } },
          service: { host, headers: Object.fromEntries(twoHeaders(held.robot)) },
          bystander: { host, headers: { cookie: bystander.cookie } },
          elsewhere: { headers: { cookie: elsewhere.cookie } },
        };
        const open: Partial<Record<Whose, OpenExchange>> = {};
        for (const whose of WHOSE) {
          const length = ends[whose] ? LONG : SHORT;
          open[whose] = await openExchange(opening, kind, { ...as[whose], length });
        }

        await ending.does(held);

        const over = WHOSE.filter((whose) => ends[whose] && !ending.stays);
        const atReturn = over.map((whose) => assertOver(open[whose], whose));
        for (const whose of WHOSE) if (!over.includes(whose)) await open[whose]?.finish();
        for (const [at, whose] of over.entries()) {
          const one = open[whose];
          const received = await one?.ended();
          assert.equal(one?.gate.client.bytesWritten, atReturn[at], `${whose}: bytes after the return`);
          assert.ok(Number(received) <= Number(atReturn[at]), 'more came than was ever sent');
          if (kind === 'websocket') assert.equal(one?.closeCode(), 4401);
        }
      });
    }
  }
});

/** That both of the gate's ends are closed; answers what the kernel was ever handed for the client. */
function assertOver(open: OpenExchange | undefined, name: string): number {
  const { gate, kind } = open ?? assert.fail();
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
