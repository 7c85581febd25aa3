import { normaliseCidr } from '../kernel/address.ts';
import { normaliseDomain, normaliseEmail } from '../kernel/email.ts';
import { below, collect, isObject, misread, own, type Parsed, parsed, quote } from '../kernel/result.ts';
import { MOST_RULES, type Rule } from './rules.ts';

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

interface TextField {
  readonly expected: string;
  normalise(text: string): string | null;
}

/** What a rule of a type holds: fields that must be there, fields that may, and what is made of them. */
interface RuleShape<Required extends string = string, Optional extends string = string> {
  readonly required: Readonly<Record<Required, TextField>>;
  readonly optional: Readonly<Record<Optional, TextField>>;
  make(texts: Readonly<Record<Required, string> & Record<Optional, string | null>>): Rule;
}

const EMAIL: TextField = { expected: 'an e-mail address', normalise: normaliseEmail };
const DOMAIN: TextField = { expected: 'a domain such as example.com', normalise: normaliseDomain };
const TEXT: TextField = {
  expected: 'a text of 1 to 1024 characters',
  normalise: (text) => (text !== '' && text.length <= 1024 ? text : null),
};
const NAME: TextField = { ...TEXT, normalise: (text) => TEXT.normalise(text)?.toLowerCase() ?? null };
const BLOCK: TextField = { expected: 'an IP address or a block in CIDR notation', normalise: normaliseCidr };
const ADDRESS: TextField = { expected: 'an https URL (http is for loopback alone)', normalise: toHttps };

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The id of an object; whether the account has it is asked elsewhere. */
function idOf(what: string): TextField {
  return {
    expected: `the id of ${what}`,
    normalise: (text) => (UUID.test(text.toLowerCase()) ? text.toLowerCase() : null),
  };
}

const PROVIDER = idOf('an identity provider');

const SHAPES: ReadonlyMap<string, RuleShape> = new Map<string, RuleShape>([
  ['everyone', shape({}, {}, () => ({ everyone: {} }))],
  ['any_valid_service_token', shape({}, {}, () => ({ any_valid_service_token: {} }))],
  ['certificate', shape({}, {}, () => ({ certificate: {} }))],
  ['email', shape({ email: EMAIL }, {}, (email) => ({ email }))],
  ['email_domain', shape({ domain: DOMAIN }, {}, (email_domain) => ({ email_domain }))],
  ['email_list', shape({ id: idOf('a list') }, {}, (email_list) => ({ email_list }))],
  ['ip', shape({ ip: BLOCK }, {}, (ip) => ({ ip }))],
  ['ip_list', shape({ id: idOf('a list') }, {}, (ip_list) => ({ ip_list }))],
  ['group', shape({ id: idOf('an Access group') }, {}, (group) => ({ group }))],
  ['login_method', shape({ id: PROVIDER }, {}, (login_method) => ({ login_method }))],
  ['auth_method', shape({ auth_method: TEXT }, {}, (auth_method) => ({ auth_method }))],
  ['common_name', shape({ common_name: TEXT }, {}, (common_name) => ({ common_name }))],
  ['service_token', shape({ token_id: idOf('a service token') }, {}, (token) => ({ service_token: token }))],
  [
    'oidc',
    shape({ claim_name: TEXT, claim_value: TEXT }, { identity_provider_id: PROVIDER }, (oidc) => ({ oidc })),
  ],
  [
    'saml',
    shape({ attribute_name: TEXT, attribute_value: TEXT, identity_provider_id: PROVIDER }, {}, (saml) => ({
      saml,
    })),
  ],
  ['azureAD', shape({ id: TEXT, identity_provider_id: PROVIDER }, {}, (azureAD) => ({ azureAD }))],
  ['okta', shape({ name: TEXT, identity_provider_id: PROVIDER }, {}, (okta) => ({ okta }))],
  [
    'github-organization',
    shape({ name: NAME, identity_provider_id: PROVIDER }, { team: NAME }, (organization) => ({
      'github-organization': organization,
    })),
  ],
  [
    'device_posture',
    shape({ integration_uid: idOf('a device posture rule') }, {}, (device_posture) => ({ device_posture })),
  ],
  [
    'external_evaluation',
    shape({ evaluate_url: ADDRESS, keys_url: ADDRESS }, {}, (question) => ({
      external_evaluation: question,
    })),
  ],
]);

/** The rule types that Cloudflare has and Portcullis cannot evaluate. */
const NOT_YET: ReadonlySet<string> = new Set([
  'auth_context',
  'cloudflare_account_member',
  'geo',
  'gsuite',
  'linked_app_token',
  'user_risk_score',
]);

/** Of one type; what the table holds is asked by name, so its types need not be known there. */
function shape<Required extends string, Optional extends string>(
  required: Readonly<Record<Required, TextField>>,
  optional: Readonly<Record<Optional, TextField>>,
  make: RuleShape<Required, Optional>['make'],
): RuleShape {
  return { required, optional, make } as RuleShape;
}

function parseRule(rule: unknown, pointer: string): Parsed<Rule> {
  const [type, ...more] = isObject(rule) ? Object.keys(rule) : [];
  if (!isObject(rule) || type === undefined || more.length > 0) {
    return misread(pointer, 'must be an object with exactly one key, the type of the rule');
  }
  const found = SHAPES.get(type);
  if (!found) return unsupported(type, pointer);
  const content = own(rule, type);
  if (!isObject(content)) return misread(below(pointer, type), 'must be an object');
  return readContent(content, below(pointer, type), found);
}

function unsupported(type: string, pointer: string): Parsed<never> {
  if (NOT_YET.has(type)) return misread(below(pointer, type), `the rule type "${type}" is not supported yet`);
  return misread(pointer, `the rule type ${quote(type)} is not known, and so not supported`);
}

function readContent(
  content: Record<string, unknown>,
  pointer: string,
  { required, optional, make }: RuleShape,
): Parsed<Rule> {
  const known = [...Object.keys(required), ...Object.keys(optional)];
  if (Object.keys(content).some((key) => !known.includes(key))) return misread(pointer, onlyThese(known));
  const texts: Record<string, string | null> = {};
  for (const [key, field] of Object.entries(required)) {
    const text = readField(own(content, key), field);
    if (text === null) return misread(below(pointer, key), `must be ${field.expected}`);
    texts[key] = text;
  }
  for (const [key, field] of Object.entries(optional)) {
    const given = own(content, key);
    const text = isAbsent(given) ? null : readField(given, field);
    if (text === null && !isAbsent(given)) return misread(below(pointer, key), `must be ${field.expected}`);
    texts[key] = text;
  }
  return parsed(make(texts as Parameters<typeof make>[0]));
}

/** What clients that know a field send where it is not set. */
function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

function onlyThese(known: readonly string[]): string {
  if (known.length === 0) return 'must be empty';
  return `must have no key but ${known.map((key) => `"${key}"`).join(', ')}`;
}

function readField(value: unknown, { normalise }: TextField): string | null {
  return typeof value === 'string' ? normalise(value) : null;
}

function toHttps(text: string): string | null {
  const url = text.length <= 2048 && URL.canParse(text) ? new URL(text) : null;
  if (!url || url.username || url.password || url.hash) return null;
  const isLoopback = /^(?:127\.\d+\.\d+\.\d+|\[::1\]|(?:[^.]+\.)*localhost)$/.test(url.hostname);
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback) ? url.href : null;
}
