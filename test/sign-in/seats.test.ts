import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Page } from '../support/browser.ts';
import { type Gated, gatedOnBothDatabases, IDENTITY } from '../support/gated.ts';
import type { Person } from '../support/openid-provider.ts';
import { begun } from '../support/pin-steps.ts';
import { notThe, type PinWorld, pinsOnBothDatabases } from '../support/pin-world.ts';
import { readRows } from '../support/rows.ts';
import { addHolder, seatsInUse, setSeatLimit, userRow } from '../support/seats.ts';
import { assertRefused, callbackFor, signInWith, withoutAccess } from '../support/sign-in-steps.ts';

/** What the page says, without its looks. */
const said = ({ text }: Page) => text.split('</style>')[1] ?? text;

/** Nobody new gets in from here on, whoever is there. */
async function fill({ app }: Gated): Promise<void> {
  await setSeatLimit(app, await seatsInUse(app));
}

async function reasons({ sdk, account_id }: Gated, userId: string): Promise<unknown[]> {
  const page = await sdk.zeroTrust.access.users.failedLogins.list(userId, { account_id });
  return page.result.map(({ metadata }) => (metadata as { reason: unknown }).reason);
}

async function isTurnedAway(world: Gated, person: Person): Promise<void> {
  await withoutAccess(world, async () => {
    const page = await signInWith(world, {}, { browser: world.browser(), person });
    assertRefused(world, page, 'seat_limit');
    assert.match(said(page), /Your organisation has no seat left, and you have none yet\./);
  });
  assert.deepEqual((await readRows(world.database)).sign_in_states, [], 'the sign-in is over');
}

gatedOnBothDatabases('somebody new, when no seat is left', (world) => {
  it('is refused with a page that says so, and nothing of the sign-in remains', async () => {
    await world().signedIn(world().person());
    await fill(world());
    const person = world().person();
    await isTurnedAway(world(), person);
    assert.equal(await userRow(world().app, person.email), undefined);
    await isTurnedAway(world(), person);
  });

  it('is refused where the limit is nought, and by an account that has none in use', async () => {
    await setSeatLimit(world().app, 0);
    await isTurnedAway(world(), world().person());
  });

  it('is refused as a user without a seat too, who finds it under failed logins', async () => {
    await fill(world());
    const { app, sdk, account_id } = world();
    const person = world().person();
    const user = await sdk.zeroTrust.access.users.create({ account_id, email: person.email });
    const before = await userRow(app, person.email);
    await isTurnedAway(world(), person);
    assert.deepEqual(await userRow(app, person.email), before);
    assert.deepEqual(await reasons(world(), user?.id ?? ''), ['seat_limit']);
  });

  it('is refused when the limit came down while they were at the provider', async () => {
    await setSeatLimit(world().app, null);
    const [browser, person] = [world().browser(), world().person()];
    const callback = await callbackFor(world(), { browser, person });
    await fill(world());
    await withoutAccess(world(), async () =>
      assertRefused(world(), await browser.get(callback), 'seat_limit'),
    );
  });

  it('who is blocked is told as before, and not of seats', async () => {
    await fill(world());
    const person = world().person();
    const { sdk, account_id } = world();
    await sdk.post(`/accounts/${account_id}/portcullis/blocked_users`, { body: { email: person.email } });
    const page = await signInWith(world(), {}, { browser: world().browser(), person });
    assertRefused(world(), page, 'user_blocked');
    assert.doesNotMatch(said(page), /seat/);
  });

  it('gets in when the limit is raised, when there is none, and when somebody else is deleted', async () => {
    const { app, sdk, account_id } = world();
    const [one, two, three] = [world().person(), world().person(), world().person()];
    await setSeatLimit(app, (await seatsInUse(app)) + 1);
    await world().signedIn(one);
    await isTurnedAway(world(), two);
    await sdk.zeroTrust.access.users.delete((await world().user(one)).id, { account_id });
    await world().signedIn(two);
    await isTurnedAway(world(), three);
    await setSeatLimit(app, null);
    await world().signedIn(three);
  });
});

gatedOnBothDatabases('somebody who holds a seat', (world) => {
  it('signs in as ever, again and elsewhere, with the one seat', async () => {
    const person = world().person();
    await world().signedIn(person);
    await fill(world());
    const before = await userRow(world().app, person.email);
    assert.match(before?.seat_uid ?? '', /^[0-9a-f-]{36}$/);
    const used = await seatsInUse(world().app);
    await world().signedIn(person);
    await signInWith(world(), {}, { browser: world().browser(), person });
    assert.equal((await userRow(world().app, person.email))?.seat_uid, before?.seat_uid);
    assert.equal(await seatsInUse(world().app), used);
  });

  it('keeps it and what they have when the limit falls below the number in use', async () => {
    await setSeatLimit(world().app, null);
    const person = world().person();
    const browser = await world().signedIn(person);
    await world().signedIn(world().person());
    const { sessions } = await readRows(world().database);
    await setSeatLimit(world().app, 1);
    assert.deepEqual((await readRows(world().database)).sessions, sessions);
    assert.equal((await browser.get(world().team + IDENTITY)).status, 200);
    assert.equal((await world().open(browser)).status, 200);
    await world().signedIn(person);
    await isTurnedAway(world(), world().person());
  });

  it('of a device alone takes no second one by signing in', async () => {
    await setSeatLimit(world().app, null);
    const person = world().person();
    const seat = await addHolder(world().app, person.email, ['gateway']);
    await fill(world());
    await world().signedIn(person);
    const user = await userRow(world().app, person.email);
    assert.deepEqual([user?.seat_uid, user?.access_seat, user?.gateway_seat], [seat, 1, 1]);
    await fill(world());
  });

  it('whom policies deny is told so, as before', async () => {
    await setSeatLimit(world().app, null);
    const person = world().person();
    const application = await world().createApplication(`denied.localhost:${new URL(world().site).port}`, {
      policies: [{ name: 'Others', decision: 'allow', include: [{ email: { email: 'other@example.com' } }] }],
    });
    await world().signedIn(person);
    await fill(world());
    const page = await signInWith(
      world(),
      {},
      { browser: world().browser(), person, start: application.site },
    );
    assert.equal(page.status, 403);
    assert.match(said(page), /You cannot use this application/);
    assert.doesNotMatch(said(page), /seat/);
  });
});

