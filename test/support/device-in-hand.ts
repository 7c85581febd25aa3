import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { generateP256KeyPair } from '../../src/kernel/crypto.ts';
import { makeDeviceProof, PROOF_HEADER } from '../../src/protocol/device-proof.ts';
import type { Browser, Page } from './browser.ts';
import type { Gated } from './gated.ts';
import { type Person, signIn } from './openid-provider.ts';

export const DEVICE = '/cdn-cgi/access/device';
export const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:device_code';
export const SAME = { 'sec-fetch-site': 'same-origin' };

/** An answer to a device. */
export interface DeviceAnswer {
  readonly status: number;
  readonly headers: Page['headers'];
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape, asserted on by the tests
  readonly body: any;
}

export interface DeviceAsks {
  readonly body?: unknown;
  /** The header of the proof: another, or null for none. */
  readonly proof?: string | null;
  readonly headers?: Readonly<Record<string, string | null>>;
}

/** A device with a key of its own, and what it asks of the team domain. */
export type DeviceInHand = ReturnType<typeof deviceInHand>;

export function deviceInHand(world: Gated, name = 'Laptop', key = generateP256KeyPair().privateJwk) {
  const facts = {
    type: 'linux',
    os_version: '6.12.48',
    os_distro_name: 'debian',
    serial_number: `S-${name}`,
  };
  const hardware_id = `hardware-${randomUUID()}`;
  const now = () => world.app.clock.now();
  const proof = (method: string, url: string, jti = randomUUID(), at = now()) =>
    makeDeviceProof({ privateJwk: key, method, url, now: at, jti });
  const ask = async (method: string, path: string, asks: DeviceAsks = {}): Promise<DeviceAnswer> => {
    const url = `${world.team}${DEVICE}/${path}`;
    const { body, headers = {} } = asks;
    const page = await world.browser().request(url, {
      method,
      headers: {
        [PROOF_HEADER]: asks.proof === undefined ? proof(method, url) : asks.proof,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    return { status: page.status, headers: page.headers, body: JSON.parse(page.text) };
  };
  const enrollment = { name, hardware_id, facts };
  return {
    key,
    facts,
    enrollment,
    proof,
    ask,
    /** Asks to be enrolled. */
    async begin(more: object = {}): Promise<{ device_code: string; user_code: string }> {
      const { status, body } = await ask('POST', 'enrollments', { body: { ...enrollment, ...more } });
      assert.equal(status, 200, JSON.stringify(body));
      return body;
    },
    poll: (device_code: string) => ask('POST', 'token', { body: { grant_type: GRANT_TYPE, device_code } }),
    session: () => ask('GET', 'session'),
    /** Is enrolled by the person of this browser. */
    async enrolledBy(browser: Browser): Promise<{ registration_id: string; device_id: string }> {
      const { device_code, user_code } = await this.begin();
      const page = await answerDevice(world, { browser, user_code });
      assert.equal(page.status, 200, page.text);
      const { status, body } = await this.poll(device_code);
      assert.equal(status, 200, JSON.stringify(body));
      return body;
    },
  };
}

/** The page of a code, as a person opens it. */
export function openDevice(world: Gated, browser: Browser, user_code: string): Promise<Page> {
  return browser.get(`${world.team}${DEVICE}?${new URLSearchParams({ user_code })}`);
}

/** Signs in anew, as the page of a device has people do that refused their session; the page that it leads to. */
export async function signInAgain(
  world: Gated,
  browser: Browser,
  { person, user_code }: { person: Person; user_code?: string },
): Promise<Page> {
  const query = new URLSearchParams({ ...(user_code === undefined ? {} : { user_code }), again: '1' });
  return await signIn(browser, `${world.team}${DEVICE}?${query}`, { login: person.sub });
}

/** What the form of the page carries. */
export function deviceForm(page: Page): { token: string; code: string } {
  const value = (name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(page.text)?.[1];
  const [token, code] = [value('token'), value('code')];
  assert.ok(token && code, page.text);
  return { token, code };
}

/** Opens the page of a code and presses one of its buttons. */
export async function answerDevice(
  world: Gated,
  { browser, user_code, decision = 'enrol' }: { browser: Browser; user_code: string; decision?: string },
): Promise<Page> {
  const form = deviceForm(await openDevice(world, browser, user_code));
  return await pressDevice(world, browser, { ...form, decision });
}

export function pressDevice(world: Gated, browser: Browser, fields: Record<string, string>): Promise<Page> {
  return browser.post(world.team + DEVICE, fields, SAME);
}
