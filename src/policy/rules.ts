import { normaliseDomain, normaliseEmail } from '../kernel/email.ts';
import { below, collect, isObject, misread, own, type Parsed, parsed, quote } from '../kernel/result.ts';

/**
 * A condition on an identity, in Cloudflare's shape (reference §3.4), its e-mail, domain or id normalised so that
 * evaluation compares texts alone. It is made by `parseRules`; what a caller wrote is kept elsewhere, as it was.
 */
export type Rule =
  | { readonly everyone: Readonly<Record<string, never>> }
  | { readonly email: { readonly email: string } }
  | { readonly email_domain: { readonly domain: string } }
  | { readonly service_token: { readonly token_id: string } }
  | { readonly any_valid_service_token: Readonly<Record<string, never>> };

/** An Access policy: whom it concerns, and what it decides for them. */
export interface Policy {
  readonly id: string;
  readonly name: string;
  /** `allow` is for people, `non_identity` for service tokens, `deny` for both. */
  readonly decision: 'allow' | 'deny' | 'non_identity';
  /** Lower goes first. */
  readonly precedence: number;
  readonly include: readonly Rule[];
  readonly exclude: readonly Rule[];
  readonly require: readonly Rule[];
  /** A duration (`24h`); null leaves it to the application. */
  readonly session_duration: string | null;
}

/** What is known of whoever asks when a policy is evaluated: a person, or a service token that is valid. */
export type Identity = PersonIdentity | ServiceIdentity;

export interface PersonIdentity {
  /** A key of `normaliseEmail`. */
  readonly email: string;
}

export interface ServiceIdentity {
  readonly serviceTokenId: string;
}

/** Cloudflare's limit of rules in one list (reference §3.4). */
export const MOST_RULES = 1000;

/**
 * Reads a list of rules. Each is an object with one key, its type; what that holds has no further keys either,
 * since a condition that is not understood must not be left out. Problems point below the given pointer.
 */
export function parseRules(value: unknown, pointer: string): Parsed<Rule[]> {
  if (!Array.isArray(value)) return misread(pointer, 'must be an array of rules');
  if (value.length > MOST_RULES) return misread(pointer, `must have at most ${MOST_RULES} rules`);
  return collect(value.map((rule, index) => parseRule(rule, below(pointer, index))));
}

/** Reads the rules of which at least one must match: as `parseRules`, and never empty. */
export function parseInclude(value: unknown, pointer: string): Parsed<Rule[]> {
  if (Array.isArray(value) && value.length === 0) return misread(pointer, 'must have at least one rule');
  return parseRules(value, pointer);
}

type Reader = (content: Record<string, unknown>, pointer: string) => Parsed<Rule>;

const READERS: ReadonlyMap<string, Reader> = new Map([
  ['everyone', readEveryone],
  ['email', readEmail],
  ['email_domain', readEmailDomain],
  ['service_token', readServiceToken],
  ['any_valid_service_token', readAnyServiceToken],
]);

/** The rule types that Cloudflare has and Portcullis does not, yet. */
const NOT_YET: ReadonlySet<string> = new Set([
  'auth_context',
  'auth_method',
  'azureAD',
  'certificate',
  'cloudflare_account_member',
  'common_name',
  'device_posture',
  'email_list',
  'external_evaluation',
  'geo',
  'github-organization',
  'group',
  'gsuite',
  'ip',
  'ip_list',
  'linked_app_token',
  'login_method',
  'oidc',
  'okta',
  'saml',
  'user_risk_score',
]);

function parseRule(rule: unknown, pointer: string): Parsed<Rule> {
  const [type, ...more] = isObject(rule) ? Object.keys(rule) : [];
  if (!isObject(rule) || type === undefined || more.length > 0) {
    return misread(pointer, 'must be an object with exactly one key, the type of the rule');
  }
  const read = READERS.get(type);
  if (!read) return unsupported(type, pointer);
  const content = own(rule, type);
  if (!isObject(content)) return misread(below(pointer, type), 'must be an object');
  return read(content, below(pointer, type));
}

function unsupported(type: string, pointer: string): Parsed<never> {
  if (NOT_YET.has(type)) return misread(below(pointer, type), `the rule type "${type}" is not supported yet`);
  return misread(pointer, `the rule type ${quote(type)} is not known, and so not supported`);
}

function readEveryone(content: Record<string, unknown>, pointer: string): Parsed<Rule> {
  return readEmpty(content, pointer, { everyone: {} });
}

function readAnyServiceToken(content: Record<string, unknown>, pointer: string): Parsed<Rule> {
  return readEmpty(content, pointer, { any_valid_service_token: {} });
}

/** The rule, which takes no condition. */
function readEmpty(content: Record<string, unknown>, pointer: string, rule: Rule): Parsed<Rule> {
  return Object.keys(content).length === 0 ? parsed(rule) : misread(pointer, 'must be empty');
}

function readServiceToken(content: Record<string, unknown>, pointer: string): Parsed<Rule> {
  const id = readText(content, pointer, TOKEN_ID);
  return id.ok ? parsed({ service_token: { token_id: id.value } }) : id;
}

function readEmail(content: Record<string, unknown>, pointer: string): Parsed<Rule> {
  const email = readText(content, pointer, EMAIL);
  return email.ok ? parsed({ email: { email: email.value } }) : email;
}

function readEmailDomain(content: Record<string, unknown>, pointer: string): Parsed<Rule> {
  const domain = readText(content, pointer, DOMAIN);
  return domain.ok ? parsed({ email_domain: { domain: domain.value } }) : domain;
}

interface TextField {
  readonly key: string;
  readonly expected: string;
  normalise(text: string): string | null;
}

const EMAIL: TextField = { key: 'email', expected: 'an e-mail address', normalise: normaliseEmail };
const DOMAIN: TextField = {
  key: 'domain',
  expected: 'a domain such as example.com',
  normalise: normaliseDomain,
};

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const TOKEN_ID: TextField = {
  key: 'token_id',
  expected: 'the id of a service token',
  normalise: (text) => (UUID.test(text.toLowerCase()) ? text.toLowerCase() : null),
};

/** The normalised text of the one field that an object may have. */
function readText(content: Record<string, unknown>, pointer: string, field: TextField): Parsed<string> {
  const { key, expected, normalise } = field;
  if (Object.keys(content).some((other) => other !== key)) {
    return misread(pointer, `must have no key but "${key}"`);
  }
  const text = own(content, key);
  const value = typeof text === 'string' ? normalise(text) : null;
  return value === null ? misread(below(pointer, key), `must be ${expected}`) : parsed(value);
}
