import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import type Cloudflare from 'cloudflare';
import { createVault } from '../../src/kernel/crypto.ts';
import { superAdministrator } from '../../src/kernel/permissions.ts';
import { listRoutes } from '../../src/routes.ts';
import type { Browser } from '../support/browser.ts';
import { tokenIn } from '../support/forge.ts';
import { withToken } from '../support/gate-questions.ts';
import {
  AUTHORIZED,
  CALLBACK,
  type Gated,
  type GatedApplication,
  gatedOnBothDatabases,
  IDENTITY,
  LOGOUT,
} from '../support/gated.ts';
import { endInLauncher, nonceOf } from '../support/launcher.ts';
import { logoutToken, registerLogout, sendLogout, sidIn } from '../support/logout-steps.ts';
import { mutualTlsOnBothDatabases } from '../support/mutual-tls.ts';
import {
  type ExchangeKind,
  type GateSockets,
  type OpenExchange,
  openExchange,
  watchGateSockets,
} from '../support/open-exchanges.ts';
import { type Person, signIn } from '../support/openid-provider.ts';
import { readRows } from '../support/rows.ts';
import { admits } from '../support/service-tokens.ts';
import {
  addOlderAccount,
  addPerson,
  firstTenant,
  type Person as Member,
  opens,
  policiesOf,
  type Tenant,
  tokenPolicy,
} from '../support/tenants.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { CERTIFICATE_CHANNELS, CERTIFICATE_PATHS, holdAsCertificate } from './certificate-paths.ts';
import { allowDevices, DEVICE_CHANNELS, DEVICE_PATHS, holdAsDevice } from './device-paths.ts';
import { GATE_CHANNELS, GATE_PATHS, holdAsGate } from './gate-paths.ts';
import { SEAT_PATHS } from './seat-paths.ts';
import { holdAsService, SERVICE_CHANNELS, SERVICE_PATHS } from './service-paths.ts';

/*
 * Every way in which access ends, by every form in which it is held (design §4.12). Each cell is driven through
 * the front door: alive before the call, and on the first request after it returned as the table says. A route
 * that changes something must be named here, or under NOTHING_ENDS with the reason.
 */

type Ending = 'ends' | 'stays';

/** The forms in which a person holds access to applications. */
const CHANNELS = [
  'sign-in in progress',
  'hand-off code',
  'session',
  'application token',
  'way back by the session',
  'other application',
  'exchange in flight',
  'open connection',
] as const;
type Channel = (typeof CHANNELS)[number];

interface Path {
  /** It can be taken once, and comes last. */
  readonly isLast?: true;
  /** Operations of the routes behind it; none for what a person does on a page. */
  readonly operations: readonly string[];
  readonly does: (held: Held) => Promise<unknown>;
  readonly cells: Readonly<Record<Channel, Ending>>;
}

const all: Path['cells'] = {
  'sign-in in progress': 'ends',
  'hand-off code': 'ends',
  session: 'ends',
  'application token': 'ends',
  'way back by the session': 'ends',
  'other application': 'ends',
  'exchange in flight': 'ends',
  'open connection': 'ends',
};

/** What belongs to the session that ends; a sign-in that began meanwhile is another one. */
const session: Path['cells'] = { ...all, 'sign-in in progress': 'stays' };

