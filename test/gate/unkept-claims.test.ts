import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { createPair } from '../support/certificates.ts';
import { type Gated, gatedOnBothDatabases, IDENTITY } from '../support/gated.ts';
import { readRows } from '../support/rows.ts';
import { signed } from '../support/scripted-provider.ts';
import { type Scripted, scriptedIn } from '../support/scripted-steps.ts';

/*
 * What excludes or denies on a claim must find whoever has it. So no rule asks for a claim that the provider does not
 * keep, none is dropped while a rule asks for it, and one that is added is known of everybody who still has a session.
 */

const TENANT = 'c2a5a8a0-0000-4000-8000-0123456789ab';
const everyone = { everyone: {} };
const counted = { names: 0 };

interface Answer {
  readonly status: number;
  readonly body: {
    readonly result: { readonly id: string };
    readonly errors: readonly { code: number; message: string; source?: { pointer: string } }[];
  };
}

function send({ app, account_id }: Gated, method: string, path: string, body?: object): Promise<Answer> {
  const at = `/accounts/${account_id}/access/${path}`;
  return app.api(method, at, body === undefined ? {} : { body }) as Promise<Answer>;
}

const named = (body: object) => {
  counted.names += 1;
  return { name: `n ${counted.names}`, ...body };
};

/** A group with this rule among those that it excludes. */
const groupWith = (world: Gated, rule: object) =>
  send(world, 'POST', 'groups', named({ include: [everyone], exclude: [rule] }));

const suspended = (provider?: string, name = 'suspended') => ({
  oidc: {
    claim_name: name,
    claim_value: 'true',
    ...(provider === undefined ? {} : { identity_provider_id: provider }),
  },
});

function assertUnkept({ status, body }: Answer, pointer: string, words = /`claims`/): void {
  const [error] = body.errors;
  assert.deepEqual([status, error?.code, error?.source?.pointer], [400, 12130, pointer]);
  assert.match(error?.message ?? '', words);
}

/** An application that lets in whoever the provider knows. */
async function applicationOf(world: Gated, { providerId }: Scripted) {
  counted.names += 1;
  const host = `kept-${counted.names}.localhost:${new URL(world.site).port}`;
  return await world.createApplication(host, { allowed_idps: [providerId] });
}

async function put(world: Gated, { provider, providerId }: Scripted, config: object): Promise<Answer> {
  const given = { client_id: 'portcullis', ...provider.config, ...config };
  return await send(world, 'PUT', `identity_providers/${providerId}`, {
    name: 'Scripted',
    type: 'oidc',
    config: given,
  });
}

/** Whatever holds rules, and what was told of it. */
async function ruleRows({ database }: Gated) {
  const { applications, policies, reusable_policies, access_groups, policy_tests, feed_entries } =
    await readRows(database);
  return { applications, policies, reusable_policies, access_groups, policy_tests, feed_entries };
}

/** What a change of a provider would change; the log of requests is written behind. */
async function toldRows({ database }: Gated) {
  const { identity_providers, sessions, identities, feed_entries } = await readRows(database);
  return { identity_providers, sessions, identities, feed_entries };
}

