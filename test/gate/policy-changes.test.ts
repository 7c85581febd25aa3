import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import type Cloudflare from 'cloudflare';
import type { GatedApplication } from '../support/gated.ts';
import {
  type GateSockets,
  type OpenExchange,
  openExchange,
  watchGateSockets,
} from '../support/open-exchanges.ts';
import type { Person } from '../support/openid-provider.ts';
import { ask, type Proxied, proxiedOnBothDatabases, type SignedIn } from '../support/proxied.ts';

/*
 * One reusable policy, used by two of three applications (design §4.11): what changes of it ends exactly the access
 * that rested on it, at the return of the call, and gives access with no sign-in in between.
 */

type PolicyFields = Omit<Cloudflare.ZeroTrust.Access.PolicyUpdateParams, 'account_id'>;

const everyone = { name: 'Everyone', decision: 'allow', include: [{ everyone: {} }] } as const;
const except = (email: string) => ({ ...everyone, exclude: [{ email: { email } }] });
const only = (email: string) => ({ ...everyone, include: [{ email: { email } }] });

const NAMES = ['first', 'second', 'third'] as const;
type Name = (typeof NAMES)[number];

interface Use {
  readonly person: Person;
  /** Of each application, by a session of its own. */
  readonly cookies: Readonly<Record<Name, SignedIn>>;
}

interface Setting {
  readonly applications: Readonly<Record<Name, GatedApplication>>;
  readonly policyId: string;
  readonly put: (fields: object) => Promise<unknown>;
  /** What the next request of somebody is answered. */
  readonly next: (use: Use, name: Name) => Promise<number>;
}

const byName = async <T>(make: (name: Name) => Promise<T>): Promise<Record<Name, T>> => ({
  first: await make('first'),
  second: await make('second'),
  third: await make('third'),
});

async function prepare(proxied: Proxied, prefix: string): Promise<Setting> {
  const { world } = proxied;
  const { account_id } = world;
  const { policies } = world.sdk.zeroTrust.access;
  const { id: policyId = '' } = await policies.create({
    account_id,
    ...(everyone as unknown as PolicyFields),
  });
  const applications = await byName((name) =>
    proxied.createApplication(`${prefix}-${name}-${world.provider.people.length}`, {
      policies: name === 'third' ? [everyone] : [{ id: policyId, precedence: 1 }],
    }),
  );
  return {
    applications,
    policyId,
    put: (fields) => policies.update(policyId, { account_id, ...(fields as PolicyFields) }),
    next: async ({ cookies }, name) => {
      const { host } = new URL(applications[name].site);
      return (await ask(proxied, '/echo', { headers: { host, cookie: cookies[name].cookie } })).status;
    },
  };
}

async function signedInToAll(proxied: Proxied, { applications }: Setting): Promise<Use> {
  const person = proxied.world.person();
  return { person, cookies: await byName((name) => proxied.signedIn(person, applications[name])) };
}

proxiedOnBothDatabases('an edit of one reusable policy', (world) => {
  let sockets: GateSockets;
  before(() => {
    sockets = watchGateSockets();
  });
  after(() => sockets[Symbol.dispose]());

  const open = (setting: Setting, { cookies }: Use, name: Name): Promise<OpenExchange> => {
    const { host } = new URL(setting.applications[name].site);
    const as = { host, headers: { cookie: cookies[name].cookie } };
    return openExchange({ proxied: world(), sockets }, 'websocket', as);
  };

  for (const [what, fields] of [
    ['excludes somebody', (email: string) => except(email)],
    ['denies them', (email: string) => ({ ...only(email), decision: 'deny' })],
    ['is for nobody who has signed in', () => ({ ...everyone, decision: 'non_identity' })],
  ] as const) {
    it(`that ${what} ends their access to the two applications that use it, and to no other`, async () => {
      const setting = await prepare(world(), 'ends');
      const visitor = await signedInToAll(world(), setting);
      const opened = await byName((name) => open(setting, visitor, name));

      await setting.put(fields(visitor.person.email));

      for (const name of ['first', 'second'] as const) {
        const { gate } = opened[name];
        assert.equal(gate.upstream.destroyed, true, `${name}: the application still has a connection`);
        assert.equal(gate.client.destroyed, true, `${name}: the client still has a connection`);
      }
      await opened.third.finish();
      for (const name of ['first', 'second'] as const) {
        await opened[name].ended();
        assert.equal(opened[name].closeCode(), 4401);
        assert.equal(await setting.next(visitor, name), 403);
      }
      assert.equal(await setting.next(visitor, 'third'), 200);
    });
  }

  it('leaves whoever is still let in where they are', async () => {
    const setting = await prepare(world(), 'stays');
    const [visitor, bystander] = [
      await signedInToAll(world(), setting),
      await signedInToAll(world(), setting),
    ];
    const opened = await byName((name) => open(setting, bystander, name));

    await setting.put(except(visitor.person.email));

    for (const name of NAMES) {
      await opened[name].finish();
      assert.equal(await setting.next(bystander, name), 200);
    }
    assert.equal(await setting.next(visitor, 'first'), 403);
  });

  it('that gives access again needs no sign-in: what was refused is admitted with the same cookie', async () => {
    const setting = await prepare(world(), 'gives');
    const visitor = await signedInToAll(world(), setting);
    await setting.put(except(visitor.person.email));
    assert.equal(await setting.next(visitor, 'first'), 403);

    await setting.put({ ...only(visitor.person.email), name: 'Only them' });

    for (const name of NAMES) assert.equal(await setting.next(visitor, name), 200);
    for (const name of ['first', 'second'] as const) await (await open(setting, visitor, name)).finish();
  });

  it('lets in at once whoever has a session and was never admitted before', async () => {
    const setting = await prepare(world(), 'opens');
    const { browser, person } = await world().signedIn(undefined, setting.applications.third);
    await setting.put(except(person.email));
    const { site } = setting.applications.first;
    const arrivals = () => world().upstream.arrivals.length;
    const before = arrivals();
    assert.equal((await browser.follow(site)).status, 403);
    assert.equal(arrivals(), before);

    await setting.put(everyone);

    // Without a form to fill in: the session is enough.
    const page = await browser.follow(site);
    assert.deepEqual([page.status, page.text], [200, `hello ${person.email}`]);
  });

  it('that comes after an application has let go of it ends nothing there', async () => {
    const { world: gated, upstream } = world();
    const setting = await prepare(world(), 'leaves');
    const visitor = await signedInToAll(world(), setting);
    const { second } = setting.applications;
    const { host } = new URL(second.site);
    await gated.sdk.zeroTrust.access.applications.update(second.id, {
      account_id: gated.account_id,
      type: 'self_hosted',
      domain: host,
      destinations: [{ type: 'public', uri: host, upstream: upstream.origin }],
      policies: [everyone],
    } as unknown as Cloudflare.ZeroTrust.Access.ApplicationUpdateParams);
    const opened = await byName((name) => open(setting, visitor, name));

    await setting.put(except(visitor.person.email));

    assert.equal(opened.first.gate.client.destroyed, true);
    await opened.first.ended();
    for (const name of ['second', 'third'] as const) {
      await opened[name].finish();
      assert.equal(await setting.next(visitor, name), 200);
    }
    assert.equal(await setting.next(visitor, 'first'), 403);
  });
});