const PATHS: Readonly<Record<string, Path>> = {
  'a user is deleted': {
    operations: ['zero-trust-users-delete-user'],
    does: async ({ world: { sdk, account_id }, userId }) =>
      sdk.zeroTrust.access.users.delete(userId, { account_id }),
    cells: all,
  },
  "a user's tokens are revoked by the account": {
    operations: ['zero-trust-organization-revoke-all-access-tokens-for-a-user'],
    does: ({ world: { sdk, account_id }, person: { email } }) =>
      sdk.zeroTrust.organizations.revokeUsers({ account_id, email }),
    cells: all,
  },
  "a user's tokens are revoked by the zone": {
    operations: ['zero-trust-organization-revoke-all-access-tokens-for-a-user'],
    does: ({ world, person: { email } }) =>
      world.sdk.zeroTrust.organizations.revokeUsers({ zone_id: world.app.credentials.zone_id, email }),
    cells: all,
  },
  'a user is blocked': {
    operations: ['portcullis-blocked-users-block-a-user'],
    does: ({ world: { sdk, account_id }, person: { email } }) =>
      sdk.post(`/accounts/${account_id}/portcullis/blocked_users`, { body: { email } }),
    cells: all,
  },
  ...Object.fromEntries(Object.entries(SEAT_PATHS).map(([name, path]) => [name, { ...path, cells: all }])),
  'somebody signs out on the team domain': {
    operations: [],
    does: ({ world, browser }) => browser.get(world.team + LOGOUT),
    cells: session,
  },
  "somebody signs out on an application's host": {
    operations: [],
    does: ({ application, browser }) => browser.get(application.site + LOGOUT),
    cells: session,
  },
  'somebody ends that session in the launcher': {
    operations: [],
    does: ({ world, browser }) => endInLauncher(world, browser, 'this'),
    cells: session,
  },
  'somebody ends that session in the launcher of another browser': {
    operations: [],
    does: async ({ world, browser, person }) => {
      const other = await world.signedIn(person);
      await endInLauncher(world, other, await nonceOf(world, browser));
    },
    cells: session,
  },
  'somebody ends all their sessions in the launcher': {
    operations: [],
    does: async ({ world, person }) => endInLauncher(world, await world.signedIn(person), 'all'),
    cells: all,
  },
  'the provider ends the person by its back channel': {
    operations: [],
    does: async ({ world, person: { sub } }) =>
      assert.equal((await sendLogout(world, await logoutToken(world.provider, { sub }))).status, 200),
    cells: all,
  },
  'the provider ends the session by its back channel': {
    operations: [],
    does: async ({ world, userId }) => {
      const sid = sidIn((await readRows(world.database)).sessions ?? [], userId);
      assert.ok(sid);
      assert.equal((await sendLogout(world, await logoutToken(world.provider, { sid }))).status, 200);
    },
    cells: session,
  },
  'a policy no longer allows': {
    operations: ['access-policies-update-an-access-app-policy'],
    does: async ({ world: { sdk, account_id }, application, policyId }) =>
      sdk.zeroTrust.access.applications.policies.update(policyId, {
        app_id: application.id,
        account_id,
        name: 'Somebody else',
        decision: 'allow',
        include: [{ email: { email: 'somebody.else@example.com' } }],
      } as Cloudflare.ZeroTrust.Access.Applications.PolicyUpdateParams),
    cells: { ...all, 'sign-in in progress': 'stays', session: 'stays', 'other application': 'stays' },
  },
  'a policy is deleted': {
    operations: ['access-policies-delete-an-access-app-policy'],
    does: ({ world: { sdk, account_id }, application, policyId }) =>
      sdk.zeroTrust.access.applications.policies.delete(policyId, { app_id: application.id, account_id }),
    cells: { ...all, 'sign-in in progress': 'stays', session: 'stays', 'other application': 'stays' },
  },
  'a reusable policy no longer allows': {
    operations: ['access-policies-update-an-access-reusable-policy'],
    does: async (held) => {
      const { sdk, account_id } = held.world;
      const { policies, applications } = sdk.zeroTrust.access;
      const rules = { name: 'Everyone', decision: 'allow' as const, include: [{ everyone: {} }] };
      const { id = '' } = await policies.create({ account_id, ...rules });
      const known = await applications.get(held.application.id, { account_id });
      const linked = { account_id, ...known, policies: [id] };
      await applications.update(
        held.application.id,
        linked as Cloudflare.ZeroTrust.Access.ApplicationUpdateParams,
      );
      assert.equal(await held.alive['application token'](), true, 'the link does not let in');
      const include = [{ email: { email: 'somebody.else@example.com' } }];
      await policies.update(id, { account_id, ...rules, include });
    },
    cells: { ...all, 'sign-in in progress': 'stays', session: 'stays', 'other application': 'stays' },
  },
  'a group that the policy names no longer holds the person': {
    operations: ['access-groups-update-an-access-group'],
    does: async (held) => {
      const { account_id, sdk } = held.world;
      const group = { account_id, name: 'Staff' };
      const { groups } = sdk.zeroTrust.access;
      const { id = '' } = await groups.create({
        ...group,
        include: [{ email: { email: held.person.email } }],
      });
      await allowOnly(held, { group: { id } });
      await groups.update(id, { ...group, include: [{ email: { email: 'somebody.else@example.com' } }] });
    },
    cells: { ...all, 'sign-in in progress': 'stays', session: 'stays', 'other application': 'stays' },
  },
  'a list that the policy names has other items': {
    operations: ['zero-trust-lists-update-zero-trust-list'],
    does: async (held) => {
      const { account_id, sdk } = held.world;
      const id = await allowListed(held);
      await sdk.zeroTrust.gateway.lists.update(id, { account_id, name: 'Staff', items: [] });
    },
    cells: { ...all, 'sign-in in progress': 'stays', session: 'stays', 'other application': 'stays' },
  },
  'the person is taken from a list that the policy names': {
    operations: ['zero-trust-lists-patch-zero-trust-list'],
    does: async (held) => {
      const { account_id, sdk } = held.world;
      const id = await allowListed(held);
      await sdk.zeroTrust.gateway.lists.edit(id, { account_id, remove: [held.person.email] });
    },
    cells: { ...all, 'sign-in in progress': 'stays', session: 'stays', 'other application': 'stays' },
  },
  'an application is updated to have other policies': {
    operations: ['access-applications-update-an-access-application'],
    does: ({ world: { sdk, account_id }, application }) =>
      sdk.zeroTrust.access.applications.update(application.id, {
        account_id,
        type: 'self_hosted',
        domain: new URL(application.site).host,
        policies: [],
      }),
    cells: { ...all, 'sign-in in progress': 'stays', session: 'stays', 'other application': 'stays' },
  },
  'an application is deleted': {
    operations: ['access-applications-delete-an-access-application'],
    does: ({ world: { sdk, account_id }, application }) =>
      sdk.zeroTrust.access.applications.delete(application.id, { account_id }),
    cells: { ...all, session: 'stays', 'other application': 'stays' },
  },
  'the tokens of an application are revoked': {
    operations: ['access-applications-revoke-service-tokens'],
    does: ({ world: { sdk, account_id }, application }) =>
      sdk.zeroTrust.access.applications.revokeTokens(application.id, { account_id }),
    cells: {
      ...all,
      'sign-in in progress': 'stays',
      session: 'stays',
      'way back by the session': 'stays',
      'other application': 'stays',
    },
  },
  // These two end the access of everyone who came through the provider, so they come last.
  'an identity provider is pointed elsewhere': {
    operations: ['access-identity-providers-update-an-access-identity-provider'],
    does: async ({ world }) => {
      const { sdk, account_id, providerId } = world;
      const known = await sdk.zeroTrust.identityProviders.get(providerId, { account_id });
      const config = { ...known.config, email_claim_name: 'preferred_username' };
      await sdk.zeroTrust.identityProviders.update(providerId, {
        account_id,
        name: 'elsewhere',
        type: 'oidc',
        config,
      });
      await sdk.zeroTrust.identityProviders.update(providerId, {
        account_id,
        name: 'back',
        type: 'oidc',
        config: known.config,
      });
    },
    cells: all,
  },
  'an identity provider is deleted': {
    isLast: true,
    operations: ['access-identity-providers-delete-an-access-identity-provider'],
    does: ({ world: { sdk, account_id, providerId } }) =>
      sdk.zeroTrust.identityProviders.delete(providerId, { account_id }),
    cells: all,
  },
};

