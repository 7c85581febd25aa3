import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import type { RefusedReason } from '../../src/sign-in/refused.ts';
import type { Browser, Page } from './browser.ts';
import { CALLBACK, type Gated, type GatedApplication, startGated } from './gated.ts';
import { databases } from './postgres.ts';
import {
  askProvider,
  formOf,
  postResponse,
  type SamlMisbehaviour,
  type SamlPerson,
  type SamlProvider,
  startSamlProvider,
} from './saml-provider.ts';
import { assertRefused, withoutAccess } from './sign-in-steps.ts';

/** A world with a SAML provider, and an application that people reach through it alone. */
export interface SamlWorld {
  readonly world: Gated;
  readonly saml: SamlProvider;
  readonly samlId: string;
  readonly application: GatedApplication;
  /** Where a sign-in with it begins on the team domain. */
  readonly start: string;
  person(more?: Partial<SamlPerson>): SamlPerson;
}

/** Describes what holds on both databases: one world on each, for all tests of the body. */
export function samlOnBothDatabases(
  title: string,
  body: (set: () => SamlWorld) => void,
  engines: readonly (typeof databases)[number][] = databases,
): void {
  for (const { name, create } of engines) {
    describe(`${title} (${name})`, () => {
      const stack = new AsyncDisposableStack();
      const held: { set?: SamlWorld } = {};
      before(async () => {
        const world = stack.use(await startGated(await create()));
        const saml = stack.use(await startSamlProvider());
        held.set = await addSaml(world, saml);
      });
      after(() => stack.disposeAsync());
      body(() => {
        assert.ok(held.set);
        return held.set;
      });
    });
  }
}

export async function addSaml(world: Gated, saml: SamlProvider, config: object = {}): Promise<SamlWorld> {
  const samlId = await createSamlProvider(world, saml, config);
  const host = `saml-${samlId.slice(0, 8)}.localhost:${new URL(world.site).port}`;
  const application = await world.createApplication(host, { allowed_idps: [samlId] });
  const start = `${world.team}/cdn-cgi/access/login?idp=${samlId}`;
  const made = { people: 0 };
  const person = (more: Partial<SamlPerson> = {}): SamlPerson => {
    made.people += 1;
    const nameId = `${samlId.slice(0, 4)}-${made.people}`;
    const one = { nameId, email: `${nameId}@example.com`, name: `Person ${made.people}`, ...more };
    saml.people.push(one);
    return one;
  };
  return { world, saml, samlId, application, start, person };
}

export async function createSamlProvider(
  { app, account_id }: Gated,
  saml: SamlProvider,
  config: object = {},
): Promise<string> {
  const answer = await app.api('POST', `/accounts/${account_id}/access/identity_providers`, {
    body: {
      name: `SAML ${new URL(saml.issuer).port}`,
      type: 'saml',
      config: {
        issuer_url: saml.issuer,
        sso_target_url: saml.ssoUrl,
        idp_public_certs: [saml.pair.cert],
        ...config,
      },
    },
  });
  assert.equal(answer.body.success, true, JSON.stringify(answer.body));
  return answer.body.result.id;
}

export interface SamlWalk {
  readonly browser: Browser;
  readonly person: SamlPerson;
  readonly start?: string;
}

/** Walks to the provider and back to the form that posts its response. */
export async function formFor({ start: usual }: SamlWorld, { browser, person, start = usual }: SamlWalk) {
  return formOf(await askProvider(browser, start, person.nameId));
}

/** Signs in, while the provider lies in these ways; the answer that the callback gives the browser. */
export async function walkSaml(set: SamlWorld, walk: SamlWalk, lie: SamlMisbehaviour = {}): Promise<Page> {
  Object.assign(set.saml.misbehaviour, lie);
  try {
    return await bring(walk.browser, await formFor(set, walk));
  } finally {
    for (const name of Object.keys(lie)) delete set.saml.misbehaviour[name as keyof SamlMisbehaviour];
  }
}

/** Posts a response and opens the callback to which that leads, as a browser does. */
export async function bring(browser: Browser, form: ReturnType<typeof formOf>): Promise<Page> {
  const posted = await postResponse(browser, form);
  if (posted.status !== 303) return posted;
  assert.equal(posted.location?.pathname, CALLBACK);
  assert.equal(posted.headers['set-cookie'], undefined);
  return await browser.get(posted.location);
}

export function hasSession(browser: Browser): boolean {
  return browser.jar.all().some(({ name, value }) => name === 'CF_Authorization' && value !== '');
}

/** Signs somebody in while the provider lies; asserts that nothing came of it, and answers why, as the log has it. */
export async function assertForged(
  set: SamlWorld,
  lie: SamlMisbehaviour,
  reason: RefusedReason = 'provider_answer_invalid',
): Promise<string> {
  const { world } = set;
  const browser = world.browser();
  const walk = { browser, person: set.person() };
  const page = await withoutAccess(world, () => walkSaml(set, walk, lie));
  assertRefused(world, page, reason, reason === 'provider_refused' ? 403 : 502);
  assert.equal(hasSession(browser), false);
  const line = world.log.findLast(({ msg }) => msg === 'sign-in refused');
  return String(line?.cause);
}
