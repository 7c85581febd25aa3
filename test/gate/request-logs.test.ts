import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MINUTE } from '../../src/kernel/clock.ts';
import { startTestApp } from '../support/app.ts';
import { tokenIn } from '../support/forge.ts';
import { about, ask, NAVIGATION, PROGRAM, withToken } from '../support/gate-questions.ts';
import { type Gated, gatedOnBothDatabases, startGated } from '../support/gated.ts';
import { signIn } from '../support/openid-provider.ts';
import { databases } from '../support/postgres.ts';
import { eventually } from '../support/request-lines.ts';
import { readRows } from '../support/rows.ts';
import { run } from '../support/storage.ts';

/** A line as the SDK answers it, with what is ours. */
interface Line {
  readonly action: string;
  readonly allowed: boolean;
  readonly app_domain: string | null;
  readonly app_uid: string | null;
  readonly connection: string | null;
  readonly count: number;
  readonly idp: string | null;
  readonly ip_address: string | null;
  readonly ray_id: string;
  readonly reason: string;
  readonly user_email: string | null;
  readonly verdict: string;
}

async function list({ sdk, account_id }: Gated, query: object = {}): Promise<Line[]> {
  const logs = sdk.zeroTrust.access.logs.accessRequests;
  return (await logs.list({ account_id, ...query })) as unknown as Line[];
}

/** The lines that the question finds, once there are so many. */
function lines(world: Gated, query: object, many = 1): Promise<Line[]> {
  return eventually(async () => {
    const found = await list(world, query);
    return found.length === many ? found : undefined;
  });
}

const sumOf = (found: readonly Line[]) => found.reduce((sum, { count }) => sum + count, 0);

const REASONS = /polic|allow|deny|match|session|revoked|credential/i;

gatedOnBothDatabases('the request log', (world) => {
  it('has the reason of a denial under the number on its page, which does not have it', async () => {
    const { site } = world();
    const host = `closed.localhost:${new URL(site).port}`;
    const closed = await world().createApplication(host, {
      policies: [
        { name: 'Nobody', decision: 'allow', include: [{ email: { email: 'nobody@example.com' } }] },
      ],
    });
    const browser = world().browser();
    const page = await signIn(browser, closed.site, { login: world().person().sub });
    assert.equal(page.status, 403);
    const id = /<code>([0-9a-f]{16})<\/code>/.exec(page.text)?.[1] ?? assert.fail(page.text);
    assert.doesNotMatch(page.text, /no_policy_matched/);
    const [line] = await lines(world(), { ray_id: id });
    assert.deepEqual([line?.reason, line?.allowed, line?.app_uid], ['no_policy_matched', false, closed.id]);

    // The same at the gate: whoever was let in before the policy changed.
    const person = world().person();
    const inside = await world().signedIn(person);
    await deny(world(), async () => {
      const denied = await world().open(inside);
      assert.equal(denied.status, 403);
      const number = /<code>([0-9a-f]{16})<\/code>/.exec(denied.text)?.[1] ?? assert.fail(denied.text);
      const words = denied.text.replace(/<style>[\s\S]*<\/style>|<[^>]*>/g, ' ');
      assert.doesNotMatch(words.replace('Access denied', ''), REASONS);
      const [found] = await lines(world(), { ray_id: number });
      assert.equal(found?.reason, 'policy_deny');
      assert.equal(found?.verdict, 'deny');
      assert.equal(found?.app_domain, new URL(site).host);
      assert.equal(found?.app_uid, world().application.id);
      assert.equal(found?.user_email, person.email, 'an administrator sees who was denied');
    });
  });

  it('has who was admitted, once a minute, with the address and a count', async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    for (let at = 0; at < 4; at++) await world().open(browser, `/${at}`);
    world().app.clock.advance(MINUTE);
    const query = { email: person.email, email_exact: true, allowed: true };
    const found = await eventually(async () => {
      const visits = (await list(world(), query)).filter(({ action }) => action === 'request');
      return sumOf(visits) === 5 ? visits : undefined;
    });
    // A minute of the clock may have ended in between.
    assert.ok(found.length <= 2, `${found.length} lines`);
    const { app_uid, connection, idp, ip_address } = found[0] ?? assert.fail();
    assert.deepEqual(
      [app_uid, connection, idp, ip_address],
      [world().application.id, 'oidc', world().providerId, '127.0.0.1'],
    );
    await world().open(browser);
    // The sign-in, what was there, and the new minute.
    await lines(world(), query, 1 + found.length + 1);
  });

  it('has sign-ins, those that ended well and those that did not', async () => {
    const person = world().person();
    await world().signedIn(person);
    const [login] = (await lines(world(), { email: person.email }, 2)).filter(
      (one) => one.action === 'login',
    );
    assert.deepEqual(
      [login?.allowed, login?.reason, login?.app_uid, login?.connection],
      [true, 'signed_in', world().application.id, 'oidc'],
    );
    const stranger = world().person({ email_verified: false });
    const page = await signIn(world().browser(), world().site, { login: stranger.sub });
    assert.equal(page.status, 403);
    const id = /<code>([0-9a-f]{16})<\/code>/.exec(page.text)?.[1];
    const [refused] = await lines(world(), { ray_id: id });
    assert.deepEqual(
      [refused?.action, refused?.allowed, refused?.reason, refused?.idp],
      ['login', false, 'email_unverified', world().providerId],
    );
  });

  it('has no credential, no cookie, no path and no query', async () => {
    const token = tokenIn(await world().signedIn(world().person()), world().site);
    const secrets = ['path-secret', 'query-secret', 'cookie-secret', 'bearer-secret', token];
    const sent = [
      ['cookie', `CF_Authorization=${token}; other=cookie-secret`],
      ['authorization', 'Bearer bearer-secret'],
    ] as const;
    const odd = [...about(world(), '/path-secret?query-secret'), ...NAVIGATION, ...sent];
    assert.equal((await ask(world(), odd)).status, 200);
    const refused = await ask(world(), [...odd.slice(0, 4), ...NAVIGATION, withToken(`${token}x`)]);
    await lines(world(), { ray_id: refused.headers.get('x-request-id') });
    const rows = (await readRows(world().database)).access_requests ?? [];
    assert.ok(rows.length > 3);
    for (const secret of secrets) assert.equal(rows.join('\n').includes(secret), false, secret.slice(0, 20));
  });

  it('has nothing of what belongs to no application', async () => {
    const known = await ask(world(), [...about(world()), ...PROGRAM]);
    const unknown = await ask(world(), [...about(world(), '/', 'unknown.localhost'), ...PROGRAM]);
    assert.equal(unknown.reason, 'application_unknown');
    const malformed = await ask(world(), [...about(world(), '/', 'a b'), ...PROGRAM]);
    const last = await ask(world(), [...about(world()), ...PROGRAM, withToken('x')]);
    const idOf = ({ headers }: typeof known) => headers.get('x-request-id');
    for (const answer of [known, last]) await lines(world(), { ray_id: idOf(answer) });
    for (const answer of [unknown, malformed])
      assert.deepEqual(await list(world(), { ray_id: idOf(answer) }), []);
    const rows = (await readRows(world().database)).access_requests?.join('\n') ?? '';
    assert.equal(rows.includes('unknown.localhost'), false);
  });

  it('gives a flood few lines, and hides nobody else behind it', async () => {
    const at = (ip: string) => [...about(world()), ...PROGRAM, ['x-forwarded-for', ip] as const];
    for (let times = 0; times < 40; times++) await ask(world(), at('198.51.100.7'));
    const other = await ask(world(), at('198.51.100.8'));
    await lines(world(), { ray_id: other.headers.get('x-request-id') });
    world().app.clock.advance(MINUTE);
    const found = await eventually(async () => {
      const flood = (await list(world(), { limit: 1000 })).filter(
        ({ ip_address: ip }) => ip === '198.51.100.7',
      );
      return sumOf(flood) === 40 ? flood : undefined;
    });
    // A minute of the clock may have ended in between.
    assert.ok(found.length <= 20, `${found.length} lines`);
  });
});