/** Routes that change something and end nobody's access to applications, each with its reason. */
const NOTHING_ENDS: Readonly<Record<string, string>> = {
  'account-creation': 'gives',
  'accounts-update-account': 'a name is no access',
  'user-edit-user': 'what a person tells of themselves is no access',
  'zones-post': 'gives',
  'zones-0-delete':
    'refused while a policy of a member or group names it; tokens of it are read at every call, and applications stay',
  'account-resource-group-create': 'gives: no policy names it yet',
  'account-resource-group-delete': 'refused while any policy names it',
  'account-members-add-member': 'gives',
  'account-api-tokens-create-token': 'gives',
  'user-api-tokens-create-token': 'gives',
  'account-user-group-create': 'gives',
  'account-user-group-member-create': 'gives',
  'zero-trust-users-create-user': 'gives',
  'zero-trust-users-update-user': 'a name is no access',
  'portcullis-seats-set-the-limit': 'whoever holds a seat keeps it, however low the limit',
  'zero-trust-organization-create-your-zero-trust-organization': 'always refused: every account has one',
  'zero-trust-organization-update-your-zero-trust-organization':
    'a shorter session duration is for later sign-ins, and what is let through unmatched is nobody’s',
  'zero-trust-organization-patch-your-zero-trust-organization': 'as the update',
  'access-policy-tests': 'says what policies would do, and does nothing',
  'access-tags-create-tag': 'a tag is a word, no access',
  'access-tags-update-a-tag': 'a tag is a word, no access',
  'access-tags-delete-a-tag': 'a tag is a word, no access; refused while any application has it',
  'access-applications-update-settings': 'there is nothing to be switched on',
  'access-applications-patch-settings': 'there is nothing to be switched on',
  'access-custom-pages-create-a-custom-page': 'a page is no access',
  'access-custom-pages-update-a-custom-page': 'a page is no access',
  'access-custom-pages-delete-a-custom-page': 'a page is no access',
  'access-key-configuration-update-the-access-key-configuration': 'how often keys change is no access',
  'access-key-configuration-rotate-access-keys': 'a former key is good for as long as what it has signed',
  'access-identity-providers-add-an-access-identity-provider': 'gives',
  'access-service-tokens-create-a-service-token': 'gives',
  'access-mtls-authentication-add-an-mtls-certificate': 'gives',
  'access-mtls-authentication-update-an-mtls-certificate-settings': 'there is nothing to be switched on',
  'access-service-tokens-refresh-a-service-token': 'gives',
  'access-groups-create-an-access-group': 'gives: no rule names it yet',
  'access-groups-delete-an-access-group': 'refused while any rule names it',
  'zero-trust-lists-create-zero-trust-list': 'gives: no rule names it yet',
  'zero-trust-lists-delete-zero-trust-list': 'refused while any rule names it',
  'device-posture-rules-create-device-posture-rule': 'gives: no rule names it yet',
  'device-posture-rules-delete-device-posture-rule': 'refused while any rule names it',
  'portcullis-gates-create-a-gate': 'gives',
  'portcullis-blocked-users-unblock-a-user': 'gives: the person may sign in again, and has to',
  'access-applications-add-an-application': 'gives',
  'access-policies-create-an-access-reusable-policy': 'no application uses it yet',
  'access-policies-delete-an-access-reusable-policy': 'one that an application uses cannot be deleted',
  'access-policies-create-an-access-app-policy':
    'a policy that denies is judged at every request like any change of policy',
};

