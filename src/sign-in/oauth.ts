import type { Configuration } from 'openid-client';
import { fetchOutbound } from '../kernel/outbound.ts';
import { isObject } from '../kernel/result.ts';
import type { RefusedReason } from './refused.ts';

export type OpenIdClient = typeof import('openid-client');

/** Loaded at the first sign-in, not at start: it is heavy and an API-only node never needs it. */
export const loadClient = (): Promise<OpenIdClient> => import('openid-client');

const TIMEOUT_SECONDS = 10;

/** Lets the library talk to the provider as everything here does that calls out. */
export function dialSafely(client: OpenIdClient, configuration: Configuration, tokenUrl: string): void {
  configuration.timeout = TIMEOUT_SECONDS;
  configuration[client.customFetch] = fetchOutbound;
  // Only a provider on loopback may have http endpoints; creation refuses any other (decisions, Applications).
  if (tokenUrl.startsWith('http:')) client.allowInsecureRequests(configuration);
}

/** Why a sign-in failed that the library gave up. */
export function reasonOf(client: OpenIdClient, error: unknown): RefusedReason {
  if (error instanceof client.AuthorizationResponseError) return 'provider_refused';
  if (error instanceof client.ResponseBodyError) return 'provider_refused';
  const code = (error as { code?: unknown }).code;
  if (error instanceof TypeError || code === 'OAUTH_TIMEOUT') return 'provider_unavailable';
  const root = rootOf(error);
  if (root instanceof Response && root.status >= 500) return 'provider_unavailable';
  // GitHub refuses a code with status 200.
  const body = isObject(root) ? root.body : null;
  return isObject(body) && typeof body.error === 'string' ? 'provider_refused' : 'provider_answer_invalid';
}

function rootOf(error: unknown): unknown {
  let at = error;
  for (let depth = 0; depth < 5 && at instanceof Error; depth += 1) at = at.cause;
  return at;
}
