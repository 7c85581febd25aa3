import type { Reader } from '../../database/database.ts';
import { parseCidr } from '../../kernel/address.ts';
import { type Policy, parsePolicies, type Statement } from '../../kernel/authority.ts';
import { parseTimestamp, timestamp } from '../../kernel/clock.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newTag } from '../../kernel/ids.ts';
import { ACCOUNT, type Region, regionsOf, USER } from '../../kernel/resources.ts';
import { below, type Problem } from '../../kernel/result.ts';
import { ownersOfZones } from '../holdings/holdings.ts';
import type { TokenOwner } from './store.ts';

interface Addresses {
  readonly in?: readonly string[];
  readonly not_in?: readonly string[];
}

/** What a caller asks a token to be; times are RFC 3339, in any offset. */
export interface TokenInput {
  readonly name: string;
  readonly policies: readonly unknown[];
  readonly condition?: {
    readonly request_ip?: Addresses | null;
    readonly 'request.ip'?: Addresses | null;
  } | null;
  readonly not_before?: string | null;
  readonly expires_on?: string | null;
  readonly status?: 'active' | 'disabled' | 'expired';
}

/** The same, checked, in the form in which it is stored. */
export interface TokenTerms {
  readonly name: string;
  readonly policies: readonly Policy[];
  /** CIDR lists, or null: used from anywhere. */
  readonly condition: Addresses | null;
  readonly not_before: string | null;
  readonly expires_on: string | null;
}

/** For whom a token is read: its owner, the accounts it may reach, and the policies it has had. */
export interface TokenPlace {
  readonly owner: TokenOwner;
  readonly accountIds: readonly string[];
  readonly current?: readonly Policy[];
}

/** Reads what a token is to be; a 400 names what is wrong with it. */
export async function readTokenTerms(
  reader: Reader,
  input: TokenInput,
  place: TokenPlace,
): Promise<TokenTerms> {
  if (input.status === 'expired') {
    const detail = 'a token expires by expires_on alone';
    throw refusal('notSupported', { detail, pointer: '/status' });
  }
  const statements = parsePolicies(input.policies, '/policies');
  if (!statements.ok) throw invalidInput(statements.problems);
  await refuseForeignResources(reader, statements.value, place);
  return {
    name: input.name.normalize('NFC'),
    policies: withIds(statements.value, place.current ?? []),
    condition: readCondition(input.condition ?? null),
    ...readTimes(input),
  };
}

/** A policy that says what one of the token said before keeps its id. */
function withIds(statements: readonly Statement[], current: readonly Policy[]): Policy[] {
  const free = new Map(current.map((policy) => [canonical(policy), policy.id]));
  return statements.map((statement) => {
    const key = canonical(statement);
    const id = free.get(key) ?? newTag();
    free.delete(key);
    return { id, ...statement };
  });
}

/** What a statement says, the same text for any order of its parts. */
export function canonical({ effect, permission_groups, resources }: Statement): string {
  const groups = [...new Set(permission_groups.map(({ id }) => id))].sort();
  const places = Object.entries(resources).map(([name, content]) => [
    name,
    content === '*' ? content : Object.keys(content).sort(),
  ]);
  return JSON.stringify([effect, groups, places.sort(([one], [other]) => (`${one}` < `${other}` ? -1 : 1))]);
}

async function refuseForeignResources(reader: Reader, statements: readonly Statement[], place: TokenPlace) {
  const owners = await ownersOfZones(reader, statements);
  const problems: Problem[] = [];
  for (const [index, { resources }] of statements.entries()) {
    for (const [name, content] of Object.entries(resources)) {
      const regions = regionsOf({ [name]: content }, (zone) => owners.get(zone) ?? null);
      if (regions.every((region) => isReachable(region, owners, place))) continue;
      const pointer = below(below(below('/policies', index), 'resources'), name);
      problems.push({ pointer, message: OUTSIDE[place.owner.kind] });
    }
  }
  if (problems.length > 0) throw invalidInput(problems);
}

const OUTSIDE = {
  account: 'is not within this account',
  user: 'is neither yours nor within an account of yours',
};

/** Wildcards over accounts are a person's to give: what their tokens may do is bounded by what they may. */
function isReachable(region: Region, owners: ReadonlyMap<string, string>, place: TokenPlace): boolean {
  const { owner, accountIds } = place;
  if (region.kind === USER) return owner.kind === 'user' && region.id === owner.id;
  if (region.owner === '*') return owner.kind === 'user' && (region.kind === ACCOUNT || region.id === '*');
  if (!accountIds.includes(region.owner)) return false;
  return region.kind === ACCOUNT || region.id === '*' || owners.get(region.id) === region.owner;
}

function readCondition(condition: NonNullable<TokenInput['condition']> | null): Addresses | null {
  const given = [condition?.request_ip, condition?.['request.ip']].filter((one) => one != null);
  if (given.length > 1) {
    throw invalidInput([{ pointer: '/condition/request.ip', message: 'is given in both spellings' }]);
  }
  const [addresses] = given;
  if (!addresses) return null;
  const name = condition?.request_ip ? 'request_ip' : 'request.ip';
  const read = {
    ...readCidrs(addresses, { pointer: `/condition/${name}`, list: 'in' }),
    ...readCidrs(addresses, { pointer: `/condition/${name}`, list: 'not_in' }),
  };
  return Object.keys(read).length > 0 ? read : null;
}

function readCidrs(addresses: Addresses, { pointer, list }: { pointer: string; list: 'in' | 'not_in' }) {
  const blocks = addresses[list] ?? [];
  const problems = blocks.flatMap((block, index) =>
    parseCidr(block)
      ? []
      : [{ pointer: `${pointer}/${list}/${index}`, message: 'is no address in CIDR form' }],
  );
  if (problems.length > 0) throw invalidInput(problems);
  return blocks.length > 0 ? { [list]: blocks } : {};
}

function readTimes({ not_before, expires_on }: TokenInput) {
  const from = readTime(not_before, '/not_before');
  const until = readTime(expires_on, '/expires_on');
  if (from !== null && until !== null && from >= until) {
    throw invalidInput([{ pointer: '/expires_on', message: 'must be later than not_before' }]);
  }
  return { not_before: from, expires_on: until };
}

function readTime(text: string | null | undefined, pointer: string): string | null {
  if (text == null) return null;
  const milliseconds = parseTimestamp(text);
  if (milliseconds === null) throw invalidInput([{ pointer, message: 'is not an RFC 3339 time' }]);
  return timestamp(milliseconds);
}
