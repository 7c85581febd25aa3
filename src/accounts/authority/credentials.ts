import { refusal } from '../../kernel/errors.ts';
import { isSecret } from '../../kernel/ids.ts';

/** What a request presents, well formed but not yet believed. */
export interface Credentials {
  readonly token: string | null;
  readonly key: { readonly email: string; readonly key: string } | null;
}

const NAMES = ['authorization', 'x-auth-email', 'x-auth-key', 'x-auth-user-service-key'];

/**
 * Reads the credentials of a request from its raw headers, so that one sent twice is seen (reference §1.1).
 * No credential: 400, 9106. A malformed or repeated one, or a service key: 400, 6003.
 */
export function readCredentials(rawHeaders: readonly string[]): Credentials {
  const sent = new Map<string, string>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? '';
    if (!NAMES.includes(name)) continue;
    if (sent.has(name)) throw malformed(`${name} is given more than once`);
    sent.set(name, rawHeaders[at + 1] ?? '');
  }
  if (sent.has('x-auth-user-service-key')) throw malformed('X-Auth-User-Service-Key is not supported');
  const authorization = sent.get('authorization');
  const token = authorization === undefined ? null : readToken(authorization);
  const key = readKey(sent.get('x-auth-email'), sent.get('x-auth-key'));
  if (!token && !key) throw refusal('noCredential');
  return { token, key };
}

function readToken(authorization: string): string {
  const [scheme = '', token = '', ...rest] = authorization.split(' ');
  if (scheme.toLowerCase() === 'bearer' && rest.length === 0 && isSecret(token, ['cfut', 'cfat']))
    return token;
  throw malformed('Invalid format for Authorization header');
}

function readKey(email: string | undefined, key: string | undefined) {
  if (email === undefined && key === undefined) return null;
  if (email === undefined || key === undefined) throw refusal('noCredential');
  if (email.length > 320 || !email.includes('@')) throw malformed('Invalid format for X-Auth-Email header');
  if (!isSecret(key, ['cfk'])) throw malformed('Invalid format for X-Auth-Key header');
  return { email, key };
}

function malformed(detail: string) {
  return refusal('malformedCredential', { detail });
}
