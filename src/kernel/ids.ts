import { randomAlphanumeric, randomHex, randomUUID, sha256 } from './crypto.ts';

/** 32 lower-case hex: accounts, zones, members, user groups, tokens, policies of members (reference §3.7, §3.8). */
export function newTag(): string {
  return randomHex(16);
}

/** UUID: users, identities, applications, policies, identity providers (reference §2.1). */
export function newUuid(): string {
  return randomUUID();
}

/** How many names of requests are made at once. */
const REQUEST_IDS = 512;

/**
 * Names requests in answers and logs: 16 random hex each. Many are made at once, since asking for randomness would
 * be the dearest part of a decision of the gate.
 */
export function createRequestIds(): () => string {
  let made = '';
  let used = 0;
  return () => {
    if (used === made.length) {
      made = randomHex(8 * REQUEST_IDS);
      used = 0;
    }
    used += 16;
    return made.slice(used - 16, used);
  };
}

/** The AUD tag of an application: 64 hex, fixed for its life (reference §5). */
export function newAudienceTag(): string {
  return randomHex(32);
}

/** The public name of a session: 16 letters and digits, as `identity_nonce` has it (reference §5). */
export function newSessionNonce(): string {
  return randomAlphanumeric(16);
}

/** The public name of a service token (reference §5). */
export function newClientId(): string {
  return `${randomHex(16)}.access`;
}

/** The kinds of secret by their prefixes: three of the API, a service token's (reference §5, §7.1), and a gate's. */
export type SecretKind = 'cfk' | 'cfut' | 'cfat' | 'cfast' | 'pcg';

/**
 * A new secret: prefix, 40 characters, checksum. Keys are lower-case hex (160 bits), tokens alphanumeric
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

const SECRET = /^(cfk|cfut|cfat|cfast|pcg)_([0-9A-Za-z]{40})([0-9a-f]{8})$/;

function checksum(kind: string, body: string): string {
  return sha256(`${kind}_${body}`).slice(0, 8);
}