/** Changes the policy of the application to let in whom one rule lets in. */
async function allowOnly({ world: { sdk, account_id }, application, policyId }: Held, rule: object) {
  await sdk.zeroTrust.access.applications.policies.update(policyId, {
    ...{ app_id: application.id, account_id },
    ...{ name: 'By rule', decision: 'allow', include: [rule] },
  } as Cloudflare.ZeroTrust.Access.Applications.PolicyUpdateParams);
}

/** Changes the policy to let in whoever is on a list, which is the person alone; answers the list. */
async function allowListed(held: Held): Promise<string> {
  const { account_id, sdk } = held.world;
  const items = [{ value: held.person.email }];
  const { lists } = sdk.zeroTrust.gateway;
  const { id = '' } = await lists.create({ account_id, name: 'Staff', type: 'EMAIL', items });
  await allowOnly(held, { email_list: { id } });
  return id;
}

/** A person who holds access in every form at once. */
interface Held {
  readonly world: Gated;
  readonly person: Person;
  readonly userId: string;
  readonly application: GatedApplication;
  readonly policyId: string;
  readonly browser: Browser;
  readonly alive: Readonly<Record<Channel, () => Promise<boolean>>>;
}

gatedOnBothDatabases('every path ends every channel that it covers', (world) => {
  const behind: { upstream?: Upstream; sockets?: GateSockets } = {};
  before(async () => {
    registerLogout(world());
    behind.sockets = watchGateSockets();
    behind.upstream = await startUpstream();
  });
  after(async () => {
    behind.sockets?.[Symbol.dispose]();
    await behind.upstream?.[Symbol.asyncDispose]();
  });

  for (const [name, path] of Object.entries(PATHS)) {
    it(`when ${name}`, async () => {
      // Each channel is tried on a person of its own, so that trying one touches no other. Where the path can
      // be taken once, all are tried on one person: what ends cannot be disturbed.
      const groups = path.isLast ? [TRIED_TOGETHER] : CHANNELS.map((channel) => [channel]);
      for (const channels of groups) {
        const { upstream, sockets } = behind;
        assert.ok(upstream && sockets);
        const held = await hold(world(), { upstream, sockets });
        for (const channel of channels) await assertAlive(held, channel);
        await path.does(held);
        for (const channel of channels) {
          const ending = path.cells[channel];
          assert.equal(await held.alive[channel](), ending === 'stays', `${channel}: ${ending}`);
        }
      }
    });
  }

  it('and no route that changes something is missing from these tables', () => {
    const { control } = world().app.app;
    const routes = listRoutes({ control, vault: createVault(Buffer.alloc(32)), config: world().app.config });
    const changing = routes.filter((route) => route.method !== 'GET').map((route) => route.operation);
    const tables = [
      PATHS,
      ACCOUNT_PATHS,
      MEMBER_PATHS,
      SERVICE_PATHS,
      DEVICE_PATHS,
      CERTIFICATE_PATHS,
      GATE_PATHS,
    ];
    const paths = tables.flatMap((table) => Object.values(table).flatMap((path) => path.operations));
    const known = new Set([...paths, ...Object.keys(NOTHING_ENDS)]);
    assert.deepEqual(
      changing.filter((operation) => !known.has(operation)),
      [],
      'say in test/removal/completeness.test.ts what these end',
    );
    assert.deepEqual(
      [...known].filter((operation) => !changing.includes(operation)),
      [],
      'these routes are gone',
    );
  });
});

