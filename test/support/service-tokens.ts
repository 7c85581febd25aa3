import assert from 'node:assert/strict';
import type { ServiceTokenCreateParams } from 'cloudflare/resources/zero-trust/access/service-tokens';
import { about, ask, type HeaderLine, NAVIGATION, PROGRAM } from './gate-questions.ts';
import type { Gated, GatedApplication } from './gated.ts';

/** A service token with the secret that was shown once. */
export interface Robot {
  readonly id: string;
  readonly clientId: string;
  readonly secret: string;
}

/** A new service token, by the SDK. */
export async function createRobot(
  { sdk, account_id }: Pick<Gated, 'sdk' | 'account_id'>,
  fields: Partial<ServiceTokenCreateParams> = {},
): Promise<Robot> {
  const made = await sdk.zeroTrust.access.serviceTokens.create({ account_id, name: 'robot', ...fields });
  const { id, client_id, client_secret } = made;
  assert.ok(id && client_id && client_secret);
  return { id, clientId: client_id, secret: client_secret };
}

/** The two headers of a service token. */
export function twoHeaders({ clientId, secret }: Pick<Robot, 'clientId' | 'secret'>): HeaderLine[] {
  return [
    ['cf-access-client-id', clientId],
    ['cf-access-client-secret', secret],
  ];
}

/** The value of the single header (reference §5). */
export function oneHeader({ clientId, secret }: Pick<Robot, 'clientId' | 'secret'>): string {
  return JSON.stringify({ 'cf-access-client-id': clientId, 'cf-access-client-secret': secret });
}

/** A policy that lets these service tokens in, or every one. */
export function forRobots(...robots: readonly Pick<Robot, 'id'>[]) {
  const named = robots.map(({ id }) => ({ service_token: { token_id: id } }));
  const include = robots.length > 0 ? named : [{ any_valid_service_token: {} }];
  return { name: 'Robots', decision: 'non_identity', include };
}

/** What a program and a browser that navigates are answered at an application with these headers, and why. */
export async function answersTo(
  world: Gated,
  { site }: Pick<GatedApplication, 'site'>,
  headers: readonly HeaderLine[],
) {
  const question = [...about(world, '/', new URL(site).host), ...headers];
  const program = await ask(world, [...question, ...PROGRAM]);
  const browser = await ask(world, [...question, ...NAVIGATION]);
  assert.equal(program.reason, browser.reason);
  return {
    statuses: [program.status, browser.status],
    reason: program.reason,
    program,
    browser,
  };
}

/** Whether a program is admitted to an application with this credential; nothing is followed. */
export async function admits(
  world: Gated,
  { site }: GatedApplication,
  credential: readonly HeaderLine[],
): Promise<boolean> {
  const question = [...about(world, '/', new URL(site).host), ...PROGRAM, ...credential];
  return (await ask(world, question)).status === 200;
}
