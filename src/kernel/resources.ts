import type { PermissionScope } from './permissions.ts';
import { below, collect, isObject, misread, type Parsed, parsed, quote } from './result.ts';

/**
 * What a policy applies to (reference §7.2): resource names, each with `*` or, for an account, with the names
 * of zones in it. A name is a scope, a dot, and an id of 32 lower-case hex or, but for users, `*`.
 */
export type Resources = Readonly<Record<string, '*' | Readonly<Record<string, '*'>>>>;

/**
 * The things that one resource name stands for. `owner` is an account, `id` a zone or user; `*` in either is
 * every one there is, and what does not apply is empty.
 */
export interface Region {
  readonly kind: PermissionScope;
  readonly owner: string;
  readonly id: string;
}

/** The account that owns a zone; null if nobody does, or if it cannot be told. */
export type AccountOfZone = (zone: string) => string | null;

export const ACCOUNT = 'com.cloudflare.api.account';
export const ZONE = 'com.cloudflare.api.account.zone';
export const USER = 'com.cloudflare.api.user';

export function accountRegion(account: string): Region {
  return { kind: ACCOUNT, owner: account, id: '' };
}

export function zoneRegion(account: string, zone: string): Region {
  return { kind: ZONE, owner: account, id: zone };
}

export function userRegion(user: string): Region {
  return { kind: USER, owner: '', id: user };
}

/** The regions of all names. A zone that is named for no account in particular is in any, unless its own is told. */
export function regionsOf(resources: Resources, accountOfZone: AccountOfZone = () => null): Region[] {
  return Object.entries(resources).flatMap(([text, content]) => {
    const name = readName(text);
    if (name === null) return [];
    if (content === ANY) return [regionOf(name, accountOfZone)];
    return name.kind === ACCOUNT ? zonesIn(name.id, Object.keys(content), accountOfZone) : [];
  });
}

/** Whether the outer region has everything of the inner one: a wildcard is within a wildcard alone. */
export function isWithin(inner: Region, outer: Region): boolean {
  return inner.kind === outer.kind && isIn(inner.owner, outer.owner) && isIn(inner.id, outer.id);
}

/** Whether two regions may have anything in common. */
export function overlap(one: Region, other: Region): boolean {
  return one.kind === other.kind && touch(one.owner, other.owner) && touch(one.id, other.id);
}

/** How many names there are, those in braces included. */
export function countResources(resources: Resources): number {
  return Object.values(resources).reduce(
    (sum, content) => sum + (content === ANY ? 1 : Object.keys(content).length),
    0,
  );
}

/** Reads the resources of a policy, of which there must be at least one. */
export function parseResources(value: unknown, pointer: string): Parsed<Resources> {
  return parseEntries(value, pointer, parseEntry);
}

const ANY = '*';
const ID = /^[0-9a-f]{32}$/;

interface Name {
  readonly kind: PermissionScope;
  readonly id: string;
}

function readName(text: string): Name | null {
  const dot = text.lastIndexOf('.');
  const kind = text.slice(0, dot);
  const id = text.slice(dot + 1);
  if (kind !== ACCOUNT && kind !== ZONE && kind !== USER) return null;
  return ID.test(id) || (id === ANY && kind !== USER) ? { kind, id } : null;
}

function regionOf({ kind, id }: Name, accountOfZone: AccountOfZone): Region {
  if (kind === ACCOUNT) return accountRegion(id);
  return kind === USER ? userRegion(id) : zoneIn(ANY, id, accountOfZone);
}

function zonesIn(account: string, names: readonly string[], accountOfZone: AccountOfZone): Region[] {
  return names.flatMap((text) => {
    const name = readName(text);
    return name?.kind === ZONE ? [zoneIn(account, name.id, accountOfZone)] : [];
  });
}

function zoneIn(account: string, id: string, accountOfZone: AccountOfZone): Region {
  return zoneRegion(account === ANY && id !== ANY ? (accountOfZone(id) ?? ANY) : account, id);
}

function isIn(inner: string, outer: string): boolean {
  return outer === ANY || outer === inner;
}

function touch(one: string, other: string): boolean {
  return one === ANY || other === ANY || one === other;
}

type EntryParser<T> = (name: Name, content: unknown, pointer: string) => Parsed<T>;

function parseEntries<T>(value: unknown, pointer: string, parse: EntryParser<T>): Parsed<Record<string, T>> {
  const entries = isObject(value) ? Object.entries(value) : [];
  if (entries.length === 0) return misread(pointer, 'must be an object with at least one resource');
  const readings = entries.map(([text, content]): Parsed<[string, T]> => {
    const name = readName(text);
    if (name === null) return misread(pointer, `${quote(text)} is no resource that can be granted`);
    const reading = parse(name, content, below(pointer, text));
    return reading.ok ? parsed([text, reading.value]) : reading;
  });
  const all = collect(readings);
  return all.ok ? parsed(Object.fromEntries(all.value)) : all;
}

function parseEntry(name: Name, content: unknown, pointer: string): Parsed<Resources[string]> {
  if (content === ANY) return parsed(ANY);
  if (name.kind !== ACCOUNT) return misread(pointer, 'must be "*"');
  if (!isObject(content)) return misread(pointer, 'must be "*" or an object of zones');
  return parseEntries(content, pointer, parseZone);
}

function parseZone(name: Name, content: unknown, pointer: string): Parsed<'*'> {
  if (name.kind !== ZONE) return misread(pointer, 'must name a zone');
  return content === ANY ? parsed(ANY) : misread(pointer, 'must be "*"');
}
