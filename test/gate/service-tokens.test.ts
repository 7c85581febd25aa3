import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import type { Reason } from '../../src/gate/decide.ts';
import { DAY, HOUR, MINUTE, SECOND, timestamp } from '../../src/kernel/clock.ts';
import { newSecret } from '../../src/kernel/ids.ts';
import { tokenIn } from '../support/forge.ts';
import { type HeaderLine, withToken } from '../support/gate-questions.ts';
import { type Gated, type GatedApplication, gatedOnBothDatabases } from '../support/gated.ts';
import { answersTo, createRobot, forRobots, type Robot, twoHeaders } from '../support/service-tokens.ts';
import { later } from '../support/sign-in-steps.ts';
import { addTenant } from '../support/tenants.ts';

/* What a service token opens, by its two headers, and when that is over (reference §5, design §4.4). */

let made = 0;

async function applicationFor(world: Gated, policies: readonly object[], more: object = {}) {
  made += 1;
  return await world.createApplication(`robots-${made}.localhost:${new URL(world.site).port}`, {
    policies,
    ...more,
  });
}

/** A robot, and an application that it may use alone. */
async function begin(world: Gated, fields: Parameters<typeof createRobot>[1] = {}, more: object = {}) {
  const robot = await createRobot(world, fields);
  const application = await applicationFor(world, [forRobots(robot)], more);
  const { sdk, account_id } = world;
  const asks = (sent: Pick<Robot, 'clientId' | 'secret'> = robot) =>
    answersTo(world, application, twoHeaders(sent));
  return {
    robot,
    application,
    tokens: sdk.zeroTrust.access.serviceTokens,
    place: { account_id },
    asks,
    sees: async () => {
      const { statuses, reason } = await asks();
      return [statuses, reason];
    },
  };
}

async function assertAdmitted(world: Gated, application: GatedApplication, headers: readonly HeaderLine[]) {
  const { statuses, reason, program } = await answersTo(world, application, headers);
  assert.deepEqual([statuses, reason], [[200, 200], 'policy_allow']);
  return program;
}

/** Nobody known: a program is told so, a browser may sign in. */
async function assertUnknown(
  world: Gated,
  [application, headers]: readonly [GatedApplication, readonly HeaderLine[]],
  reason: Reason,
  name = '',
) {
  const answer = await answersTo(world, application, headers);
  assert.deepEqual([answer.statuses, answer.reason], [[401, 302], reason], name);
}

