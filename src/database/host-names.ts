import { type Expression, sql } from 'kysely';
import type { Reader } from './database.ts';

/** Whether a host, with or without a port, has this name. After a colon comes a semicolon, by code point. */
export function hasName(host: Expression<string | null>, name: string) {
  return sql<boolean>`(${host} = ${name} or (${host} >= ${`${name}:`} and ${host} < ${`${name};`}))`;
}

/** Whether a host, with or without a port, has this name or lies below it. */
export function isOnOrBelow(host: Expression<string | null>, name: string) {
  return sql<boolean>`(${hasName(host, name)} or ${host} like ${`%.${name}`} or ${host} like ${`%.${name}:%`})`;
}

/** Every team domain as `host`, with its account: those of today, and those that deleted accounts had. */
export function teamDomains(reader: Reader) {
  const former = reader.query
    .selectFrom('accounts')
    .select(['id as account_id', 'former_auth_domain as host'])
    .where('former_auth_domain', 'is not', null)
    .$narrowType<{ host: string }>();
  return reader.query
    .selectFrom('organizations')
    .select(['account_id', 'auth_domain as host'])
    .unionAll(former)
    .as('team_domains');
}
