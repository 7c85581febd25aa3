import { findUser, listUsers } from '../../src/access/users/store.ts';
import { listRegistrations } from '../../src/devices/registrations/list-store.ts';
import { listGroups } from '../../src/iam/user-groups/store.ts';
import { emailOf, groupNameOf, surnameOf, userIdOf } from './names.ts';
import type { World } from './worlds.ts';

/** What is asked in one round: the requests one after the other, and the statements that answer them. */
export interface Course {
  /** The target of the next request; `before` is the answer to the one before, null at the beginning. */
  target(at: number, before: string | null): string;
  /** The statement of the same request alone; answers how many rows it found. */
  statement(at: number): Promise<number>;
}

export interface Operation {
  readonly name: string;
  /** Milliseconds, of the 99th percentile. */
  readonly goal?: number;
  /** How many requests a round has at most; as many as the sizes say unless given. */
  readonly most?: number;
  /** `round` is another number in every round. */
  begin(world: World, round: number): Course;
}

const PAGE = 100;
/** The first users are deleted in the end, so nobody asks for them here. */
const FIRST = 300;
const USUAL = 20;

function query(path: string, parameters: Readonly<Record<string, string | number>>): string {
  const pairs = Object.entries(parameters).map(([name, value]): [string, string] => [name, String(value)]);
  return `${path}?${new URLSearchParams(pairs)}`;
}

/** Somebody else in every request of every round. */
function someone({ users }: World, round: number, at: number): number {
  return FIRST + 1 + ((round * 1009 + at * 7919) % (users - FIRST));
}

function getUser(world: World, round: number): Course {
  const { accountId, database } = world;
  const id = (at: number) => userIdOf(someone(world, round, at));
  return {
    target: (at) => `/access/users/${id(at)}`,
    statement: async (at) => ((await findUser(database.reader, accountId, id(at))) ? 1 : 0),
  };
}

/** Pages by their numbers, from the first. */
const walkUsers =
  (perPage: number) =>
  ({ accountId, database, users }: World): Course => {
    const pages = Math.ceil(users / perPage);
    let after: string[] | null = null;
    return {
      target: (at) => query('/access/users', { page: 1 + (at % pages), per_page: perPage }),
      statement: async (at) => {
        const start = { after: at % pages === 0 ? null : after, offset: 0, limit: perPage };
        const rows = await listUsers(database.reader, accountId, { filter: {}, start });
        after = [rows.at(-1)?.email_key ?? ''];
        return rows.length;
      },
    };
  };

const FROM_THE_START = { after: null, offset: 0, limit: PAGE };

/** `key` is the name of the parameter, and of what the statement is narrowed by. */
const findUsers =
  (key: 'email' | 'search', textOf: (n: number) => string) =>
  (world: World, round: number): Course => {
    const text = (at: number) => textOf(someone(world, round, at));
    return {
      target: (at) => query('/access/users', { [key]: text(at), per_page: PAGE }),
      statement: async (at) => {
        const filter = key === 'email' ? { emailKey: text(at) } : { search: text(at) };
        const { database, accountId } = world;
        return (await listUsers(database.reader, accountId, { filter, start: FROM_THE_START })).length;
      },
    };
  };

/** Nobody has been near: the page before was never asked for. */
function deepPage({ accountId, database, users }: World, round: number): Course {
  const last = Math.floor(users / PAGE);
  const page = (at: number) => Math.max(2, last - 2 * (round * 5 + at) - 1);
  return {
    target: (at) => query('/access/users', { page: page(at), per_page: PAGE }),
    statement: async (at) => {
      const start = { after: null, offset: (page(at) - 1) * PAGE, limit: PAGE };
      return (await listUsers(database.reader, accountId, { filter: {}, start })).length;
    },
  };
}