gatedOnBothDatabases('a service token', (world) => {
  test('is admitted by a policy for it, and the application is told which it is', async () => {
    const { robot, application } = await begin(world());
    const { headers } = await assertAdmitted(world(), application, twoHeaders(robot));
    assert.equal(headers.get('cf-access-authenticated-user-email'), '');
    const { exp = 0, iat = 0, nbf, ...claims } = decodeJwt(headers.get('cf-access-jwt-assertion') ?? '');
    assert.deepEqual(claims, {
      type: 'app',
      aud: [application.aud],
      common_name: robot.clientId,
      sub: '',
      iss: world().team,
    });
    assert.equal(nbf, iat);
    assert.equal(exp - iat, 300);
  });

  test('leaves the other cookies to the application, and is admitted by a policy for all', async () => {
    const robot = await createRobot(world());
    const application = await applicationFor(world(), [forRobots()]);
    const answer = await assertAdmitted(world(), application, [
      ...twoHeaders(robot),
      ['cookie', 'a=1; CF_Binding=x'],
    ]);
    assert.equal(answer.headers.get('cookie'), 'a=1');
    const everyone = { name: 'All', decision: 'non_identity', include: [{ everyone: {} }] };
    await assertAdmitted(world(), await applicationFor(world(), [everyone]), twoHeaders(robot));
  });

  test('is none with a part that is wrong, missing or another’s', async () => {
    const { robot, application } = await begin(world());
    const other = await createRobot(world());
    const { clientId, secret } = robot;
    const wrong: [Partial<Robot>, Reason][] = [
      [{ secret: newSecret('cfast') }, 'service_token_unknown'],
      [{ secret: other.secret }, 'service_token_unknown'],
      [{ clientId: other.clientId }, 'service_token_unknown'],
      [{ secret: secret.slice(0, -1) }, 'service_token_unknown'],
      [{ secret: `${secret}0` }, 'service_token_unknown'],
      [{ secret: secret.toUpperCase() }, 'service_token_unknown'],
      [{ secret: 'undefined' }, 'service_token_unknown'],
      [{ secret: 'x'.repeat(4000) }, 'service_token_unknown'],
      [{ clientId: clientId.toUpperCase() }, 'service_token_unknown'],
      [{ clientId: clientId.replace('.access', '') }, 'service_token_unknown'],
      [{ clientId: robot.id }, 'service_token_unknown'],
      [{ clientId: '__proto__' }, 'service_token_unknown'],
      [{ clientId: 'constructor', secret: 'x' }, 'service_token_unknown'],
      [{ clientId: secret, secret: clientId }, 'service_token_unknown'],
      [{ secret: '' }, 'credential_invalid'],
      [{ clientId: '' }, 'credential_invalid'],
    ];
    for (const [change, reason] of wrong) {
      const headers = twoHeaders({ ...robot, ...change });
      await assertUnknown(world(), [application, headers], reason, JSON.stringify(change));
    }
    for (const line of twoHeaders(robot)) {
      await assertUnknown(world(), [application, [line]], 'credential_invalid', line[0]);
    }
    await assertAdmitted(world(), application, twoHeaders(robot));
  });

  test('that comes twice is no question at all', async () => {
    const { robot, application } = await begin(world());
    const [id, secret] = twoHeaders(robot) as [HeaderLine, HeaderLine];
    for (const headers of [
      [id, secret, secret],
      [id, id, secret],
      [id, secret, ['Cf-Access-Client-Secret', 'x'] as const],
    ]) {
      const answer = await answersTo(world(), application, headers);
      assert.deepEqual([answer.statuses, answer.reason], [[400, 400], 'question_malformed']);
    }
  });

  test('of another account is unknown', async () => {
    const { app } = world();
    const tenant = await addTenant(app, `robots${made}`);
    const theirs = await createRobot({ sdk: tenant.sdk, account_id: tenant.accountId });
    const application = await applicationFor(world(), [forRobots()]);
    await assertUnknown(world(), [application, twoHeaders(theirs)], 'service_token_unknown');
  });

  test('is not admitted by policies for people, by those for others, nor against a deny', async () => {
    const robot = await createRobot(world());
    const other = await createRobot(world());
    const everyone = { name: 'Everyone', decision: 'allow', include: [{ everyone: {} }] };
    const denied: [string, Reason, object[]][] = [
      ['none', 'no_policy_matched', []],
      ['people', 'no_policy_matched', [everyone]],
      ['allow for robots', 'no_policy_matched', [{ ...forRobots(robot), decision: 'allow' }]],
      ['another robot', 'no_policy_matched', [forRobots(other)]],
      ['all but it', 'no_policy_matched', [{ ...forRobots(), exclude: forRobots(robot).include }]],
      [
        'robots with an e-mail',
        'no_policy_matched',
        [{ ...forRobots(), require: [{ email_domain: { domain: 'example.com' } }] }],
      ],
      ['a deny of it', 'policy_deny', [forRobots(), { ...forRobots(robot), name: 'No', decision: 'deny' }]],
      ['a deny of everyone', 'policy_deny', [forRobots(), { ...everyone, decision: 'deny' }]],
    ];
    for (const [name, reason, policies] of denied) {
      const application = await applicationFor(world(), policies);
      const answer = await answersTo(world(), application, twoHeaders(robot));
      assert.deepEqual([answer.statuses, answer.reason], [[403, 403], reason], name);
      assert.doesNotMatch(answer.browser.text, /Robots|policy|token/);
    }
  });

  test('does not help a person, nor a person it', async () => {
    const { robot, application } = await begin(world());
    const page = await world()
      .browser()
      .follow(application.site, { until: ({ pathname }) => pathname.endsWith('/auth') });
    assert.equal(page.status, 302, 'a person is asked to sign in');
    const person = world().person();
    const { site } = world();
    const token = tokenIn(await world().signedIn(person), site);
    const mixed: [string, HeaderLine[]][] = [
      ['a cookie', [withToken(token)]],
      ['an empty cookie', [withToken('')]],
      ['no token in the cookie', [withToken('x')]],
      ['a token in a header', [['cf-access-token', token]]],
    ];
    for (const [name, headers] of mixed) {
      for (const at of [application, world().application]) {
        const answer = await answersTo(world(), at, [...twoHeaders(robot), ...headers]);
        assert.deepEqual([answer.statuses, answer.reason], [[403, 403], 'several_credentials'], name);
      }
    }
    await assertAdmitted(world(), application, twoHeaders(robot));
  });

  test('that is deleted or disabled is refused at the first request after the answer', async () => {
    const { asks, sees, tokens, place, robot } = await begin(world());
    assert.equal((await asks()).reason, 'policy_allow');
    await tokens.update(robot.id, { ...place, enabled: false });
    assert.deepEqual(await sees(), [[401, 302], 'service_token_unknown']);
    await tokens.update(robot.id, { ...place, enabled: true });
    assert.equal((await asks()).reason, 'policy_allow');
    await tokens.delete(robot.id, place);
    assert.deepEqual(await sees(), [[401, 302], 'service_token_unknown']);
  });

  test('that is disabled loses its former secret as well, and gets both back', async () => {
    const { asks, tokens, place, robot } = await begin(world());
    const until = timestamp(world().app.clock.now() + HOUR);
    const { client_secret: secret = '' } = await tokens.rotate(robot.id, {
      ...place,
      previous_client_secret_expires_at: until,
    });
    const both = async () => [(await asks()).reason, (await asks({ ...robot, secret })).reason];
    assert.deepEqual(await both(), ['policy_allow', 'policy_allow']);
    await tokens.update(robot.id, { ...place, enabled: false });
    assert.deepEqual(await both(), ['service_token_unknown', 'service_token_unknown']);
    await tokens.update(robot.id, { ...place, enabled: true });
    assert.deepEqual(await both(), ['policy_allow', 'policy_allow']);
  });

  test('that is rotated is refused with its old secret at once', async () => {
    const { asks, tokens, place, robot } = await begin(world());
    assert.equal((await asks()).reason, 'policy_allow');
    const { client_secret: secret = '' } = await tokens.rotate(robot.id, place);
    assert.equal((await asks()).reason, 'service_token_unknown');
    assert.equal((await asks({ ...robot, secret })).reason, 'policy_allow');
  });

  test('that is rotated with a grace is admitted with both secrets until it ends, or is ended', async () => {
    const { asks, tokens, place, robot } = await begin(world());
    const { clock } = world().app;
    const until = (by: number) => timestamp(clock.now() + by);
    const { client_secret: secret = '' } = await tokens.rotate(robot.id, {
      ...place,
      previous_client_secret_expires_at: until(HOUR),
    });
    const both = async () => [(await asks()).reason, (await asks({ ...robot, secret })).reason];
    assert.deepEqual(await both(), ['policy_allow', 'policy_allow']);
    assert.deepEqual(await later(world(), HOUR - 5 * SECOND, both), ['policy_allow', 'policy_allow']);
    assert.deepEqual(await later(world(), HOUR, both), ['service_token_unknown', 'policy_allow']);
    await tokens.update(robot.id, { ...place, previous_client_secret_expires_at: until(3 * HOUR) });
    assert.deepEqual(await later(world(), 2 * HOUR, both), ['policy_allow', 'policy_allow']);
    await tokens.update(robot.id, { ...place, previous_client_secret_expires_at: until(-DAY) });
    assert.deepEqual(await both(), ['service_token_unknown', 'policy_allow']);
    assert.deepEqual(await later(world(), -2 * DAY, both), ['service_token_unknown', 'policy_allow']);
  });

  test('that is rotated twice keeps the last two secrets alone', async () => {
    const { asks, tokens, place, robot } = await begin(world());
    const grace = { ...place, previous_client_secret_expires_at: timestamp(world().app.clock.now() + HOUR) };
    const { client_secret: second = '' } = await tokens.rotate(robot.id, grace);
    const { client_secret: third = '' } = await tokens.rotate(robot.id, grace);
    const reasons = [];
    for (const secret of [robot.secret, second, third])
      reasons.push((await asks({ ...robot, secret })).reason);
    assert.deepEqual(reasons, ['service_token_unknown', 'policy_allow', 'policy_allow']);
  });

  test('ends by the clock, and its assertion no later', async () => {
    const { asks, robot, application } = await begin(world(), { duration: '10m' });
    const early = await assertAdmitted(world(), application, twoHeaders(robot));
    const claims = decodeJwt(early.headers.get('cf-access-jwt-assertion') ?? '');
    assert.equal((claims.exp ?? 0) - (claims.iat ?? 0), 300);
    await later(world(), 8 * MINUTE, async () => {
      const late = await assertAdmitted(world(), application, twoHeaders(robot));
      const { exp = 0, iat = 0 } = decodeJwt(late.headers.get('cf-access-jwt-assertion') ?? '');
      assert.ok(exp - iat <= 120 && exp - iat > 60, `${exp - iat}`);
    });
    const over = await later(world(), 10 * MINUTE, asks);
    assert.deepEqual([over.statuses, over.reason], [[401, 302], 'service_token_expired']);
  });

  test('outlives clocks that jump a day, either way, by its end alone', async () => {
    const brief = await begin(world(), { duration: '1h' });
    const endless = await begin(world(), { duration: 'forever' });
    for (const [by, briefly] of [
      [DAY, 'service_token_expired'],
      [-DAY, 'policy_allow'],
      [0, 'policy_allow'],
    ] as const) {
      assert.equal((await later(world(), by, brief.asks)).reason, briefly, `${by}`);
      assert.equal((await later(world(), by, endless.asks)).reason, 'policy_allow', `${by}`);
    }
    await endless.tokens.delete(endless.robot.id, endless.place);
    await brief.tokens.rotate(brief.robot.id, brief.place);
    for (const by of [-DAY, DAY]) {
      assert.equal((await later(world(), by, endless.asks)).reason, 'service_token_unknown', `${by}`);
      assert.equal((await later(world(), by, brief.asks)).reason, 'service_token_unknown', `${by}`);
    }
  });

  test('whose end is brought forward ends then, and one that was prolonged lives on', async () => {
    const { asks, tokens, place, robot } = await begin(world());
    await tokens.update(robot.id, { ...place, duration: '2m' });
    assert.equal((await asks()).reason, 'policy_allow');
    assert.equal((await later(world(), 3 * MINUTE, asks)).reason, 'service_token_expired');
    await tokens.refresh(robot.id, place);
    assert.equal((await later(world(), 300 * DAY, asks)).reason, 'policy_allow');
  });

  test('is judged by the policy of the moment', async () => {
    const { asks, sees, application, robot } = await begin(world());
    const { sdk, account_id } = world();
    const { policies } = sdk.zeroTrust.access.applications;
    const [policy] = (await policies.list(application.id, { account_id })).result;
    assert.equal((await asks()).reason, 'policy_allow');
    await policies.delete(policy?.id ?? '', { account_id, app_id: application.id });
    assert.deepEqual(await sees(), [[403, 403], 'no_policy_matched']);
    await policies.create(application.id, { account_id, ...forRobots(robot) } as Parameters<
      typeof policies.create
    >[1]);
    assert.equal((await asks()).reason, 'policy_allow');
    await sdk.zeroTrust.access.applications.delete(application.id, { account_id });
    assert.deepEqual(await sees(), [[403, 403], 'application_unknown']);
  });

  test('stays when the tokens of the application are revoked: it is none of them', async () => {
    const { asks, application, place } = await begin(world());
    await world().sdk.zeroTrust.access.applications.revokeTokens(application.id, place);
    assert.equal((await asks()).reason, 'policy_allow');
  });
});

