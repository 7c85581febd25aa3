import { below, type Problem, quote } from '../../kernel/result.ts';
import type { Rule } from '../../policy/rules.ts';

/** A claim or attribute that a rule asks about, and where it does. */
export interface AskedClaim {
  readonly name: string;
  /** null: whichever provider told of it. */
  readonly providerId: string | null;
  /** The setting of the provider that has it kept. */
  readonly setting: 'claims' | 'attributes' | 'support_groups';
  readonly pointer: string;
}

type Asked = Omit<AskedClaim, 'pointer'> & { readonly at: readonly [type: string, member: string] };

/** A provider's type, and its settings as they are stored. */
interface Keeper {
  readonly kind: string;
  readonly config: string;
}

/** The claims that rules ask about, with pointers below the given one: that of the list. */
export function claimsAskedBy(rules: readonly Rule[], pointer: string): AskedClaim[] {
  return rules.flatMap((rule, index) => {
    const asked = askedBy(rule);
    if (!asked) return [];
    const { at, ...claim } = asked;
    return [{ ...claim, pointer: [index, ...at].reduce<string>(below, pointer) }];
  });
}

function askedBy(rule: Rule): Asked | null {
  if ('oidc' in rule) {
    const { claim_name: name, identity_provider_id: providerId } = rule.oidc;
    return { name, providerId, setting: 'claims', at: ['oidc', 'claim_name'] };
  }
  if ('saml' in rule) {
    const { attribute_name: name, identity_provider_id: providerId } = rule.saml;
    return { name, providerId, setting: 'attributes', at: ['saml', 'attribute_name'] };
  }
  if (!('azureAD' in rule)) return null;
  const { identity_provider_id: providerId } = rule.azureAD;
  return { name: 'groups', providerId, setting: 'support_groups', at: ['azureAD', 'identity_provider_id'] };
}

/** Whether sign-ins through the provider keep what it tells by this name. */
export function keepsClaim({ kind, config }: Keeper, name: string): boolean {
  const settings: unknown = JSON.parse(config);
  const { claims, attributes, support_groups } = settings as Readonly<Record<string, unknown>>;
  const names = kind === 'saml' ? attributes : claims;
  if (Array.isArray(names) && names.includes(name)) return true;
  return name === 'groups' && (kind === 'okta' || (kind === 'azureAD' && support_groups === true));
}

/** What is wrong with a claim that is not kept: a rule on it would never match, and what it excludes would be let in. */
export function unkeptProblem({ name, providerId, setting, pointer }: AskedClaim): Problem {
  if (providerId === null) {
    const message = `${quote(name)} is kept by no OpenID provider of this account: add it to the \`claims\` of those that tell it`;
    return { pointer, message };
  }
  const advice = setting === 'support_groups' ? 'set its `support_groups`' : `add it to its \`${setting}\``;
  return { pointer, message: `${quote(name)} is not kept of what this provider tells: ${advice} first` };
}