/** What ends everything at once, and so has a world of its own; what is held by it is tried together. */
const ACCOUNT_PATHS = {
  'the account is deleted': {
    operations: ['accounts-account-deletion'],
    does: async ({ app, account_id }: Gated) => {
      await addOlderAccount(app);
      const roles = [superAdministrator.id];
      const { sdk } = await addPerson(app, await firstTenant(app), { email: 'owner@example.com', roles });
      return await sdk.accounts.delete({ account_id });
    },
  },
} as const;

for (const [name, path] of Object.entries(ACCOUNT_PATHS)) {
  gatedOnBothDatabases('everything that an account has ends at once', (world) => {
    it(`when ${name}`, async () => {
      using sockets = watchGateSockets();
      await using upstream = await startUpstream();
      const held = await hold(world(), { upstream, sockets });
      const service = await holdAsService(world(), 'service-of-the-account');
      const gate = await holdAsGate(world().app, 'gate of the account');
      const member = await holdAsMember(world(), 'member.of.the.account@example.com');
      const inSum: [string, () => Promise<boolean>][] = [
        ...SERVICE_CHANNELS.map((channel) => [channel, service.alive[channel]] as const),
        ...GATE_CHANNELS.map((channel) => [channel, gate.alive[channel]] as const),
        ...MEMBER_CHANNELS.map((channel) => [channel, member.alive[channel]] as const),
      ].map(([channel, alive]) => [channel, alive]);
      for (const channel of TRIED_TOGETHER) await assertAlive(held, channel);
      for (const [channel, alive] of inSum) assert.equal(await alive(), true, `${channel} was not alive`);
      await path.does(world());
      for (const channel of TRIED_TOGETHER)
        assert.equal(await held.alive[channel](), false, `${channel}: ends`);
      for (const [channel, alive] of inSum) assert.equal(await alive(), false, `${channel}: ends`);
    });
  });
}

const TRIED_TOGETHER: readonly Channel[] = [
  'exchange in flight',
  'open connection',
  'session',
  'application token',
  'way back by the session',
  'other application',
  'hand-off code',
  'sign-in in progress',
];

/** What works once cannot be tried before; its own happy path has its test elsewhere. */
async function assertAlive(held: Held, channel: Channel): Promise<void> {
  if (channel === 'sign-in in progress' || channel === 'hand-off code') return;
  assert.equal(await held.alive[channel](), true, `${channel} was not alive before`);
}

/** The application is before a foreign proxy and, on another port of its host, before the built-in one. */
async function hold(world: Gated, behind: { upstream: Upstream; sockets: GateSockets }): Promise<Held> {
  const person = world.person();
  const name = `${person.sub}.localhost`;
  const direct = `${name}:${world.app.port}`;
  const domain = `${name}:${new URL(world.site).port}`;
  const application = await world.createApplication(domain, {
    destinations: [
      { type: 'public', uri: domain },
      { type: 'public', uri: direct, upstream: behind.upstream.origin },
    ],
  });
  const browser = await world.signedIn(person, { site: application.site });
  await opensIt(browser, world.site);
  const token = tokenIn(browser, application.site);
  const waiting = world.browser();
  const callback = await stopBefore(CALLBACK, { browser: waiting, person, site: application.site });
  const code = await codeFor(world, { browser, application, person });
  const user = await world.user(person);
  const { sdk, account_id } = world;
  const policies = await sdk.zeroTrust.access.applications.policies.list(application.id, { account_id });
  const { upstream, sockets } = behind;
  const openDirectly = (kind: ExchangeKind) =>
    openExchange({ proxied: { world, upstream, host: direct }, sockets }, kind, {
      headers: Object.fromEntries([withToken(token)]),
    });
  return {
    world,
    person,
    application,
    browser,
    userId: user.id,
    policyId: policies.result[0]?.id ?? '',
    alive: {
      'sign-in in progress': async () => isSignedIn(await waiting.get(callback)),
      'hand-off code': async () => {
        const page = await code.browser.get(code.url);
        return page.status === 302 && (await opensIt(code.browser, application.site));
      },
      session: async () => (await browser.get(world.team + IDENTITY)).status === 200,
      'application token': () => admits(world, application, [withToken(token)]),
      'way back by the session': () => opensIt(browser, application.site),
      'other application': () => opensIt(browser, world.site),
      'exchange in flight': staysOpen(() => openDirectly('waiting')),
      'open connection': staysOpen(() => openDirectly('websocket')),
    },
  };
}

