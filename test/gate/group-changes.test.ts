import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, it } from 'node:test';
import type { WebSocket } from 'ws';
import type { GatedApplication } from '../support/gated.ts';
import {
  type GateSockets,
  type OpenExchange,
  openExchange,
  watchGateSockets,
} from '../support/open-exchanges.ts';
import type { Person } from '../support/openid-provider.ts';
import {
  ask,
  openWebSocket,
  type Proxied,
  proxiedOnBothDatabases,
  type SignedIn,
} from '../support/proxied.ts';

/*
 * A removal from a group or list ends exactly the access that depended on it (design §4.11): at the return of the
 * call, for what is open as for what comes next, without a sign-in in between; and what adds lets in at once.
 */

/** What a policy of the first application names, and the changes that take one person out of it and bring them back. */
interface Named {
  readonly rule: object;
  takeOut(): Promise<unknown>;
  bringBack(): Promise<unknown>;
}

interface Change {
  readonly name: string;
  prepare(proxied: Proxied, person: Person): Promise<Named>;
}

const email = (address: string) => ({ email: { email: address } });
const bystander = email('somebody.else@example.com');

type Groups = Proxied['world']['sdk']['zeroTrust']['access']['groups'];
type Lists = Proxied['world']['sdk']['zeroTrust']['gateway']['lists'];

/** The API of an account for groups and lists. */
function of({ world: { sdk, account_id } }: Proxied) {
  const { groups } = sdk.zeroTrust.access;
  const { lists } = sdk.zeroTrust.gateway;
  return {
    lists,
    account_id,
    group: async (include: readonly object[], more: object = {}) => {
      const body = { account_id, name: 'A', include, ...more } as Parameters<Groups['create']>[0];
      return (await groups.create(body)).id ?? '';
    },
    put: (id: string, include: readonly object[], more: object = {}) =>
      groups.update(id, { account_id, name: 'A', include, ...more } as Parameters<Groups['update']>[1]),
    list: async (type: 'EMAIL' | 'IP', ...values: string[]) => {
      const items = values.map((value) => ({ value }));
      const body: Parameters<Lists['create']>[0] = { account_id, name: 'L', type, items };
      return (await lists.create(body)).id ?? '';
    },
  };
}

const CHANGES: readonly Change[] = [
  {
    name: 'an update of a group without them',
    prepare: async (proxied, person) => {
      const { group, put } = of(proxied);
      const id = await group([bystander, email(person.email)]);
      return {
        rule: { group: { id } },
        takeOut: () => put(id, [bystander]),
        bringBack: () => put(id, [bystander, email(person.email.toUpperCase())]),
      };
    },
  },
  {
    name: 'an update of a group within the group that the policy names',
    prepare: async (proxied, person) => {
      const { group, put } = of(proxied);
      const a = await group([email(person.email)]);
      const b = await group([{ group: { id: a } }, bystander]);
      const c = await group([{ everyone: {} }], { require: [{ group: { id: b } }] });
      return {
        rule: { group: { id: c } },
        takeOut: () => put(a, [bystander]),
        bringBack: () => put(a, [email(person.email)]),
      };
    },
  },
  {
    name: 'an exclusion from a group',
    prepare: async (proxied, person) => {
      const { group, put } = of(proxied);
      const everyone = [{ everyone: {} }];
      const id = await group(everyone);
      return {
        rule: { group: { id } },
        takeOut: () => put(id, everyone, { exclude: [email(person.email)] }),
        bringBack: () => put(id, everyone),
      };
    },
  },
  {
    name: 'an edit of a list of e-mails',
    prepare: async (proxied, person) => {
      const { list, lists, account_id } = of(proxied);
      const id = await list('EMAIL', 'somebody.else@example.com', person.email);
      return {
        rule: { email_list: { id } },
        takeOut: () => lists.edit(id, { account_id, remove: [person.email.toUpperCase()] }),
        bringBack: () => lists.edit(id, { account_id, append: [{ value: person.email }] }),
      };
    },
  },
  {
    name: 'an update of a list of e-mails',
    prepare: async (proxied, person) => {
      const { list, lists, account_id } = of(proxied);
      const id = await list('EMAIL', person.email);
      const update = (items: { value: string }[]) => lists.update(id, { account_id, name: 'L', items });
      return {
        rule: { email_list: { id } },
        takeOut: () => update([{ value: 'somebody.else@example.com' }]),
        bringBack: () => update([{ value: person.email }]),
      };
    },
  },
  {
    name: 'an edit of a list of e-mails that a group names',
    prepare: async (proxied, person) => {
      const { group, list, lists, account_id } = of(proxied);
      const id = await list('EMAIL', person.email);
      const rule = { group: { id: await group([{ email_list: { id } }]) } };
      return {
        rule,
        takeOut: () => lists.edit(id, { account_id, remove: [person.email] }),
        bringBack: () => lists.edit(id, { account_id, append: [{ value: person.email }] }),
      };
    },
  },
  {
    name: 'an edit of a list of addresses',
    prepare: async (proxied) => {
      const { list, lists, account_id } = of(proxied);
      const id = await list('IP', '127.0.0.0/8', '192.0.2.0/24');
      return {
        rule: { ip_list: { id } },
        takeOut: () => lists.edit(id, { account_id, remove: ['127.0.0.1/8'] }),
        bringBack: () => lists.edit(id, { account_id, append: [{ value: '127.0.0.1' }] }),
      };
    },
  },
];