gatedOnBothDatabases('an application of service tokens alone', (world) => {
  test('tells whoever it does not know 401 and whoever may not 403, and sends nobody to sign in', async () => {
    const { robot, application } = await begin(world(), {}, { strict_service_token_auth: true });
    const other = await createRobot(world());
    const person = tokenIn(await world().signedIn(world().person()), world().site);
    const answers: [HeaderLine[], number, Reason][] = [
      [twoHeaders(robot), 200, 'policy_allow'],
      [twoHeaders(other), 403, 'no_policy_matched'],
      [[], 401, 'no_credential'],
      [twoHeaders({ ...robot, secret: other.secret }), 401, 'service_token_unknown'],
      [twoHeaders(robot).slice(0, 1), 401, 'credential_invalid'],
      [[withToken(person)], 401, 'credential_of_another_application'],
      [[withToken('x')], 401, 'credential_invalid'],
      [[withToken('x'), ...twoHeaders(robot)], 403, 'several_credentials'],
    ];
    for (const [headers, status, reason] of answers) {
      const answer = await answersTo(world(), application, headers);
      assert.deepEqual([answer.statuses, answer.reason], [[status, status], reason]);
      for (const { headers: sent } of [answer.program, answer.browser]) {
        assert.ok(!sent.has('location') && !sent.has('set-cookie'));
        assert.equal(sent.has('www-authenticate'), status === 401);
      }
    }
    const late = await later(world(), 366 * DAY, () => answersTo(world(), application, twoHeaders(robot)));
    assert.deepEqual([late.statuses, late.reason], [[401, 401], 'service_token_expired']);
  });

  test('can tell a service token that may not 401 as well, and people as ever', async () => {
    const { robot, application } = await begin(
      world(),
      {},
      { service_auth_401_redirect: true, read_service_tokens_from_header: 'Authorization' },
    );
    const other = await createRobot(world());
    const wrong = { ...robot, secret: other.secret };
    const json = (of: Robot): HeaderLine[] => [
      [
        'authorization',
        JSON.stringify({ 'cf-access-client-id': of.clientId, 'cf-access-client-secret': of.secret }),
      ],
    ];
    const answers: [HeaderLine[], number[], Reason][] = [
      [twoHeaders(other), [401, 401], 'no_policy_matched'],
      [json(other), [401, 401], 'no_policy_matched'],
      [twoHeaders(wrong), [401, 401], 'service_token_unknown'],
      [json(wrong), [401, 401], 'service_token_unknown'],
      [twoHeaders(robot).slice(1), [401, 401], 'credential_invalid'],
      [[...twoHeaders(robot), ...json(robot)], [401, 401], 'several_credentials'],
      [[], [401, 302], 'no_credential'],
      [[withToken('x')], [401, 302], 'credential_invalid'],
      [[withToken('x'), ...twoHeaders(robot)], [403, 403], 'several_credentials'],
      [twoHeaders(robot), [200, 200], 'policy_allow'],
      [json(robot), [200, 200], 'policy_allow'],
    ];
    for (const [headers, statuses, reason] of answers) {
      const answer = await answersTo(world(), application, headers);
      assert.deepEqual([answer.statuses, answer.reason], [statuses, reason]);
    }
  });
});
