import { type Page, pageOfAll, type Walk } from '../../database/paging.ts';
import { permits, type Statement, statementsOfRole } from '../../kernel/authority.ts';
import { refusal } from '../../kernel/errors.ts';
import { type PermissionGroupName, type Role, roles } from '../../kernel/permissions.ts';

/** Which permission groups stand for the words of the older form; there is no writing of a log. */
const WORDS = {
  logs: { read: ['Access: Audit Logs Read'], write: [] },
  organization: {
    read: ['Account Settings Read', 'Account Settings Write'],
    write: ['Account Settings Write'],
  },
  zone_settings: { read: ['Zone Settings Read', 'Zone Write'], write: ['Zone Write'] },
  zones: { read: ['Zone Read', 'Zone Write'], write: ['Zone Write'] },
} as const satisfies Record<
  string,
  { read: readonly PermissionGroupName[]; write: readonly PermissionGroupName[] }
>;

type Word = keyof typeof WORDS;
type Permissions = Partial<Record<Word, { read: boolean; write: boolean }>>;

/** What these statements give in the account, in the older form; what they do not give at all is left out. */
export function presentPermissions(statements: readonly Statement[], account: string): Permissions {
  const may = (names: readonly PermissionGroupName[], word: Word) =>
    permits(statements, { names, account, ...(word.startsWith('zone') ? { zone: '*' } : {}) });
  const entries = (Object.keys(WORDS) as Word[]).map((word) => {
    const { read, write } = WORDS[word];
    return [word, { read: may(read, word), write: may(write, word) }] as const;
  });
  return Object.fromEntries(entries.filter(([, grant]) => grant.read || grant.write));
}

/** A role as lists and members show it; what it gives does not depend on the account. */
export function presentRole(role: Role) {
  const { id, name, description } = role;
  return { id, name, description, permissions: presentPermissions(statementsOfRole(role, ANY), ANY) };
}

const ANY = '0'.repeat(32);

export type PresentedRole = ReturnType<typeof presentRole>;

/** One page of the roles; they are the same in every account (reference §3.8). */
export function listRoles(walk: Walk): Page<PresentedRole> {
  const page = pageOfAll(roles, walk);
  return { ...page, items: page.items.map(presentRole) };
}

/** The role of that id; a 404 for any other. */
export function getRole(id: string): PresentedRole {
  const role = roles.find((one) => one.id === id);
  if (!role) throw refusal('notFound', { detail: 'role not found' });
  return presentRole(role);
}
