import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { Browser, type Page } from './browser.ts';
import { type Gated, type GatedApplication, startGated } from './gated.ts';
import { databases, type TestDatabase } from './postgres.ts';
import { codeIn, type SmtpSink, startSmtpSink } from './smtp.ts';

export const PIN = '/cdn-cgi/access/pin';

/** A world whose people may sign in by one-time PIN as well. */
export interface PinWorld extends AsyncDisposable {
  readonly world: Gated;
  readonly sink: SmtpSink;
  /** The provider of one-time PINs. */
  readonly providerId: string;
  /** Of everybody at example.com, except denied@example.com, by PIN alone. */
  readonly application: GatedApplication;
  /** Somebody at an address of their own, whom no limit has met. */
  visitor(): Visitor;
}

/** A browser at some address, and what it does with the pages of a PIN. */
export class Visitor {
  readonly browser: Browser;
  readonly ip: string;
  readonly #pins: PinWorld;

  constructor(pins: PinWorld, ip: string, browser = new Browser({ now: pins.world.app.clock.now })) {
    this.browser = browser;
    this.ip = ip;
    this.#pins = pins;
  }

  get #headers() {
    return { 'x-forwarded-for': this.ip };
  }

  get(url: string | URL): Promise<Page> {
    return this.browser.get(url, this.#headers);
  }

  /** Begins a sign-in, to the application unless to the team domain alone; answers where it is asked for an e-mail. */
  async begin(to: 'application' | 'team' = 'application'): Promise<URL> {
    const { world, providerId, application } = this.#pins;
    const start =
      to === 'team'
        ? new URL(`${world.team}/cdn-cgi/access/login`)
        : (await this.get(application.site)).location;
    assert.ok(start);
    start.searchParams.set('idp', providerId);
    const { location } = await this.get(start);
    assert.equal(location?.pathname, PIN);
    return location;
  }

  post(url: URL, form: Readonly<Record<string, string>>, headers = {}): Promise<Page> {
    return this.browser.post(url, form, { ...this.#headers, ...headers });
  }

  postRaw(url: URL, body: string, headers = {}): Promise<Page> {
    return this.browser.request(url, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: url.origin,
        ...this.#headers,
        ...headers,
      },
    });
  }

  /** Asks for a code and goes on to the page on which it is entered. */
  async ask(url: URL, email: string): Promise<Page> {
    const asked = await this.post(url, { email });
    assert.equal(asked.status, 302, asked.text);
    assert.equal(asked.location?.href, url.href);
    return await this.get(url);
  }

  /** The same for somebody who may sign in; the code that came. */
  async askAndGet(url: URL, email: string): Promise<string> {
    const { sink } = this.#pins;
    const before = sink.mails.filter(({ to }) => to.includes(email)).length;
    await this.ask(url, email);
    const mail = await sink.mail(before, email);
    assert.deepEqual(mail.to, [email]);
    return codeIn(mail);
  }

  enter(url: URL, code: string): Promise<Page> {
    return this.post(url, { code });
  }

  /** Follows the page that ends a sign-in to where it leads by itself. */
  async goOn(page: Page): Promise<Page> {
    const [, target] = /http-equiv="refresh" content="0; url=([^"]+)"/.exec(page.text) ?? [];
    assert.ok(target, page.text);
    const url = new URL(target.replaceAll('&#38;', '&'), page.url);
    return await this.browser.follow(url, { headers: this.#headers });
  }
}

/** Another six digits. */
export function notThe(code: string, step = 1): string {
  return String((Number(code) + step) % 1_000_000).padStart(6, '0');
}

/** Takes the database over. */
export async function startPins(database: TestDatabase, flags: readonly string[] = []): Promise<PinWorld> {
  await using stack = new AsyncDisposableStack();
  const sink = stack.use(await startSmtpSink());
  const mail = [`--smtp=smtp://127.0.0.1:${sink.port}`, '--mail-from=access@acme.example'];
  const world = stack.use(await startGated(database, [...mail, ...flags]));
  const { sdk, account_id } = world;
  const provider = await sdk.zeroTrust.identityProviders.create({
    account_id,
    name: 'A code by mail',
    type: 'onetimepin',
    config: {},
  });
  assert.ok(provider.id);
  const providerId = provider.id;
  const application = await world.createApplication(`pin.localhost:${new URL(world.site).port}`, {
    allowed_idps: [providerId],
    policies: [
      {
        name: 'The company',
        decision: 'allow',
        include: [{ email_domain: { domain: 'example.com' } }],
        exclude: [{ email: { email: 'denied@example.com' } }],
      },
    ],
  });
  const running = stack.move();
  const made = { visitors: 0 };
  const pins: PinWorld = {
    world,
    sink,
    providerId,
    application,
    visitor: () => {
      made.visitors += 1;
      return new Visitor(pins, `198.51.${Math.floor(made.visitors / 200)}.${1 + (made.visitors % 200)}`);
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
  return pins;
}

/** Describes what holds on both databases: one world on each, for all tests of the body. */
export function pinsOnBothDatabases(title: string, body: (pins: () => PinWorld) => void): void {
  for (const { name, create } of databases) {
    describe(`${title} (${name})`, () => {
      const set: { pins?: PinWorld } = {};
      before(async () => {
        set.pins = await startPins(await create());
      });
      after(async () => await set.pins?.[Symbol.asyncDispose]());
      body(() => {
        assert.ok(set.pins);
        return set.pins;
      });
    });
  }
}