gatedOnBothDatabases('a seat that is taken away', (world) => {
  it('ends the access of the person at once; the next sign-in is a fresh login, with another seat', async () => {
    const { app, sdk, account_id } = world();
    const person = world().person();
    const browser = await world().signedIn(person);
    const seat_uid = (await userRow(app, person.email))?.seat_uid ?? '';
    const waiting = world().browser();
    const callback = await callbackFor(world(), { browser: waiting, person });
    const body = [{ seat_uid, access_seat: false, gateway_seat: false }];
    await sdk.zeroTrust.seats.edit({ account_id, body });
    assert.equal((await browser.get(world().team + IDENTITY)).status, 401);
    assert.equal((await world().open(browser)).status, 302);
    assert.equal(
      (await waiting.get(callback)).headers['set-cookie']?.join().includes('CF_Authorization=e'),
      false,
    );
    const listed = await sdk.zeroTrust.access.users.list({ account_id, email: person.email });
    assert.deepEqual([listed.result[0]?.seat_uid, listed.result[0]?.access_seat], [null, false]);
    const asked = await browser.follow(world().site, { until: ({ pathname }) => pathname.endsWith('/auth') });
    assert.equal(asked.location?.searchParams.get('prompt'), 'login');
    await world().signedIn(person, { browser });
    const after = await userRow(app, person.email);
    assert.ok(after?.seat_uid && after.seat_uid !== seat_uid);
  });

  it('is somebody else’s to take, and the person is refused then', async () => {
    const { app, sdk, account_id } = world();
    const [person, other] = [world().person(), world().person()];
    await world().signedIn(person);
    await fill(world());
    const seat_uid = (await userRow(app, person.email))?.seat_uid ?? '';
    const body = [{ seat_uid, access_seat: false, gateway_seat: false }];
    await sdk.zeroTrust.seats.edit({ account_id, body });
    await world().signedIn(other);
    await withoutAccess(world(), async () => {
      const browser = world().browser();
      let page = await signInWith(world(), {}, { browser, person });
      // Who is made to prove themselves afresh is first sent to do so.
      if (page.url.pathname.startsWith('/interaction/'))
        page = await browser.followFrom(await browser.post(page.url, { login: person.sub }));
      assertRefused(world(), page, 'seat_limit');
    });
  });
});

const CROWD = 50;
const LEFT = 10;

gatedOnBothDatabases('fifty first sign-ins at once', (world) => {
  it('for ten seats are ten people signed in, exactly', async () => {
    const { app, database } = world();
    const crowd = [];
    for (let at = 0; at < CROWD; at += 1) {
      const [browser, person] = [world().browser(), world().person()];
      crowd.push({ browser, callback: await callbackFor(world(), { browser, person }) });
    }
    const used = await seatsInUse(app);
    await setSeatLimit(app, used + LEFT);
    const pages = await Promise.all(crowd.map(({ browser, callback }) => browser.get(callback)));
    const refused = pages.filter(({ status }) => status === 403);
    assert.equal(refused.length, CROWD - LEFT);
    for (const page of refused) assertRefused(world(), page, 'seat_limit');
    assert.equal(await seatsInUse(app), used + LEFT);
    const { users = [], sessions = [], identities = [], sign_in_states: states } = await readRows(database);
    assert.deepEqual([users.length, sessions.length, identities.length], [LEFT, LEFT, LEFT]);
    assert.deepEqual(states, []);
  });
});

pinsOnBothDatabases('a code by mail, when no seat is left', (pins) => {
  async function isRefused({ world }: PinWorld, email: string): Promise<void> {
    const { visitor, url, code } = await begun(pins(), email);
    await withoutAccess(world, async () => {
      const page = await visitor.enter(url, code);
      assertRefused(world, page, 'seat_limit');
      assert.match(said(page), /no seat left/);
      // The code is used up: a person who was refused has to begin again.
      assertRefused(world, await visitor.enter(url, code), 'state_unknown');
    });
  }

  it('signs nobody new in, and whoever holds a seat', async () => {
    const { world } = pins();
    const first = await begun(pins(), 'holder@example.com');
    assert.equal((await first.visitor.enter(first.url, first.code)).status, 200);
    await fill(world);
    await isRefused(pins(), 'new@example.com');
    const again = await begun(pins(), 'holder@example.com');
    assert.match((await again.visitor.enter(again.url, notThe(again.code))).text, /not the code/);
    assert.equal((await again.visitor.enter(again.url, again.code)).status, 200);
  });

  it('signs in the first of two, entered at the same moment for the last seat', async () => {
    const { world } = pins();
    const [one, two] = [await begun(pins(), 'one@example.com'), await begun(pins(), 'two@example.com')];
    const used = await seatsInUse(world.app);
    await setSeatLimit(world.app, used + 1);
    const entering = [one, two].map(({ visitor, url, code }) => visitor.enter(url, code));
    const statuses = (await Promise.all(entering)).map(({ status }) => status);
    assert.deepEqual(statuses.sort(), [200, 403]);
    assert.equal(await seatsInUse(world.app), used + 1);
  });
});
