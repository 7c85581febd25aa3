import assert from 'node:assert/strict';
import type { Reason } from '../../src/gate/decide.ts';
import type { Gated } from './gated.ts';
import type { RawAnswer } from './raw-http.ts';

export type HeaderLine = readonly [name: string, value: string];

/** What a browser navigating says of itself, and what a program says. */
export const NAVIGATION: readonly HeaderLine[] = [
  ['accept', 'text/html,*/*;q=0.8'],
  ['sec-fetch-mode', 'navigate'],
];
export const PROGRAM: readonly HeaderLine[] = [['accept', 'application/json']];

/** What the proxy tells of a GET of that address. */
export function about({ site }: Gated, uri = '/', host = new URL(site).host): HeaderLine[] {
  return [
    ['x-forwarded-method', 'GET'],
    ['x-forwarded-proto', 'http'],
    ['x-forwarded-host', host],
    ['x-forwarded-uri', uri],
  ];
}

export function withToken(token: string): HeaderLine {
  return ['cookie', `CF_Authorization=${token}`];
}

const IDENTITY = ['cf-access-authenticated-user-email', 'cf-access-jwt-assertion', 'cookie'];

/**
 * Asks, and asserts what is true of every answer: identity headers all together on a 200 and none on anything
 * else, a request id, no caching, and one line of the log with the reason.
 */
export async function ask(
  world: Gated,
  headers: readonly HeaderLine[],
): Promise<RawAnswer & { reason: Reason }> {
  const answer = await world.ask(headers);
  const told = IDENTITY.filter((name) => answer.headers.has(name));
  assert.deepEqual(told, answer.status === 200 ? IDENTITY : [], `${answer.status}`);
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  const requestId = answer.headers.get('x-request-id') ?? '';
  assert.match(requestId, /^[0-9a-f]{16}$/);
  const lines = world.log.filter((line) => line.msg === 'gate decision' && line.requestId === requestId);
  assert.equal(lines.length, 1, answer.text);
  const { verdict, reason } = lines[0] as { verdict?: string; reason?: Reason };
  assert.equal(verdict === 'allow', answer.status === 200);
  return { ...answer, reason: reason ?? assert.fail() };
}

/** Asserts that a browser with these headers is sent to sign in, that a program is told 401, and why. */
export async function assertSignIn(
  world: Gated,
  headers: readonly HeaderLine[],
  reason: Reason,
  name = '',
): Promise<void> {
  const page = await ask(world, [...about(world), ...NAVIGATION, ...headers]);
  assert.deepEqual([page.status, page.reason], [302, reason], name);
  assert.equal(new URL(page.headers.get('location') ?? '').origin, world.team);
  const program = await ask(world, [...about(world), ...PROGRAM, ...headers]);
  assert.deepEqual([program.status, program.reason], [401, reason], name);
  assert.match(program.headers.get('www-authenticate') ?? '', /^Bearer realm="app\.localhost:\d+"$/);
}