/** Opens it when first asked, and tells from then on whether it is open at both of its ends. */
function staysOpen(open: () => Promise<OpenExchange>): () => Promise<boolean> {
  let opened: OpenExchange | null = null;
  return async () => {
    opened ??= await open();
    return !opened.gate.client.destroyed && !opened.gate.upstream.destroyed;
  };
}

/** A callback that ends in a session sets its cookie; one that is superseded goes back to the provider. */
function isSignedIn({ headers }: { headers: { 'set-cookie'?: string[] | undefined } }): boolean {
  return headers['set-cookie']?.some((cookie) => /^(__Host-)?CF_Authorization=e/.test(cookie)) === true;
}

async function opensIt(browser: Browser, site: string): Promise<boolean> {
  const page = await browser.follow(site, { until: (next) => next.pathname.endsWith('/auth') });
  return page.status === 200 && page.text.startsWith('hello ');
}

async function stopBefore(
  pathname: string,
  { browser, person, site }: { browser: Browser; person: Person; site: string },
): Promise<URL> {
  const page = await signIn(browser, site, {
    login: person.sub,
    until: (next) => next.pathname === pathname,
  });
  assert.equal(page.location?.pathname, pathname, page.text);
  return page.location;
}

/** A hand-off code of the same session, not redeemed: the cookies of the team domain in a second browser. */
async function codeFor(
  world: Gated,
  { browser, application, person }: { browser: Browser; application: GatedApplication; person: Person },
) {
  const other = world.browser();
  const team = new URL(world.team);
  const cookies = browser.jar.cookiesFor(team).map(({ name, value }) => `${name}=${value}; Path=/`);
  other.jar.store(team, cookies);
  const url = await stopBefore(AUTHORIZED, { browser: other, person, site: application.site });
  return { browser: other, url };
}

gatedOnBothDatabases('every path ends what a service token opens', (world) => {
  for (const [name, path] of Object.entries(SERVICE_PATHS)) {
    it(`when ${name}`, async () => {
      const number = Object.keys(SERVICE_PATHS).indexOf(name);
      const held = await holdAsService(world(), `service-${number}`);
      for (const channel of SERVICE_CHANNELS)
        assert.equal(await held.alive[channel](), true, `${channel} was not alive`);
      await path.does(held);
      for (const channel of SERVICE_CHANNELS) {
        const ending = path.cells[channel];
        assert.equal(await held.alive[channel](), ending === 'stays', `${channel}: ${ending}`);
      }
    });
  }
});

gatedOnBothDatabases('every path ends what a device opens', (world) => {
  const behind: { upstream?: Upstream; sockets?: GateSockets } = {};
  before(async () => {
    await allowDevices(world());
    behind.sockets = watchGateSockets();
    behind.upstream = await startUpstream();
  });
  after(async () => {
    behind.sockets?.[Symbol.dispose]();
    await behind.upstream?.[Symbol.asyncDispose]();
  });

  for (const [name, path] of Object.entries(DEVICE_PATHS)) {
    it(`when ${name}`, async () => {
      const { upstream, sockets } = behind;
      assert.ok(upstream && sockets);
      const number = Object.keys(DEVICE_PATHS).indexOf(name);
      const held = await holdAsDevice(world(), `device-${number}`, { upstream, sockets });
      for (const channel of DEVICE_CHANNELS)
        assert.equal(await held.alive[channel](), true, `${channel} was not alive`);
      await path.does(held);
      for (const channel of DEVICE_CHANNELS) {
        const ending = path.cells[channel];
        assert.equal(await held.alive[channel](), ending === 'stays', `${channel}: ${ending}`);
      }
    });
  }
});

mutualTlsOnBothDatabases('every path ends what a client certificate opens', (world) => {
  for (const [name, path] of Object.entries(CERTIFICATE_PATHS)) {
    it(`when ${name}`, async () => {
      const number = Object.keys(CERTIFICATE_PATHS).indexOf(name);
      const held = await holdAsCertificate(world(), `certificate-${number}`);
      for (const channel of CERTIFICATE_CHANNELS)
        assert.equal(await held.alive[channel](), true, `${channel} was not alive`);
      await path.does(held);
      for (const channel of CERTIFICATE_CHANNELS) {
        const ending = path.cells[channel];
        assert.equal(await held.alive[channel](), ending === 'stays', `${channel}: ${ending}`);
      }
    });
  }
});

