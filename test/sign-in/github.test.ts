import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RefusedReason } from '../../src/sign-in/refused.ts';
import type { Browser, Page } from '../support/browser.ts';
import { CALLBACK, type Gated, gatedOnBothDatabases } from '../support/gated.ts';
import { type GithubPerson, type OddAnswer, startGithub, type TestGithub } from '../support/github.ts';
import { assertRefused, withoutAccess } from '../support/sign-in-steps.ts';

const people = { made: 0 };

/** Somebody of whom nobody has heard yet. */
function newPerson(more: Partial<GithubPerson> = {}): GithubPerson {
  people.made += 1;
  const login = `Octo-${people.made}`;
  return {
    id: 1000 + people.made,
    login,
    name: `Octo ${people.made}`,
    emails: [
      { email: `${login}@users.noreply.github.com`, primary: false, verified: true },
      { email: `${login}@example.com`, primary: true, verified: true },
    ],
    organizations: ['Example-Org'],
    teams: [['Example-Org', 'engineers']],
    ...more,
  };
}

interface Hub extends AsyncDisposable {
  readonly github: TestGithub;
  readonly providerId: string;
  /** Opens the address and follows to its end, by way of this provider alone. */
  open(browser: Browser, person?: GithubPerson): Promise<Page>;
}

/** A GitHub, and the application of the world open by it alone. */
async function withGithub(
  world: Gated,
  { policies, ...config }: { policies?: object[]; accept_stale_login?: boolean } = {},
): Promise<Hub> {
  const github = await startGithub(world.team + CALLBACK, newPerson());
  const { client_id, client_secret } = github.client;
  const account = `/accounts/${world.account_id}/access`;
  const provider = await world.app.api('POST', `${account}/identity_providers`, {
    body: {
      name: 'GitHub',
      type: 'github',
      config: { client_id, client_secret, base_url: github.origin, ...config },
    },
  });
  assert.equal(provider.status, 201, JSON.stringify(provider.body));
  const providerId: string = provider.body.result.id;
  const own = policies?.map((policy) =>
    JSON.parse(JSON.stringify(policy).replaceAll('PROVIDER', providerId)),
  );
  const application = await world.app.api('PUT', `${account}/apps/${world.application.id}`, {
    body: {
      name: 'app',
      type: 'self_hosted',
      domain: new URL(world.site).host,
      allowed_idps: [providerId],
      policies: own ?? [{ name: 'Everyone', decision: 'allow', include: [{ everyone: {} }] }],
    },
  });
  assert.equal(application.status, 200, JSON.stringify(application.body));
  return {
    github,
    providerId,
    open: async (browser, person = newPerson()) => {
      github.person = person;
      return await browser.follow(world.site);
    },
    [Symbol.asyncDispose]: () => github[Symbol.asyncDispose](),
  };
}

gatedOnBothDatabases('a sign-in by GitHub is refused', (world) => {
  const odd: [string, RefusedReason, number, Readonly<Record<string, OddAnswer>>][] = [
    [
      'GitHub is down at the token',
      'provider_unavailable',
      502,
      { '/login/oauth/access_token': { status: 500 } },
    ],
    ['its API is down', 'provider_unavailable', 502, { '/user/orgs': { status: 503 } }],
    ['the token does not count', 'provider_answer_invalid', 502, { '/user': { status: 401 } }],
    ['nobody is named', 'provider_answer_invalid', 502, { '/user': { body: { login: 'ghost' } } }],
    ['an id is no number', 'provider_answer_invalid', 502, { '/user': { body: { id: '12', login: 'x' } } }],
    ['organizations may not be seen', 'provider_answer_invalid', 502, { '/user/orgs': { status: 403 } }],
    ['organizations are no list', 'provider_answer_invalid', 502, { '/user/orgs': { body: {} } }],
    [
      'an organization could be a team',
      'provider_answer_invalid',
      502,
      { '/user/orgs': { body: [{ login: 'example-org/engineers' }] } },
    ],
    ['teams are missing', 'provider_answer_invalid', 502, { '/user/teams': { status: 404 } }],
    [
      'a list has no end',
      'provider_answer_invalid',
      502,
      { '/user/orgs': { body: [], headers: { link: '<https://elsewhere.example/>; rel="next"' } } },
    ],
  ];
  for (const [name, reason, status, answers] of odd) {
    test(`when ${name}, and no access comes of it`, async () => {
      await using hub = await withGithub(world());
      Object.assign(hub.github.odd, answers);
      const page = await withoutAccess(world(), () => hub.open(world().browser()));
      assertRefused(world(), page, reason, status);
    });
  }

  test('when it grants less than was asked for, since organizations would be missing', async () => {
    await using hub = await withGithub(world());
    for (const granted of ['', 'user:email', 'read:org']) {
      hub.github.granted = granted;
      const page = await withoutAccess(world(), () => hub.open(world().browser()));
      assertRefused(world(), page, 'provider_answer_invalid', 502);
    }
  });

  test('when there are more organizations and teams than are kept', async () => {
    await using hub = await withGithub(world());
    const organizations = Array.from({ length: 201 }, (_, at) => `org-${at}`);
    const page = await withoutAccess(world(), () =>
      hub.open(world().browser(), newPerson({ organizations, teams: [] })),
    );
    assertRefused(world(), page, 'provider_answer_invalid', 502);
  });

  test('when the primary e-mail is not verified, whatever others are', async () => {
    await using hub = await withGithub(world());
    const person = newPerson();
    for (const one of person.emails) one.verified = !one.primary;
    assertRefused(
      world(),
      await withoutAccess(world(), () => hub.open(world().browser(), person)),
      'email_unverified',
    );
    person.emails = person.emails.filter(({ primary }) => !primary);
    assertRefused(
      world(),
      await withoutAccess(world(), () => hub.open(world().browser(), person)),
      'email_missing',
    );
  });

  test('when its code was used, or is of a sign-in with another challenge', async () => {
    await using _ = await withGithub(world());
    const until = (next: URL) => next.pathname === CALLBACK;
    const callback = async (browser: Browser) => {
      const page = await browser.follow(world().site, { until });
      return page.location ?? assert.fail(page.text);
    };
    const [one, other] = [world().browser(), world().browser()];
    const [own, stolen] = [await callback(one), await callback(other)];
    own.searchParams.set('code', stolen.searchParams.get('code') ?? '');
    assertRefused(world(), await withoutAccess(world(), () => one.get(own)), 'provider_refused');
    assertRefused(world(), await withoutAccess(world(), () => other.get(stolen)), 'provider_refused');
  });

  test('when the answer names another issuer', async () => {
    await using hub = await withGithub(world());
    const browser = world().browser();
    const until = (next: URL) => next.pathname === CALLBACK;
    hub.github.person = newPerson();
    const callback = (await browser.follow(world().site, { until })).location ?? assert.fail();
    callback.searchParams.set('iss', 'https://github.com/login/oauth');
    assertRefused(
      world(),
      await withoutAccess(world(), () => browser.get(callback)),
      'provider_answer_invalid',
      502,
    );
  });

  test('after a revocation, since GitHub cannot say when it asked; unless the provider may leave that out', async () => {
    for (const [accept, ends] of [
      [false, 'not_reauthenticated'],
      [true, null],
    ] as const) {
      await using hub = await withGithub(world(), { accept_stale_login: accept });
      const person = newPerson();
      const email = person.emails.find(({ primary }) => primary)?.email ?? '';
      assert.equal((await hub.open(world().browser(), person)).text, `hello ${email.toLowerCase()}`);
      await world().sdk.zeroTrust.access.users.list({ account_id: world().account_id, email });
      await world().sdk.zeroTrust.organizations.revokeUsers({ account_id: world().account_id, email });
      const page = await hub.open(world().browser(), person);
      assert.equal(hub.github.asked.get('prompt'), 'select_account');
      if (ends === null) assert.equal(page.text, `hello ${email.toLowerCase()}`);
      else assertRefused(world(), page, ends);
    }
  });
});

