import { type SelectQueryBuilder, sql } from 'kysely';
import { forKeyShare, likeLiteral, type Reader, type Tx } from '../../database/database.ts';
import { inParts } from '../../database/parts.ts';
import type { RuleReferenceRow, Tables } from '../../database/tables.ts';

/** What a rule can name. */
export type ReferenceType = 'group' | 'list' | 'service_token' | 'identity_provider' | 'posture_rule';

export interface NamedRow {
  readonly id: string;
  /** The type of a list or of a provider; '' for what has none. */
  readonly kind: string;
  /** The settings of a provider, JSON; '' for what has none. */
  readonly config: string;
}

interface Ids {
  readonly accountId: string;
  readonly type: ReferenceType;
  readonly ids: readonly string[];
}

export interface HolderRow {
  readonly type: string;
  readonly id: string;
  readonly name: string;
}

const TABLES = {
  group: 'access_groups',
  list: 'lists',
  service_token: 'service_tokens',
  identity_provider: 'identity_providers',
  posture_rule: 'posture_rules',
} as const satisfies Record<ReferenceType, keyof Tables>;

type NamedTable = (typeof TABLES)[ReferenceType];
/** What the tables have in common is all that is asked of them. */
type SelectNamed = SelectQueryBuilder<Tables, 'lists', NamedRow>;

export async function findNamed(reader: Reader, named: Ids): Promise<NamedRow[]> {
  return await inParts(named.ids, (ids) => selectNamed(reader, { ...named, ids }).execute());
}

/** The same, by id, and none of them can be deleted until the end of the transaction. */
export async function holdNamed(tx: Tx, named: Ids): Promise<NamedRow[]> {
  const table = TABLES[named.type] as 'lists';
  return await inParts([...named.ids].sort(), (ids) =>
    forKeyShare(tx, selectNamed(tx, { ...named, ids }).orderBy('id'), table).execute(),
  );
}

function selectNamed(reader: Reader, { accountId, type, ids }: Ids): SelectNamed {
  const table: NamedTable = TABLES[type];
  const kind = type === 'list' || type === 'identity_provider' ? sql<string>`type` : sql<string>`''`;
  const config = type === 'identity_provider' ? sql<string>`config` : sql<string>`''`;
  return reader.query
    .selectFrom(table as 'lists')
    .select(['id', kind.as('kind'), config.as('config')])
    .where('account_id', '=', accountId)
    .where('id', 'in', [...ids]);
}

export async function findProviders(reader: Reader, accountId: string): Promise<NamedRow[]> {
  return await selectProviders(reader, accountId).execute();
}

/** The same, and none of them changes until the end of the transaction. */
export async function holdProviders(tx: Tx, accountId: string): Promise<NamedRow[]> {
  return await forKeyShare(tx, selectProviders(tx, accountId), 'identity_providers').execute();
}

function selectProviders(reader: Reader, accountId: string) {
  return reader.query
    .selectFrom('identity_providers')
    .select(['id', 'type as kind', 'config'])
    .where('account_id', '=', accountId)
    .orderBy('id');
}

export async function insertReferences(tx: Tx, { accountId, holder, references }: References): Promise<void> {
  const rows: RuleReferenceRow[] = references.map(({ type, id }) => ({
    account_id: accountId,
    from_type: holder.type,
    from_id: holder.id,
    to_type: type,
    to_id: id,
  }));
  await inParts(rows, (part) =>
    tx.query
      .insertInto('rule_references')
      .values([...part])
      .execute(),
  );
}

interface References {
  readonly accountId: string;
  readonly holder: { readonly type: string; readonly id: string };
  readonly references: readonly { readonly type: ReferenceType; readonly id: string }[];
}

export async function deleteReferences(
  tx: Tx,
  accountId: string,
  { type, id }: References['holder'],
): Promise<void> {
  await tx.query
    .deleteFrom('rule_references')
    .where('account_id', '=', accountId)
    .where('from_type', '=', type)
    .where('from_id', '=', id)
    .execute();
}

const RULE_HOLDERS = [
  ['policy', 'policies'],
  ['reusable_policy', 'reusable_policies'],
  ['group', 'access_groups'],
] as const;

/** A posture rule has no lists of rules, and names a list all the same. */
const HOLDERS = [...RULE_HOLDERS, ['posture_rule', 'posture_rules']] as const;

/** Those whose rules name the object, by type and name; a holder that is gone holds nothing. */
export async function listHolders(
  reader: Reader,
  { accountId, to, limit }: { accountId: string; to: { type: string; id: string }; limit: number },
): Promise<HolderRow[]> {
  const found: HolderRow[] = [];
  for (const [type, table] of HOLDERS) {
    const rows = await reader.query
      .selectFrom('rule_references')
      .innerJoin(`${table as 'policies'} as holder`, 'holder.id', 'rule_references.from_id')
      .select(['holder.id', 'holder.name'])
      .where('rule_references.account_id', '=', accountId)
      .where('to_type', '=', to.type)
      .where('to_id', '=', to.id)
      .where('from_type', '=', type)
      .orderBy('holder.name')
      .orderBy('holder.id')
      .limit(limit)
      .execute();
    found.push(...rows.map(({ id, name }) => ({ type, id, name })));
  }
  return found.slice(0, limit);
}

interface RulesRow extends HolderRow {
  readonly include: string;
  readonly exclude: string;
  readonly require: string;
}

/** Those in whose rules one of these texts stands as JSON has it; in any case of its letters. */
export async function listRulesWith(
  reader: Reader,
  accountId: string,
  texts: readonly string[],
): Promise<RulesRow[]> {
  const patterns = texts.map((text) => likeLiteral(JSON.stringify(text)));
  const found: RulesRow[] = [];
  for (const [type, table] of RULE_HOLDERS) {
    const rows = await reader.query
      .selectFrom(table as 'policies')
      .select(['id', 'name', 'include', 'exclude', 'require'])
      .where('account_id', '=', accountId)
      .where(({ or, ref }) =>
        or(
          patterns.flatMap((pattern) =>
            (['include', 'exclude', 'require'] as const).map(
              (list) => sql<boolean>`${ref(list)} like ${pattern} escape '\\'`,
            ),
          ),
        ),
      )
      .orderBy('name')
      .orderBy('id')
      .execute();
    found.push(...rows.map((row) => ({ type, ...row })));
  }
  return found;
}
