import { invalidInput } from '../../kernel/errors.ts';
import { readAddress, readTime } from '../audit-logs/audit-logs.ts';
import type { AuditFilter, AuditTest } from '../audit-logs/audit-scan.ts';
import { actorTypes, contexts, scopes } from './audit-entries.ts';
import { listedTypes, productsOf, typesOf } from './products.ts';

/** The query of the second version: names of filters, each also with `.not`, to the values given. */
export type Asked = Readonly<Record<string, unknown>> & { readonly since: string; readonly before: string };

type Values = readonly string[];
type Filters = Readonly<
  Record<string, (values: Values, at: { name: string; accountName: string }) => readonly AuditTest[]>
>;

const is = (field: AuditTest['field'], values: readonly (string | number)[]): AuditTest[] => [
  { field, values },
];
const column = (field: AuditTest['field']) => (values: Values) => is(field, values);

/** What each filter asks for, by the field that it is about. */
const FILTERS: Filters = {
  // Every entry is of the one account.
  account_name: (values, { accountName }) => (values.includes(accountName) ? [] : NOTHING),
  action_result: column('result'),
  action_type: column('verb'),
  actor_context: (values) => is('actor_type', keysOf(contexts, values)),
  actor_email: column('actor_email'),
  actor_id: column('who'),
  actor_ip_address: (values, { name }) =>
    is(
      'actor_ip',
      values.map((value) => readAddress(value, name)),
    ),
  actor_token_id: column('actor_token_id'),
  actor_token_name: column('actor_token_name'),
  actor_type: (values) => is('actor_type', keysOf(actorTypes, values)),
  audit_log_id: column('id'),
  id: column('id'),
  raw_cf_ray_id: column('request_id'),
  raw_method: (values) =>
    is(
      'method',
      values.map((value) => value.toUpperCase()),
    ),
  raw_status_code: (values) => is('status_code', values.map(Number)),
  raw_uri: column('uri'),
  resource_id: column('resource_id'),
  resource_product: (values) => ofProducts(values),
  resource_scope: (values) => ofScopes(values),
  resource_type: column('resource_type'),
  zone_id: column('zone_id'),
  zone_name: column('zone_name'),
};

const NOTHING: readonly AuditTest[] = [{ field: 'id', values: [] }];

/** The filter that the query asks for in that account; a 400 for what it cannot be. */
export function readFilters(asked: Asked, accountName: string): AuditFilter {
  const tests = Object.entries(FILTERS).flatMap(([name, read]) => {
    const wanted = asked[name] as Values | undefined;
    const unwanted = asked[`${name}.not`] as Values | undefined;
    return [
      ...(wanted ? read(wanted, { name, accountName }) : []),
      ...(unwanted ? negated(read(unwanted, { name: `${name}.not`, accountName })) : []),
    ];
  });
  const { since, before } = asked;
  return { since: readTime(since, 'since'), before: readTime(before, 'before'), tests };
}

/** Not one of these: every filter above is one test, or everything. */
function negated(tests: readonly AuditTest[]): readonly AuditTest[] {
  if (tests.length === 0) return NOTHING;
  return tests.map((test) => ({ ...test, isNot: !test.isNot }));
}

function keysOf(names: Readonly<Record<string, string>>, values: Values): string[] {
  return Object.keys(names).filter((key) => values.includes(names[key] ?? ''));
}

/** Resources of unlisted types are told by not being of any that is listed. */
function ofProducts(values: Values): AuditTest[] {
  const { types, withOthers } = typesOf(values);
  if (!withOthers) return is('resource_type', types);
  return [
    { field: 'resource_type', values: listedTypes.filter((type) => !types.includes(type)), isNot: true },
  ];
}

/** Whatever lies in nothing else lies in the account. */
function ofScopes(values: Values): AuditTest[] {
  const elsewhere = keysOf(scopes, values);
  if (!values.includes('accounts')) return is('resource_type', elsewhere);
  const others = Object.keys(scopes).filter((type) => !elsewhere.includes(type));
  return [{ field: 'resource_type', values: others, isNot: true }];
}

/** Categories stand for the products in them, beside those that are named. */
export function withCategories(asked: Asked): Asked {
  const categories = asked.product_category as Values | undefined;
  if (!categories) return asked;
  const named = (asked.resource_product as Values | undefined) ?? [];
  const products = categories.flatMap((category) => {
    const found = productsOf(category);
    if (found) return found;
    throw invalidInput([{ pointer: '/query/product_category', message: 'is no category of products' }]);
  });
  return { ...asked, resource_product: [...named, ...products] };
}
