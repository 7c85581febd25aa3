import { permissionGroups, roles } from '../../../src/kernel/permissions.ts';
import type { Rows } from '../rows.ts';
import type { Inhabited } from './tenants.ts';

/** The rows that an account or its people have, by table: its feed and its audit log among them. */
export function rowsOf(rows: Rows, { accountId, ownerId, mark }: Inhabited): Rows {
  const names = [accountId, ownerId, mark];
  return Object.fromEntries(
    Object.entries(rows).map(([table, all]) => [
      table,
      all.filter((row) => names.some((name) => row.includes(name))),
    ]),
  );
}

/** Identifiers and digests as they are written anywhere, and names of sessions. */
const ID =
  /(?<![0-9a-z-])(?:[0-9a-f]{32}|[0-9a-f]{64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9a-z-])/g;

/** Every identifier in rows of one account that is in no row of the other, and in none of everybody. */
export function idsIn(rows: Rows, others: Rows): string[] {
  const common = new Set([
    ...permissionGroups.map(({ id }) => id),
    ...roles.map(({ id }) => id),
    ...found(others),
  ]);
  return [...found(rows)].filter((id) => !common.has(id));
}

function found(rows: Rows): Set<string> {
  return new Set(Object.values(rows).flatMap((all) => all.flatMap((row) => row.match(ID) ?? [])));
}