gatedOnBothDatabases('a rule on a claim that its provider does not keep', (world) => {
  const certificate = { pem: '' };
  before(async () => {
    certificate.pem = (await createPair({ keyType: 'rsa', keySize: 2048 })).cert;
  });

  test('is refused wherever rules are written, in any list, and nothing is stored', async () => {
    await using scripted = await scriptedIn(world(), { config: { claims: ['department'] } });
    const rule = suspended(scripted.providerId);
    const { id } = world().application;
    const deny = { decision: 'deny', include: [rule] };
    const lists = [everyone, rule];
    const app = { type: 'self_hosted', domain: 'unkept.localhost' };
    const at = 'oidc/claim_name';
    const wrong: [string, string, object][] = [
      ['apps', `/policies/0/include/0/${at}`, named({ ...app, policies: [named(deny)] })],
      [`apps/${id}/policies`, `/include/0/${at}`, named(deny)],
      ['policies', `/include/0/${at}`, named(deny)],
      ['policies', `/exclude/1/${at}`, named({ decision: 'allow', include: [everyone], exclude: lists })],
      ['policies', `/require/1/${at}`, named({ decision: 'allow', include: [everyone], require: lists })],
      ['groups', `/exclude/1/${at}`, named({ include: [everyone], exclude: lists })],
      ['policy-tests', `/policies/0/include/0/${at}`, { policies: [named(deny)] }],
    ];
    const rows = await ruleRows(world());
    for (const [path, pointer, body] of wrong)
      assertUnkept(await send(world(), 'POST', path, body), pointer, /"suspended".*`claims`/);
    assert.deepEqual(await ruleRows(world()), rows);
  });

  test('is refused by what each type of provider keeps', async () => {
    const saml = {
      issuer_url: 'urn:example:idp',
      sso_target_url: 'https://idp.example.com/sso',
      idp_public_certs: [certificate.pem],
    };
    const entra = { directory_id: TENANT };
    const oidc = (name: string) => ({ oidc: { claim_name: name, claim_value: 'x' } });
    const attribute = { saml: { attribute_name: 'groups', attribute_value: 'x' } };
    const [azureAD, okta] = [{ azureAD: { id: 'x' } }, { okta: { name: 'x' } }];
    const cases: [string, object, object, string | null][] = [
      ['oidc', { claims: ['a'] }, oidc('a'), null],
      ['oidc', { claims: ['a'] }, oidc('A'), 'oidc/claim_name'],
      ['oidc', {}, oidc('constructor'), 'oidc/claim_name'],
      ['google', {}, oidc('hd'), 'oidc/claim_name'],
      ['google', { claims: ['hd'] }, oidc('hd'), null],
      ['azureAD', entra, azureAD, 'azureAD/identity_provider_id'],
      ['azureAD', { ...entra, support_groups: true }, azureAD, null],
      ['azureAD', { ...entra, claims: ['groups'] }, azureAD, null],
      ['azureAD', { ...entra, support_groups: true }, oidc('groups'), null],
      ['azureAD', { ...entra, support_groups: true }, oidc('roles'), 'oidc/claim_name'],
      ['okta', {}, okta, null],
      ['okta', {}, oidc('groups'), null],
      ['okta', {}, oidc('roles'), 'oidc/claim_name'],
      ['saml', {}, attribute, 'saml/attribute_name'],
      ['saml', { attributes: ['groups'] }, attribute, null],
    ];
    for (const [type, config, rule, pointer] of cases) {
      await using scripted = type === 'saml' ? null : await scriptedIn(world(), { type, config });
      const made = scripted
        ? scripted.providerId
        : (await send(world(), 'POST', 'identity_providers', named({ type, config: { ...saml, ...config } })))
            .body.result.id;
      const [[key = '', content] = []] = Object.entries(rule);
      const full = { [key]: { ...content, identity_provider_id: made } };
      const answer = await groupWith(world(), full);
      if (pointer === null) assert.equal(answer.status, 201, JSON.stringify([type, config, answer.body]));
      else assertUnkept(answer, `/exclude/0/${pointer}`, /`(claims|attributes|support_groups)`/);
    }
  });

  test('of any provider is refused while no OpenID provider keeps it', async () => {
    await using scripted = await scriptedIn(world());
    const rule = { oidc: { claim_name: 'only here', claim_value: 'x' } };
    assertUnkept(await groupWith(world(), rule), '/exclude/0/oidc/claim_name');
    await scripted.configure({ claims: ['only here'] });
    assert.equal((await groupWith(world(), rule)).status, 201);
  });

  test('denies as soon as it is kept: no session that is older comes through', async () => {
    await using scripted = await scriptedIn(world());
    const application = await applicationOf(world(), scripted);
    const person = { sub: 'suspended', email: 'suspended@example.com', suspended: true };
    const colleague = { sub: 'colleague', email: 'colleague@example.com', suspended: false };
    const [browser, other] = [world().browser(), world().browser()];
    for (const [one, who] of [[browser, person] as const, [other, colleague] as const]) {
      scripted.provider.claims = who;
      assert.equal((await one.follow(`${application.site}/`)).status, 200);
    }
    await scripted.configure({ claims: ['suspended'] });
    for (const one of [browser, other]) {
      assert.notEqual((await one.get(`${application.site}/`)).status, 200, 'what was not asked is not known');
      assert.notEqual((await one.get(world().team + IDENTITY)).status, 200);
    }
    const deny = named({ decision: 'deny', include: [suspended(scripted.providerId)] });
    assert.equal((await send(world(), 'POST', `apps/${application.id}/policies`, deny)).status, 201);
    scripted.provider.claims = person;
    assert.match((await browser.follow(`${application.site}/`)).text, /Access denied/);
    scripted.provider.claims = colleague;
    assert.equal((await other.follow(`${application.site}/`)).status, 200);
  });

  test('is known of whoever was on the way to a session while it was added', async () => {
    await using scripted = await scriptedIn(world());
    const [browser, seen] = [world().browser(), { added: 0 }];
    // The answer is on its way, and was asked for when there was nothing to keep.
    scripted.provider.idToken = async (claims, keys) => {
      if (seen.added++ === 0) await scripted.configure({ claims: ['suspended'] });
      return await signed(claims, keys);
    };
    const claims = { sub: 'under-way', email: 'under-way@example.com', suspended: true };
    await scripted.signIn(claims, browser);
    assert.ok(seen.added > 0);
    const { status, text } = await browser.get(world().team + IDENTITY);
    if (status === 200) assert.deepEqual(JSON.parse(text).oidc_fields, { suspended: ['true'] });
  });
});