function walkRegistrations({ accountId, database }: World): Course {
  let after: string[] | null = null;
  return {
    target: (_at, before) => {
      const cursor = before === null ? '' : String(JSON.parse(before).result_info.cursor);
      return query('/devices/registrations', { per_page: PAGE, ...(cursor === '' ? {} : { cursor }) });
    },
    statement: async () => {
      const start = { after, offset: 0, limit: PAGE + 1 };
      const page = { filter: { status: 'active' }, start, order: 'created_at', direction: 'asc' } as const;
      const rows = (await listRegistrations(database.reader, accountId, page)).slice(0, PAGE);
      const last = rows.at(-1);
      after = rows.length === PAGE && last ? [last.created_at, last.id] : null;
      return rows.length;
    },
  };
}

function registrationsOfUser(world: World, round: number): Course {
  const { accountId, database } = world;
  const id = (at: number) => userIdOf(someone(world, round, at));
  return {
    target: (at) => query('/devices/registrations', { 'user.id': id(at) }),
    statement: async (at) => {
      const filter = { status: 'active', userIds: [id(at)] } as const;
      const page = { filter, start: FROM_THE_START, order: 'created_at', direction: 'asc' } as const;
      return (await listRegistrations(database.reader, accountId, page)).length;
    },
  };
}

function searchRegistrations(world: World, round: number): Course {
  const { accountId, database } = world;
  const search = (at: number) => surnameOf(someone(world, round, at));
  return {
    target: (at) => query('/devices/registrations', { search: search(at), per_page: PAGE }),
    statement: async (at) => {
      const filter = { status: 'active', search: search(at) } as const;
      const page = { filter, start: FROM_THE_START, order: 'created_at', direction: 'asc' } as const;
      return (await listRegistrations(database.reader, accountId, page)).length;
    },
  };
}

function walkGroups({ accountId, database, userGroups }: World): Course {
  const pages = Math.ceil(userGroups / PAGE);
  let after: string[] | null = null;
  return {
    target: (at) => query('/iam/user_groups', { page: 1 + (at % pages), per_page: PAGE }),
    statement: async (at) => {
      const start = { after: at % pages === 0 ? null : after, offset: 0, limit: PAGE };
      const rows = await listGroups(database.reader, accountId, { filter: {}, direction: 'asc', start });
      after = [rows.at(-1)?.name ?? ''];
      return rows.length;
    },
  };
}

function groupOfName({ accountId, database, userGroups }: World, round: number): Course {
  const name = (at: number) => groupNameOf(1 + ((round * 1009 + at * 7919) % userGroups));
  return {
    target: (at) => query('/iam/user_groups', { name: name(at) }),
    statement: async (at) => {
      const page = { filter: { name: name(at) }, direction: 'asc', start: FROM_THE_START } as const;
      return (await listGroups(database.reader, accountId, page)).length;
    },
  };
}

/** Everything that is read, in the order of the report. */
export const operations: readonly Operation[] = [
  { name: 'a user', goal: USUAL, begin: getUser },
  { name: 'users, a page of 100 by number', goal: USUAL, begin: walkUsers(PAGE) },
  { name: 'users, a page of 1,000 by number', goal: USUAL, most: 30, begin: walkUsers(1000) },
  { name: 'users of an e-mail', goal: USUAL, begin: findUsers('email', emailOf) },
  {
    name: 'users, a search that one answers',
    goal: USUAL,
    begin: findUsers('search', (n) => emailOf(n).slice(4, -4)),
  },
  { name: 'users, a search that one in 1,000 answers', goal: USUAL, begin: findUsers('search', surnameOf) },
  { name: 'users, a search that all answer', most: 3, begin: findUsers('search', () => 'example') },
  { name: 'users, a cold page at the end', goal: 500, most: 3, begin: deepPage },
  { name: 'registrations, a page of 100 by cursor', goal: USUAL, begin: walkRegistrations },
  { name: 'registrations of a user', goal: USUAL, begin: registrationsOfUser },
  { name: 'registrations, a search that one in 1,000 answers', begin: searchRegistrations },
  { name: 'user groups, a page of 100 by number', goal: USUAL, begin: walkGroups },
  { name: 'user groups of a name', goal: USUAL, begin: groupOfName },
];
