/** What a kind of resource belongs to, as the second version of the audit log groups them. */
interface Product {
  readonly value: string;
  readonly label: string;
  readonly category: 'account' | 'zero_trust';
  /** Types of resources, as entries name them. */
  readonly types: readonly string[];
}

const products: readonly Product[] = [
  {
    value: 'access',
    label: 'Access',
    category: 'zero_trust',
    types: [
      'access_group',
      'access_tag',
      'application',
      'certificate',
      'custom_page',
      'identity_provider',
      'keys',
      'organization',
      'policy',
      'policy_test',
      'reusable_policy',
      'seats',
      'service_token',
      'user',
    ],
  },
  { value: 'gateway', label: 'Gateway', category: 'zero_trust', types: ['list'] },
  {
    value: 'devices',
    label: 'Devices',
    category: 'zero_trust',
    types: ['device_settings', 'physical_device', 'posture_rule', 'registration'],
  },
  { value: 'portcullis', label: 'Portcullis', category: 'zero_trust', types: ['blocked_user', 'gate'] },
  { value: 'accounts', label: 'Accounts', category: 'account', types: ['account', 'resource_group', 'zone'] },
  {
    value: 'members',
    label: 'Members',
    category: 'account',
    types: ['administrator', 'credentials', 'member', 'membership', 'user_group'],
  },
  { value: 'tokens', label: 'API Tokens', category: 'account', types: ['account_token', 'user_token'] },
];

const LABELS = { zero_trust: 'Zero Trust', account: 'Account' } as const;

/** The product of whatever is in no list above. */
export const OTHER = 'other';

/** The product that a resource of that type is of. */
export function productOf(type: string): string {
  return products.find(({ types }) => types.includes(type))?.value ?? OTHER;
}

/** The types of resources of these products, and whether resources of unlisted types are meant as well. */
export function typesOf(values: readonly string[]): { types: string[]; withOthers: boolean } {
  const types = products.flatMap((product) => (values.includes(product.value) ? product.types : []));
  return { types, withOthers: values.includes(OTHER) };
}

/** Every type that is listed. */
export const listedTypes: readonly string[] = products.flatMap(({ types }) => types);

/** The products of a category, whatever its case; null for one that there is not. */
export function productsOf(category: string): string[] | null {
  const name = category.toLowerCase();
  const found = products.filter((product) => product.category === name);
  return found.length > 0 ? found.map(({ value }) => value) : null;
}

/** The categories with their products (reference §3.11). */
export function productCategories() {
  return (['account', 'zero_trust'] as const).map((value) => ({
    value,
    label: LABELS[value],
    products: products
      .filter(({ category }) => category === value)
      .map((product) => ({ value: product.value, label: product.label })),
  }));
}
