import { type BlockSet, createBlockSet, parseCidr } from '../kernel/address.ts';
import { emailDomain } from '../kernel/email.ts';
import type { Claims, Identity, Rule } from './rules.ts';

/** A list of rules, ready to be asked which of them match: texts and addresses are looked up, not gone through. */
export interface RuleIndex {
  readonly everyone: boolean;
  /** `keyOf` of the rules that compare texts. */
  readonly keys: ReadonlySet<string>;
  /** Those of them that ask who somebody is. */
  readonly identityKeys: ReadonlySet<string>;
  /** Of the `ip` rules. */
  readonly blocks: BlockSet;
  readonly hasNoBlocks: boolean;
  /** The rules that are none of these. */
  readonly others: readonly Rule[];
  /** Whether any of them asks who somebody is. */
  readonly asksIdentity: boolean;
}

/** Indexes of lists and keys of identities, each made once and kept for as long as what it is of. */
export interface RuleIndexes {
  indexOf(rules: readonly Rule[]): RuleIndex;
  /** The block of one `ip` rule. */
  blockOf(rule: Extract<Rule, { ip: unknown }>): BlockSet;
  /** Everything that is true of an identity by itself, as `keyOf` says it of rules. */
  keysOf(identity: Identity): ReadonlySet<string>;
}

export function createRuleIndexes(): RuleIndexes {
  const indexes = new WeakMap<readonly Rule[], RuleIndex>();
  const blocks = new WeakMap<Extract<Rule, { ip: unknown }>, BlockSet>();
  const keys = new WeakMap<Identity, ReadonlySet<string>>();
  return {
    indexOf: (rules) => once(indexes, rules, buildIndex),
    blockOf: (rule) => once(blocks, rule, ({ ip: { ip } }) => toBlocks([ip])),
    keysOf: (identity) => once(keys, identity, (one) => new Set(identityKeys(one))),
  };
}

function once<K extends object, V>(known: WeakMap<K, V>, of: K, make: (of: K) => V): V {
  const found = known.get(of);
  if (found !== undefined) return found;
  const made = make(of);
  known.set(of, made);
  return made;
}

function buildIndex(rules: readonly Rule[]): RuleIndex {
  const keys = new Set<string>();
  const identityKeys = new Set<string>();
  const others: Rule[] = [];
  const addresses: string[] = [];
  let everyone = false;
  for (const rule of rules) {
    const key = keyOf(rule);
    if (key !== null) keys.add(key);
    else if ('everyone' in rule) everyone = true;
    else if ('ip' in rule) addresses.push(rule.ip.ip);
    else others.push(rule);
    if (key !== null && isOfIdentity(rule)) identityKeys.add(key);
  }
  const asksIdentity = rules.some(isOfIdentity);
  const blocks = toBlocks(addresses);
  const hasNoBlocks = addresses.length === 0;
  return { everyone, keys, identityKeys, blocks, hasNoBlocks, others, asksIdentity };
}

/** They were checked when they were written; one that cannot be read all the same holds nobody. */
function toBlocks(texts: readonly string[]): BlockSet {
  const blocks = texts.map(parseCidr).filter((block) => block !== null);
  const set = createBlockSet(blocks);
  return blocks.length === texts.length ? set : { has: set.has, allHave: () => false };
}

/** Whether any of these keys is one of the rules. */
export function hasAnyKey({ keys }: RuleIndex, of: ReadonlySet<string>): boolean {
  if (keys.size === 0) return false;
  for (const key of of) if (keys.has(key)) return true;
  return false;
}

/** Whether a rule asks who somebody is, and not where they come from. */
export function isOfIdentity(rule: Rule): boolean {
  return !WITHOUT_IDENTITY.some((type) => type in rule);
}

/** A group may ask for both; what is in it tells. */
const WITHOUT_IDENTITY = ['everyone', 'ip', 'ip_list', 'certificate', 'common_name', 'group'];

/** The text by which a rule that compares texts is looked up; null for any other. */
export function keyOf(rule: Rule): string | null {
  if ('email' in rule) return keyed('email', rule.email.email);
  if ('email_domain' in rule) return keyed('email_domain', rule.email_domain.domain);
  if ('login_method' in rule) return keyed('login_method', rule.login_method.id);
  if ('auth_method' in rule) return keyed('auth_method', rule.auth_method.auth_method);
  if ('service_token' in rule) return keyed('service_token', rule.service_token.token_id);
  if ('any_valid_service_token' in rule) return 'any_valid_service_token';
  if ('certificate' in rule) return 'certificate';
  if ('common_name' in rule) return keyed('common_name', rule.common_name.common_name);
  return claimKeyOf(rule);
}

function claimKeyOf(rule: Rule): string | null {
  if ('oidc' in rule) {
    const { identity_provider_id: provider, claim_name: name, claim_value: value } = rule.oidc;
    return claimKey(provider, name, value);
  }
  if ('saml' in rule) {
    const { identity_provider_id: provider, attribute_name: name, attribute_value: value } = rule.saml;
    return claimKey(provider, name, value);
  }
  if ('azureAD' in rule) return claimKey(rule.azureAD.identity_provider_id, 'groups', rule.azureAD.id);
  if ('okta' in rule) return claimKey(rule.okta.identity_provider_id, 'groups', rule.okta.name);
  if (!('github-organization' in rule)) return null;
  const { identity_provider_id: provider, name, team } = rule['github-organization'];
  return claimKey(provider, 'github_organizations', team === null ? name : `${name}/${team}`);
}

/** A claim as it is looked up; without a provider it may be of any. */
function claimKey(provider: string | null, name: string, value: string): string {
  return JSON.stringify(['claim', provider, name, value]);
}

function keyed(type: string, value: string): string {
  return `${type} ${value}`;
}

function identityKeys(identity: Identity): string[] {
  if (identity.kind === 'service') {
    const { serviceTokenId: id } = identity;
    return toKeys([{ service_token: { token_id: id } }, { any_valid_service_token: {} }]);
  }
  if (identity.kind !== 'person') return [];
  const { email, providerId, claims, amr } = identity;
  const domain = emailDomain(email);
  return [
    ...toKeys([
      { email: { email } },
      ...(domain === '' ? [] : [{ email_domain: { domain } }]),
      { login_method: { id: providerId } },
      ...amr.map((method) => ({ auth_method: { auth_method: method } })),
    ]),
    ...claimKeys(providerId, claims),
  ];
}

/** Of the rules that compare texts. */
export function toKeys(rules: readonly Rule[]): string[] {
  return rules.map(keyOf).filter((key) => key !== null);
}

function claimKeys(providerId: string, claims: Claims): string[] {
  return Object.entries(claims).flatMap(([name, values]) =>
    values.flatMap((value) => [claimKey(providerId, name, value), claimKey(null, name, value)]),
  );
}
