import assert from 'node:assert/strict';
import type { Reason } from '../../src/gate/decide.ts';
import { PROOF_HEADER } from '../../src/protocol/device-proof.ts';
import type { DeviceKey, TestDevice } from './devices.ts';
import type { GatedApplication } from './gated.ts';
import { type Person, signIn } from './openid-provider.ts';
import { ask, type Proxied } from './proxied.ts';

/** A policy for everyone with a device that meets this posture rule. */
export const requiring = (id: string, more: object = {}) => [
  {
    name: 'Managed',
    decision: 'allow',
    include: [{ everyone: {} }],
    require: [{ device_posture: { integration_uid: id } }],
    ...more,
  },
];

let made = 0;

/** A posture rule, by the API; plain `warp` unless told otherwise. */
export async function createPostureRule({ world }: Proxied, more: object = {}): Promise<string> {
  made += 1;
  const body = { account_id: world.account_id, name: `Rule ${made}`, type: 'warp', ...more };
  const { posture } = world.sdk.zeroTrust.devices;
  const rule = await posture.create(body as Parameters<typeof posture.create>[0]);
  return rule?.id ?? assert.fail();
}

/** The cookie of somebody who has signed in there; policies may well turn them away as they are. */
export async function cookieFor({ world }: Proxied, person: Person, to: GatedApplication): Promise<string> {
  const browser = world.browser();
  let page = await signIn(browser, to.site, { login: person.sub });
  // After a removal the provider asks once more.
  if (page.url.pathname.startsWith('/interaction/'))
    page = await browser.followFrom(await browser.post(page.url, { login: person.sub }));
  const held = browser.jar.cookiesFor(new URL(to.site)).find(({ name }) => name === 'CF_Authorization');
  assert.ok(held, page.text);
  return `${held.name}=${held.value}`;
}

export interface DeviceAsking {
  readonly path?: string;
  readonly cookie?: string;
  /** Of the request at `path`, unless another is given; null for none. */
  readonly device?: TestDevice;
  readonly proof?: string | readonly string[] | null;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A program's request by the built-in proxy, with its status, what was logged of it, and what it was told. */
export async function askWith(proxied: Proxied, to: GatedApplication, asking: DeviceAsking) {
  const { path = '/echo', cookie, device, method = 'GET', headers = {} } = asking;
  const url = `${to.site}${path}`;
  const proof = asking.proof === undefined ? (device?.prove({ method, url }) ?? null) : asking.proof;
  const { log } = proxied.world;
  const [before, said] = [proxied.upstream.arrivals.length, log.length];
  const answer = await ask(proxied, path, {
    method,
    headers: {
      host: new URL(to.site).host,
      ...(cookie === undefined ? {} : { cookie }),
      ...(proof === null ? {} : { [PROOF_HEADER]: typeof proof === 'string' ? proof : [...proof] }),
      ...headers,
    },
  });
  const line = log.slice(said).find(({ msg }) => msg === 'gate decision');
  const arrived = proxied.upstream.arrivals.length - before;
  assert.equal(arrived, answer.status < 300 ? 1 : 0, 'what reached the application is not what was said');
  return { ...answer, reason: line?.reason as Reason | undefined, line };
}

/** A proof by somebody else's key that poses as the device's. */
export function posing({ publicJwk }: DeviceKey, other: TestDevice, url: string): string {
  const [header = '', ...rest] = other.prove({ url }).split('.');
  const said = JSON.parse(Buffer.from(header, 'base64url').toString()) as object;
  const forged = Buffer.from(JSON.stringify({ ...said, jwk: publicJwk })).toString('base64url');
  return [forged, ...rest].join('.');
}