gatedOnBothDatabases('a person signs in by GitHub', (world) => {
  test('with PKCE and a state, known by a number that stays when the name changes', async () => {
    await using hub = await withGithub(world());
    const person = newPerson();
    const email = `${person.login}@example.com`.toLowerCase();
    assert.equal((await hub.open(world().browser(), person)).text, `hello ${email}`);
    const { asked } = hub.github;
    assert.equal(asked.get('scope'), 'read:org user:email');
    assert.equal(asked.get('prompt'), null);
    assert.match(asked.get('state') ?? '', /^[\w-]{43}$/);
    const [user] = (await world().sdk.zeroTrust.access.users.list({ account_id: world().account_id, email }))
      .result;
    person.login = `${person.login}-renamed`;
    const browser = world().browser();
    assert.equal((await hub.open(browser, person)).text, `hello ${email}`);
    const again = await world().sdk.zeroTrust.access.users.list({ account_id: world().account_id, email });
    assert.deepEqual(
      again.result.map(({ id, name }) => [id, name]),
      [[user?.id, person.name]],
    );
    const identity = JSON.parse((await browser.get(`${world().team}/cdn-cgi/access/get-identity`)).text);
    assert.deepEqual(identity.groups, ['example-org', 'example-org/engineers']);
    assert.deepEqual([identity.name, identity.idp], [person.name, { id: hub.providerId, type: 'github' }]);
    assert.ok(hub.github.requests.every((path) => !path.includes('token')));
  });

  test('and every page of organizations and teams counts', async () => {
    const rule = { 'github-organization': { name: 'last-org', identity_provider_id: 'PROVIDER' } };
    await using hub = await withGithub(world(), {
      policies: [{ name: 'Last', decision: 'allow', include: [rule] }],
    });
    const organizations = [...Array.from({ length: 120 }, (_, at) => `org-${at}`), 'Last-Org'];
    const person = newPerson({ organizations, teams: [] });
    const email = `${person.login}@example.com`.toLowerCase();
    assert.equal((await hub.open(world().browser(), person)).text, `hello ${email}`);
    assert.ok(hub.github.requests.includes('/user/orgs?per_page=100&page=2'));
    const stranger = await hub.open(world().browser(), newPerson());
    assert.equal(stranger.status, 403);
  });

  test('and the application is open to the members of an organization, or of a team, alone', async () => {
    const team = { name: 'Example-Org', team: 'Engineers', identity_provider_id: 'PROVIDER' };
    await using hub = await withGithub(world(), {
      policies: [{ name: 'Team', decision: 'allow', include: [{ 'github-organization': team }] }],
    });
    const member = newPerson();
    const browser = world().browser();
    assert.equal((await hub.open(browser, member)).status, 200);
    const others: Partial<GithubPerson>[] = [
      { teams: [] },
      { teams: [['other-org', 'engineers']] },
      { teams: [['example-org', 'operators']] },
      { organizations: [], teams: [] },
    ];
    for (const other of others) {
      const page = await hub.open(world().browser(), newPerson(other));
      assert.equal(page.status, 403, JSON.stringify(other));
      assert.doesNotMatch(page.text, /hello/);
    }
    // Whoever leaves the team loses it with the next sign-in, in every browser.
    assert.equal((await world().open(browser)).status, 200);
    assert.equal((await hub.open(world().browser(), { ...member, teams: [] })).status, 403);
    assert.notEqual((await world().open(browser)).status, 200);
  });
});