gatedOnBothDatabases('a claim that a rule asks about', (world) => {
  for (const [name, of] of [
    ['this provider', (id: string) => id],
    ['this provider, written in capitals,', (id: string) => id.toUpperCase()],
    ['any provider', () => undefined],
  ] as const) {
    test(`of ${name} is not dropped, and nothing ends; afterwards it is`, async () => {
      const claims = ['suspended', 'Suspended', 'other'];
      await using scripted = await scriptedIn(world(), { config: { claims } });
      const group = await groupWith(world(), suspended(of(scripted.providerId)));
      assert.equal(group.status, 201, JSON.stringify(group.body));
      const browser = world().browser();
      const who = { sub: `kept of ${name}`, email: `${counted.names}@kept.example` };
      scripted.provider.userInfo = { sub: who.sub };
      assert.equal((await scripted.signIn(who, browser)).status, 200);
      const rows = await toldRows(world());
      for (const left of [[], ['other', 'Suspended'], undefined]) {
        const { status, body } = await put(world(), scripted, left === undefined ? {} : { claims: left });
        assert.deepEqual([status, body.errors[0]?.code], [409, 12132]);
        assert.match(body.errors[0]?.message ?? '', /"suspended".*rules ask.* group "n \d+"/);
      }
      assert.deepEqual(await toldRows(world()), rows);
      assert.equal((await browser.get(world().team + IDENTITY)).status, 200);
      assert.equal(
        (await put(world(), scripted, { claims: ['suspended'] })).status,
        200,
        'none asks for these',
      );
      await send(world(), 'DELETE', `groups/${group.body.result.id}`);
      assert.equal((await put(world(), scripted, {})).status, 200);
    });
  }

  test('of Entra, as a group, keeps support_groups on, in a policy of an application too', async () => {
    const config = { directory_id: TENANT, support_groups: true };
    await using scripted = await scriptedIn(world(), { type: 'azureAD', config });
    const rule = { azureAD: { id: 'x', identity_provider_id: scripted.providerId } };
    const policies = `apps/${world().application.id}/policies`;
    const made = await send(world(), 'POST', policies, named({ decision: 'deny', include: [rule] }));
    assert.equal(made.status, 201, JSON.stringify(made.body));
    await assert.rejects(scripted.configure({ support_groups: false }), /409/);
    await scripted.configure({ support_groups: false, claims: ['groups'] });
    await assert.rejects(scripted.configure({ support_groups: false, claims: [] }), /409/);
    await send(world(), 'DELETE', `${policies}/${made.body.result.id}`);
    await scripted.configure({ support_groups: false });
  });

  test('of another provider keeps nobody from dropping it', async () => {
    await using asked = await scriptedIn(world(), { config: { claims: ['suspended'] } });
    await using free = await scriptedIn(world(), { config: { claims: ['suspended'] } });
    const group = await groupWith(world(), suspended(asked.providerId));
    assert.equal(group.status, 201);
    assert.equal((await put(world(), free, {})).status, 200);
    assert.equal((await put(world(), asked, {})).status, 409);
    await send(world(), 'DELETE', `groups/${group.body.result.id}`);
  });

  test('is never dropped at the moment that a rule begins to ask about it', async () => {
    for (const namedAs of [(id: string) => id, () => undefined]) {
      for (let count = 0; count < 5; count++) {
        counted.names += 1;
        // No other provider keeps it.
        const claim = `at once ${counted.names}`;
        await using scripted = await scriptedIn(world(), { config: { claims: [claim] } });
        const [group, dropped] = await Promise.all([
          groupWith(world(), suspended(namedAs(scripted.providerId), claim)),
          put(world(), scripted, {}),
        ]);
        const seen = [group.status, dropped.status];
        assert.ok(['201,409', '400,200'].includes(seen.join()), seen.join());
        if (group.status === 201) await send(world(), 'DELETE', `groups/${group.body.result.id}`);
      }
    }
  });
});