gatedOnBothDatabases('every path ends what a gate has', (world) => {
  for (const [name, path] of Object.entries(GATE_PATHS)) {
    it(`when ${name}`, async () => {
      const held = await holdAsGate(world().app, name);
      for (const channel of GATE_CHANNELS)
        assert.equal(await held.alive[channel](), true, `${channel} was not alive`);
      await path.does(held);
      for (const channel of GATE_CHANNELS) {
        const ending = path.cells[channel];
        assert.equal(await held.alive[channel](), ending === 'stays', `${channel}: ${ending}`);
      }
    });
  }
});

/** The forms in which a member holds the right to use the API; those of the group came through a user group. */
const MEMBER_CHANNELS = [
  'key, by the group',
  'key, by itself',
  'user token, by the group',
  'account token that they created',
] as const;
type MemberChannel = (typeof MEMBER_CHANNELS)[number];

interface MemberPath {
  readonly operations: readonly string[];
  readonly does: (held: HeldByMember) => Promise<unknown>;
  readonly cells: Readonly<Record<MemberChannel, Ending>>;
}

const groupOnly: MemberPath['cells'] = {
  'key, by the group': 'ends',
  'key, by itself': 'stays',
  'user token, by the group': 'ends',
  'account token that they created': 'stays',
};
const tokenOnly: MemberPath['cells'] = { ...groupOnly, 'key, by the group': 'stays' };

const MEMBER_PATHS: Readonly<Record<string, MemberPath>> = {
  'the member is removed': {
    operations: ['account-members-remove-member'],
    does: ({ tenant: { sdk, accountId }, member }) =>
      sdk.accounts.members.delete(member.memberId, { account_id: accountId }),
    cells: { ...groupOnly, 'key, by itself': 'ends' },
  },
  'the member leaves': {
    operations: ['user-account-memberships-delete-membership'],
    does: ({ member }) => member.sdk.memberships.delete(member.memberId),
    cells: { ...groupOnly, 'key, by itself': 'ends' },
  },
  'the member rejects the membership': {
    operations: ['user-account-memberships-update-membership'],
    does: ({ member }) => member.sdk.memberships.update(member.memberId, { status: 'rejected' }),
    cells: { ...groupOnly, 'key, by itself': 'ends' },
  },
  'the policies of the member are replaced by none': {
    operations: ['account-members-update-member'],
    does: ({ tenant: { sdk, accountId }, member }) =>
      sdk.accounts.members.update(member.memberId, { account_id: accountId, policies: [] }),
    cells: {
      'key, by the group': 'stays',
      'key, by itself': 'ends',
      'user token, by the group': 'stays',
      'account token that they created': 'stays',
    },
  },
  'the member is removed from the group': {
    operations: ['account-user-group-member-delete'],
    does: ({ tenant: { sdk, accountId }, member, groupId }) =>
      sdk.iam.userGroups.members.delete(member.memberId, { account_id: accountId, user_group_id: groupId }),
    cells: groupOnly,
  },
  'the members of the group are replaced by none': {
    operations: ['account-user-group-members-update'],
    does: ({ tenant: { sdk, accountId }, groupId }) =>
      sdk.iam.userGroups.members.update(groupId, { account_id: accountId, members: [] }),
    cells: groupOnly,
  },
  'the policies of the group are replaced by none': {
    operations: ['account-user-group-update'],
    does: ({ tenant: { sdk, accountId }, groupId }) =>
      sdk.iam.userGroups.update(groupId, { account_id: accountId, policies: [] }),
    cells: groupOnly,
  },
  'the resources that the policy of the group names are fewer': {
    operations: ['account-resource-group-update'],
    does: async ({ tenant, groupId }) => {
      const { sdk, accountId: account_id, zoneId } = tenant;
      const key = `com.cloudflare.api.account.${account_id}`;
      const some = (object: string) => ({ key, objects: [{ key: object }] });
      const { resourceGroups } = sdk.iam;
      const name = `Resources of ${groupId}`;
      const { id: on } = await resourceGroups.create({ account_id, name, scope: some('*') });
      const policies = policiesOf(tenant, { may: [BY_GROUP], on });
      await sdk.iam.userGroups.update(groupId, { account_id, policies } as never);
      const scope = some(`com.cloudflare.api.account.zone.${zoneId}`);
      await resourceGroups.update(on, { account_id, scope });
    },
    cells: groupOnly,
  },
  'the group is removed': {
    operations: ['account-user-group-delete'],
    does: ({ tenant: { sdk, accountId }, groupId }) =>
      sdk.iam.userGroups.delete(groupId, { account_id: accountId }),
    cells: groupOnly,
  },
  'the user token is deleted': {
    operations: ['user-api-tokens-delete-token'],
    does: ({ member, userTokenId }) => member.sdk.user.tokens.delete(userTokenId),
    cells: tokenOnly,
  },
  'the user token is rolled': {
    operations: ['user-api-tokens-roll-token'],
    does: ({ member, userTokenId }) => member.sdk.user.tokens.value.update(userTokenId, { body: {} }),
    cells: tokenOnly,
  },
  'the user token is disabled': {
    operations: ['user-api-tokens-update-token'],
    does: async ({ member, userTokenId, tenant }) =>
      member.sdk.user.tokens.update(userTokenId, {
        name: 'disabled',
        status: 'disabled',
        policies: [tokenPolicy(tenant.accountId, [BY_GROUP])],
      }),
    cells: tokenOnly,
  },
  'the account token is deleted': {
    operations: ['account-api-tokens-delete-token'],
    does: ({ tenant: { sdk, accountId }, accountTokenId }) =>
      sdk.accounts.tokens.delete(accountTokenId, { account_id: accountId }),
    cells: accountTokenOnly(),
  },
  'the account token is rolled': {
    operations: ['account-api-tokens-roll-token'],
    does: ({ tenant: { sdk, accountId }, accountTokenId }) =>
      sdk.accounts.tokens.value.update(accountTokenId, { account_id: accountId }),
    cells: accountTokenOnly(),
  },
  'the account token is disabled': {
    operations: ['account-api-tokens-update-token'],
    does: async ({ tenant: { sdk, accountId }, accountTokenId }) =>
      sdk.accounts.tokens.update(accountTokenId, {
        account_id: accountId,
        name: 'disabled',
        status: 'disabled',
        policies: [tokenPolicy(accountId, [BY_GROUP])],
      }),
    cells: accountTokenOnly(),
  },
};

