import { below } from '../../kernel/result.ts';
import type { Rule } from '../../policy/rules.ts';
import type { ReferenceType } from './store.ts';

/** What a rule names, and where it does. */
export interface Named {
  readonly type: ReferenceType;
  readonly id: string;
  readonly pointer: string;
  /** The types of which it must be; absent where any will do. */
  readonly of?: Kinds;
}

interface Kinds {
  readonly kinds: readonly string[];
  readonly called: string;
}

interface Place {
  readonly type: ReferenceType;
  /** The member of the rule that holds the id. */
  readonly key: string;
  readonly of?: Kinds;
}

/** Every type of provider that speaks OpenID Connect. */
export const OPENID_TYPES: readonly string[] = [
  'oidc',
  'google',
  'google-apps',
  'azureAD',
  'okta',
  'onelogin',
  'pingone',
  'centrify',
];

const PROVIDER = { type: 'identity_provider', key: 'identity_provider_id' } as const;

/** The rules that name something, by their types. */
const PLACES: Readonly<Record<string, Place>> = {
  group: { type: 'group', key: 'id' },
  email_list: { type: 'list', key: 'id', of: { kinds: ['EMAIL'], called: 'a list of type EMAIL' } },
  ip_list: { type: 'list', key: 'id', of: { kinds: ['IP'], called: 'a list of type IP' } },
  service_token: { type: 'service_token', key: 'token_id' },
  device_posture: { type: 'posture_rule', key: 'integration_uid' },
  login_method: { type: 'identity_provider', key: 'id' },
  oidc: { ...PROVIDER, of: { kinds: OPENID_TYPES, called: 'a provider that speaks OpenID Connect' } },
  saml: { ...PROVIDER, of: { kinds: ['saml'], called: 'a provider of type saml' } },
  azureAD: { ...PROVIDER, of: { kinds: ['azureAD'], called: 'a provider of type azureAD' } },
  okta: { ...PROVIDER, of: { kinds: ['okta'], called: 'a provider of type okta' } },
  'github-organization': { ...PROVIDER, of: { kinds: ['github'], called: 'a provider of type github' } },
};

/** What rules name, with pointers below the given one: that of the list. */
export function namedBy(rules: readonly Rule[], pointer: string): Named[] {
  return rules.flatMap((rule, index) => {
    const [type = '', content = {}] = Object.entries(rule)[0] ?? [];
    const place = Object.hasOwn(PLACES, type) ? PLACES[type] : undefined;
    const id = place && (content as Readonly<Record<string, string | null>>)[place.key];
    if (!place || !id) return [];
    const at = [index, type, place.key].reduce<string>(below, pointer);
    return [{ type: place.type, id, pointer: at, ...(place.of ? { of: place.of } : {}) }];
  });
}