for (const { name, create } of databases) {
  it(`writes what it still holds when the server stops (${name})`, async () => {
    await using database = await create();
    const kept = { ...database, drop: async () => {}, [Symbol.asyncDispose]: async () => {} };
    const world = await startGated(kept);
    const answer = await ask(world, [...about(world), ...PROGRAM]);
    await world[Symbol.asyncDispose]();
    const rows = (await readRows(database)).access_requests ?? [];
    assert.equal(rows.filter((row) => row.includes(answer.headers.get('x-request-id') ?? '?')).length, 1);
    await using again = await startTestApp(database);
    const { account_id } = again.credentials;
    const found = await again.sdk().zeroTrust.access.logs.accessRequests.list({ account_id });
    assert.equal(found[0]?.ray_id, answer.headers.get('x-request-id'));
  });
}

it('answers every question while the disk is full, and has the lines when there is room', async () => {
  const [kind] = databases;
  await using world = await startGated(await (kind ?? assert.fail()).create());
  const browser = await world.signedIn(world.person());
  const { write } = world.app.app.control.database;
  const limit = (pages: number) => write((tx) => run(tx.query, `pragma max_page_count = ${pages}`));
  await limit(1);
  const answers: string[] = [];
  for (let at = 0; at < 200; at++) {
    const from = ['x-forwarded-for', `198.51.100.${at}`] as const;
    const answer = await ask(world, [...about(world), ...PROGRAM, from]);
    assert.equal(answer.status, 401);
    answers.push(answer.headers.get('x-request-id') ?? '');
    if (at % 50 === 0) assert.equal((await world.open(browser)).status, 200);
  }
  await eventually(async () =>
    world.log.some(({ msg }) => msg === 'the request log is not complete') ? true : undefined,
  );
  await limit(1_000_000);
  await eventually(async () => {
    const found = await list(world, { limit: 1000, allowed: false });
    return answers.every((id) => found.some(({ ray_id }) => ray_id === id)) ? true : undefined;
  });
});

/** Does the work while a policy denies everybody the application. */
async function deny({ sdk, account_id, application }: Gated, work: () => Promise<void>): Promise<void> {
  const policies = sdk.zeroTrust.access.applications.policies;
  const rules = { name: 'Nobody', decision: 'deny', include: [{ everyone: {} }], precedence: 1 };
  const asked = { account_id, ...rules } as unknown as Parameters<typeof policies.create>[1];
  const { id = '' } = await policies.create(application.id, asked);
  await work();
  await policies.delete(id, { account_id, app_id: application.id });
}