function accountTokenOnly(): MemberPath['cells'] {
  return {
    'key, by the group': 'stays',
    'key, by itself': 'stays',
    'user token, by the group': 'stays',
    'account token that they created': 'ends',
  };
}

/** A member who holds the right to use the API in every form. */
interface HeldByMember {
  readonly tenant: Tenant;
  readonly member: Member;
  readonly groupId: string;
  readonly userTokenId: string;
  readonly accountTokenId: string;
  readonly alive: Readonly<Record<MemberChannel, () => Promise<boolean>>>;
}

const BY_GROUP = 'Account Settings Read';
const BY_THEMSELVES = 'Account API Tokens Write';

gatedOnBothDatabases('every path ends what a member holds by it', (world) => {
  for (const [name, path] of Object.entries(MEMBER_PATHS)) {
    it(`when ${name}`, async () => {
      const held = await holdAsMember(
        world(),
        `member-${Object.keys(MEMBER_PATHS).indexOf(name)}@example.com`,
      );
      for (const channel of MEMBER_CHANNELS)
        assert.equal(await held.alive[channel](), true, `${channel} was not alive`);
      await path.does(held);
      for (const channel of MEMBER_CHANNELS) {
        const ending = path.cells[channel];
        assert.equal(await held.alive[channel](), ending === 'stays', `${channel}: ${ending}`);
      }
    });
  }
});

async function holdAsMember({ app }: Gated, email: string): Promise<HeldByMember> {
  const tenant = await firstTenant(app);
  const { sdk, accountId } = tenant;
  const account_id = accountId;
  const member = await addPerson(app, tenant, { email, may: [BY_THEMSELVES] });
  const policies = policiesOf(tenant, { may: [BY_GROUP] });
  const group = await sdk.iam.userGroups.create({ account_id, name: `Group of ${email}`, policies });
  await sdk.iam.userGroups.members.create(group.id, { account_id, members: [{ id: member.memberId }] });
  const asked = { name: `Token of ${email}`, policies: [tokenPolicy(accountId, [BY_GROUP])] };
  const own = await member.sdk.user.tokens.create(asked);
  const shared = await member.sdk.accounts.tokens.create({ account_id, ...asked });
  const ownSdk = app.sdk({ apiToken: own.value ?? null });
  const sharedSdk = app.sdk({ apiToken: shared.value ?? null });
  return {
    tenant,
    member,
    groupId: group.id,
    userTokenId: own.id ?? '',
    accountTokenId: shared.id ?? '',
    alive: {
      'key, by the group': async () => (await opens(member.sdk, accountId)) === true,
      'key, by itself': async () => await listsTokens(member.sdk, accountId),
      'user token, by the group': async () => (await opens(ownSdk, accountId)) === true,
      'account token that they created': async () => (await opens(sharedSdk, accountId)) === true,
    },
  };
}

async function listsTokens(sdk: Cloudflare, account_id: string): Promise<boolean> {
  return await sdk.accounts.tokens.list({ account_id }).then(
    () => true,
    () => false,
  );
}
