import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import type Cloudflare from 'cloudflare';
import { MINUTE } from '../../src/kernel/clock.ts';
import { newTag } from '../../src/kernel/ids.ts';
import type { Browser } from '../support/browser.ts';
import { tokenIn } from '../support/forge.ts';
import { type Gated, gatedOnBothDatabases } from '../support/gated.ts';

/*
 * How long the token of an application is good for: what the policy that lets the person in says, else what the
 * application says, else a day; and never longer than the session, which is the organization's.
 */

type NewPolicy = Omit<Cloudflare.ZeroTrust.Access.PolicyCreateParams, 'account_id'>;

const HOUR = 60;
const DAY = 24 * HOUR;

const allow = (fields: object = {}) => ({
  name: 'Everyone',
  decision: 'allow',
  include: [{ everyone: {} }],
  ...fields,
});
const forSomebodyElse = { include: [{ email: { email: 'somebody.else@example.com' } }] };

/** Kinds of policies: an application's own, and reusable ones. */
const KINDS = {
  own: async (_world: Gated, policies: readonly object[]) => policies,
  reusable: async ({ sdk, account_id }: Gated, policies: readonly object[]) => {
    const made: object[] = [];
    for (const policy of policies) {
      const { precedence, ...fields } = policy as { precedence?: number };
      const { id } = await sdk.zeroTrust.access.policies.create({ account_id, ...(fields as NewPolicy) });
      made.push({ id, ...(precedence === undefined ? {} : { precedence }) });
    }
    return made;
  },
} as const;

interface Case {
  readonly name: string;
  /** Of the application; null says nothing. */
  readonly application: string | null;
  readonly policies: readonly object[];
  /** Minutes. */
  readonly lasts: number;
}

const CASES: readonly Case[] = [
  { name: 'neither says anything', application: null, policies: [allow()], lasts: DAY },
  { name: 'the application alone does', application: '6h', policies: [allow()], lasts: 6 * HOUR },
  {
    name: 'the policy leaves it to the application',
    application: '48h',
    policies: [allow({ session_duration: null })],
    lasts: 2 * DAY,
  },
  {
    name: 'the policy says less than the application',
    application: '6h',
    policies: [allow({ session_duration: '30m' })],
    lasts: 30,
  },
  {
    name: 'the policy says more than the application',
    application: '6h',
    policies: [allow({ session_duration: '7h45m' })],
    lasts: 7 * HOUR + 45,
  },
  {
    name: 'the policy alone does',
    application: null,
    policies: [allow({ session_duration: '72h' })],
    lasts: 3 * DAY,
  },
  {
    name: 'another policy, for somebody else, comes first',
    application: '6h',
    policies: [allow({ ...forSomebodyElse, session_duration: '10m' }), allow({ session_duration: '2h' })],
    lasts: 2 * HOUR,
  },
  {
    name: 'a policy that denies somebody else comes first',
    application: '6h',
    policies: [
      allow({ ...forSomebodyElse, decision: 'deny', session_duration: '10m' }),
      allow({ session_duration: '2h' }),
    ],
    lasts: 2 * HOUR,
  },
  {
    name: 'two let the person in: the one of lower precedence, wherever it stands',
    application: '6h',
    policies: [
      allow({ session_duration: '10m', precedence: 9 }),
      allow({ session_duration: '2h', precedence: 4 }),
    ],
    lasts: 2 * HOUR,
  },
  {
    name: 'the first of two that let the person in leaves it to the application',
    application: '6h',
    policies: [allow(), allow({ session_duration: '10m' })],
    lasts: 6 * HOUR,
  },
];

interface Claims {
  readonly iat: number;
  readonly exp: number;
}

function claimsIn(browser: Browser, origin: string): Claims {
  const [, payload = ''] = tokenIn(browser, origin).split('.');
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Claims;
}

type Kind = keyof typeof KINDS;
const BOTH = Object.keys(KINDS) as Kind[];