proxiedOnBothDatabases('what depended on a group or list, and nothing else, ends', (world) => {
  let sockets: GateSockets;
  before(() => {
    sockets = watchGateSockets();
  });
  after(() => sockets[Symbol.dispose]());

  for (const [index, change] of CHANGES.entries()) {
    it(`with ${change.name}, and begins again without a sign-in`, async () => {
      const proxied = world();
      const person = proxied.world.person();
      const { rule, takeOut, bringBack } = await change.prepare(proxied, person);
      const other = { group: { id: await of(proxied).group([email(person.email)]) } };
      const first = await openTo(proxied, { name: `first-${index}`, rule, person });
      const second = await openTo(proxied, { name: `second-${index}`, rule: other, person });
      const [one, two] = [await open(proxied, sockets, first), await open(proxied, sockets, second)];
      const signIns = await countSignIns(proxied);
      assert.deepEqual([await statusOf(proxied, first), await statusOf(proxied, second)], [200, 200]);

      await takeOut();

      // In the turn in which the caller goes on: no byte flows any more, at either end.
      assert.deepEqual([one.gate.upstream.destroyed, one.gate.client.destroyed], [true, true]);
      assert.deepEqual([two.gate.upstream.destroyed, two.gate.client.destroyed], [false, false]);
      const arrived = proxied.upstream.arrivals.length;
      assert.equal(await statusOf(proxied, first), 403);
      assert.equal(proxied.upstream.arrivals.length, arrived, 'the application was asked');
      assert.equal(await statusOf(proxied, second), 200);
      await one.ended();
      assert.equal(one.closeCode(), 4401);
      const refusedUpgrade = openWebSocket(placeOf(proxied, first), {
        headers: { cookie: first.visitor.cookie },
      });
      await assert.rejects(refusedUpgrade);

      await bringBack();

      assert.deepEqual([await statusOf(proxied, first), await statusOf(proxied, second)], [200, 200]);
      const again = await openWebSocket(placeOf(proxied, first), {
        headers: { cookie: first.visitor.cookie },
        path: '/',
      });
      await close(again);
      // The second was never touched: it carries on to its own end.
      await two.finish();
      assert.equal(await countSignIns(proxied), signIns, 'somebody had to sign in');
    });
  }

  it('not with an update of a group that says the same in other words', async () => {
    const proxied = world();
    const person = proxied.world.person();
    const { group, put } = of(proxied);
    const id = await group([email(person.email)]);
    const only = await openTo(proxied, { name: 'same', rule: { group: { id } }, person });
    const one = await open(proxied, sockets, only);
    await put(id, [bystander, { email_domain: { domain: 'EXAMPLE.com' } }]);
    assert.equal(await statusOf(proxied, only), 200);
    await one.finish();
  });

  it('with a group that a deny names, and only for those whom it takes in', async () => {
    const proxied = world();
    const [ann, bob] = [proxied.world.person(), proxied.world.person()];
    const { group, put } = of(proxied);
    const id = await group([bystander]);
    const policies = [
      { name: 'All', decision: 'allow', include: [{ everyone: {} }] },
      { name: 'Not these', decision: 'deny', include: [{ group: { id } }] },
    ];
    const application = await proxied.createApplication('denied', { policies });
    const visits = await Promise.all(
      [ann, bob].map(async (person) => ({
        application,
        visitor: await proxied.signedIn(person, application),
      })),
    );
    const [hers, his] = visits as [Visit, Visit];
    const [one, two] = [await open(proxied, sockets, hers), await open(proxied, sockets, his)];
    await put(id, [bystander, email(ann.email)]);
    assert.deepEqual([one.gate.client.destroyed, two.gate.client.destroyed], [true, false]);
    assert.deepEqual([await statusOf(proxied, hers), await statusOf(proxied, his)], [403, 200]);
    await one.ended();
    await two.finish();
  });
});

/** Somebody who has signed in to an application of their own. */
interface Visit {
  readonly application: GatedApplication;
  readonly visitor: SignedIn;
}

async function openTo(
  proxied: Proxied,
  { name, rule, person }: { name: string; rule: object; person: Person },
): Promise<Visit> {
  const policies = [{ name: 'By rule', decision: 'allow', include: [rule] }];
  const application = await proxied.createApplication(name, { policies });
  return { application, visitor: await proxied.signedIn(person, application) };
}

function placeOf({ world }: Proxied, { application }: Visit) {
  return { world, host: new URL(application.site).host };
}

function open(proxied: Proxied, sockets: GateSockets, visit: Visit): Promise<OpenExchange> {
  const { host } = placeOf(proxied, visit);
  const headers = { cookie: visit.visitor.cookie };
  return openExchange({ proxied, sockets }, 'websocket', { host, headers });
}

async function statusOf(proxied: Proxied, visit: Visit): Promise<number> {
  const headers = { host: placeOf(proxied, visit).host, cookie: visit.visitor.cookie };
  return (await ask(proxied, '/echo', { headers })).status;
}

/** How many sessions there are: each sign-in makes one. */
async function countSignIns({ world }: Proxied): Promise<number> {
  const { reader } = world.app.app.control.database;
  const rows = await reader.query.selectFrom('sessions').select('nonce').execute();
  return rows.length;
}

async function close(webSocket: WebSocket): Promise<void> {
  const closed = once(webSocket, 'close');
  webSocket.close();
  await closed;
}
