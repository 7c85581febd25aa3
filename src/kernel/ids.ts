import { randomAlphanumeric, randomHex, randomUUID, sha256 } from './crypto.ts';

/** 32 lower-case hex: accounts, zones, members, user groups, tokens, policies of members (reference §3.7, §3.8). */
export function newTag(): string {
  return randomHex(16);
}

/** UUID: users, identities, applications, policies, identity providers (reference §2.1). */
export function newUuid(): string {
  return randomUUID();
}

/** The AUD tag of an application: 64 hex, fixed for its life (reference §5). */
export function newAudienceTag(): string {
  return randomHex(32);
}

/** The public name of a session: 16 letters and digits, as `identity_nonce` has it (reference §5). */
export function newSessionNonce(): string {
  return randomAlphanumeric(16);
}

/** The three kinds of API secret and their prefixes (reference §7.1). */
export type SecretKind = 'cfk' | 'cfut' | 'cfat';

/**
 * A new API secret: prefix, 40 characters, checksum. Keys are lower-case hex (160 bits), tokens alphanumeric
 * (238 bits); older clients test for those alphabets (decisions, Authentication).
 */
export function newSecret(kind: SecretKind): string {
  const body = kind === 'cfk' ? randomHex(20) : randomAlphanumeric(40);
  return `${kind}_${body}${checksum(kind, body)}`;
}

/**
 * Whether a text is well formed as one of the secret kinds, checksum included. What is not is refused
 * before the database is asked.
 */
export function isSecret(text: string, kinds: readonly SecretKind[]): boolean {
  const match = SECRET.exec(text);
  if (!match) return false;
  const [, kind = '', body = '', sum = ''] = match;
  return kinds.includes(kind as SecretKind) && checksum(kind, body) === sum;
}

const SECRET = /^(cfk|cfut|cfat)_([0-9A-Za-z]{40})([0-9a-f]{8})$/;

function checksum(kind: string, body: string): string {
  return sha256(`${kind}_${body}`).slice(0, 8);
}