async function setGlobal({ sdk, account_id }: Gated, session_duration: string): Promise<void> {
  await sdk.zeroTrust.organizations.update({ account_id, session_duration });
}

async function createApplication(
  world: Gated,
  kind: Kind,
  { application, policies }: Pick<Case, 'application' | 'policies'>,
) {
  const host = `${newTag()}.${new URL(world.site).host}`;
  return await world.createApplication(host, {
    policies: await KINDS[kind](world, policies),
    ...(application === null ? {} : { session_duration: application }),
  });
}

function signIn(world: Gated, site: string): Promise<Browser> {
  return world.signedIn(world.person(), { site });
}

gatedOnBothDatabases('the token of an application', (world) => {
  before(async () => await setGlobal(world(), '744h'));

  for (const kind of BOTH) {
    for (const one of CASES) {
      it(`is good for as long as it should be where ${one.name} (${kind})`, async () => {
        const { site } = await createApplication(world(), kind, one);
        const { iat, exp } = claimsIn(await signIn(world(), site), site);
        assert.equal(exp - iat, one.lasts * 60);
      });
    }
  }

  // The clock is moved from here on, and the provider does not know of it: nobody signs in afterwards.
  it('follows a change of its policy when it is made anew, and not before', async () => {
    const { sdk, account_id, app } = world();
    const { policies, applications } = sdk.zeroTrust.access;
    const change = allow({ session_duration: '2h' });
    const visits: { site: string; browser: Browser; first: Claims }[] = [];
    for (const kind of BOTH) {
      const before = { application: '6h', policies: [allow({ session_duration: '30m' })] };
      const { id, site } = await createApplication(world(), kind, before);
      const browser = await signIn(world(), site);
      visits.push({ site, browser, first: claimsIn(browser, site) });
      const { result } = await applications.policies.list(id, { account_id });
      const policyId = result[0]?.id ?? '';
      if (kind === 'own') {
        await applications.policies.update(policyId, { account_id, app_id: id, ...change } as never);
      } else {
        await policies.update(policyId, { account_id, ...(change as unknown as NewPolicy) });
      }
    }
    for (const { site, browser, first } of visits) {
      assert.equal(first.exp - first.iat, 30 * 60);
      assert.equal((await browser.get(site)).status, 200);
      assert.deepEqual(claimsIn(browser, site), first);
    }
    app.clock.advance(31 * MINUTE);
    for (const { site, browser } of visits) {
      assert.equal((await browser.follow(site)).status, 200);
      const { iat, exp } = claimsIn(browser, site);
      assert.equal(exp - iat, 2 * HOUR * 60);
    }
  });
});

gatedOnBothDatabases('the token of an application, where the session is short,', (world) => {
  before(async () => await setGlobal(world(), '1h'));

  it('ends with the session, whatever policy and application say', async () => {
    const { app, team } = world();
    const long = { application: '6h', policies: [allow({ session_duration: '72h' })] };
    const visits: { later: string; browser: Browser; session: Claims }[] = [];
    for (const kind of BOTH) {
      const [one, two] = [
        await createApplication(world(), kind, long),
        await createApplication(world(), kind, long),
      ];
      const browser = await signIn(world(), one.site);
      const session = claimsIn(browser, team);
      assert.equal(claimsIn(browser, one.site).exp, session.exp);
      assert.ok(session.exp - session.iat <= HOUR * 60);
      visits.push({ later: two.site, browser, session });
    }
    app.clock.advance(40 * MINUTE);
    for (const { later, browser, session } of visits) {
      assert.equal((await browser.follow(later)).status, 200);
      assert.equal(claimsIn(browser, later).exp, session.exp);
    }
    const before = world().arrived.length;
    app.clock.advance(21 * MINUTE);
    for (const { later, browser } of visits) assert.equal((await browser.get(later)).status, 302);
    assert.equal(world().arrived.length, before);
  });
});
