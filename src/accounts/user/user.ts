import type { Principal } from '../../database/act.ts';
import type { Reader, Tx } from '../../database/database.ts';
import { refusal } from '../../kernel/errors.ts';
import { rolesOf } from '../../kernel/permissions.ts';
import type { Change } from '../../removal/act.ts';
import { visibleAccounts } from '../accounts/accounts.ts';
import { accountsOf } from '../holdings/holdings.ts';
import {
  findPerson,
  listJoined,
  lockPerson,
  type PersonChange,
  type StoredPerson,
  updatePerson,
} from './store.ts';

async function present(reader: Reader, principal: Principal, person: StoredPerson) {
  const { id, email, first_name, last_name, country, telephone, zipcode } = person;
  const joined = await listJoined(reader, id, await visibleAccounts(reader, principal));
  return {
    ...{ id, email, first_name, last_name, country, telephone, zipcode },
    suspended: false as const,
    two_factor_authentication_enabled: false as const,
    two_factor_authentication_locked: false as const,
    has_pro_zones: false as const,
    has_business_zones: false as const,
    has_enterprise_zones: false as const,
    betas: [],
    organizations: joined.map(({ roles, ...account }) => ({
      ...account,
      status: 'member' as const,
      roles: rolesOf(JSON.parse(roles) as string[]).map((role) => role.name),
      permissions: [],
    })),
  };
}

export type PresentedPerson = Awaited<ReturnType<typeof present>>;

/** The person behind a key or token. With a token, only the accounts in which it was given something. */
export async function getUser(reader: Reader, principal: Principal): Promise<PresentedPerson> {
  const person = await findPerson(reader, idOf(principal));
  if (!person) throw refusal('forbidden');
  return await present(reader, principal, person);
}

export type UserInput = { readonly [K in keyof PersonChange]?: PersonChange[K] };

/** Changes what is given; null or an empty text takes it away. Told in each account that the person has joined. */
export async function editUser(
  tx: Tx,
  { principal, input }: { principal: Principal; input: UserInput },
): Promise<Change<PresentedPerson>> {
  const person = await lockPerson(tx, idOf(principal));
  if (!person) throw refusal('forbidden');
  const next = (name: keyof PersonChange) => {
    const given = input[name];
    return given === undefined ? person[name] : given?.normalize('NFC') || null;
  };
  const change: PersonChange = {
    first_name: next('first_name'),
    last_name: next('last_name'),
    country: next('country'),
    telephone: next('telephone'),
    zipcode: next('zipcode'),
  };
  await updatePerson(tx, person.id, change);
  return {
    result: await present(tx, principal, { ...person, ...change }),
    audit: {
      action: 'user.edit',
      resource: { type: 'user', id: person.id },
      // What they are is the person's own; other accounts need not know.
      metadata: { fields: Object.keys(change).filter((name) => Object.hasOwn(input, name)) },
    },
  };
}

/** The accounts in which a change of a person is told; the first of them is whose act it is. */
export async function placesOfUser(reader: Reader, principal: Principal): Promise<[string, ...string[]]> {
  const [first, ...rest] = await accountsOf(reader, principal);
  if (first === undefined) throw refusal('forbidden');
  return [first, ...rest];
}

function idOf({ administratorId }: Principal): string {
  if (administratorId === null) throw refusal('forbidden');
  return administratorId;
}
