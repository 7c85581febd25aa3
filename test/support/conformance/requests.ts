import assert from 'node:assert/strict';
import { permissionGroups, roles } from '../../../src/kernel/permissions.ts';
import { validBody } from './bodies.ts';
import type { Operation } from './document.ts';
import type { Inhabited } from './tenants.ts';

/** One request of the matrix, and the statuses that may answer it. */
export interface Request {
  readonly operation: Operation;
  readonly target: string;
  readonly body?: unknown;
  readonly expects: readonly number[];
  readonly about: string;
  /** Asked by one kind of credential alone: what the answer holds does not hang on it. */
  readonly isOfKey?: true;
}

/** Named in every account alike: whoever asks is told, and it tells nothing of anybody. */
export const SHARED: Readonly<Record<string, string>> = {
  'iam/permission_groups/*': permissionGroups[0]?.id ?? '',
  'roles/*': roles[0]?.id ?? '',
};

/** Where another account's object under the own account is no 404 (decisions, Authentication). */
const OTHERWISE: Readonly<Record<string, number>> = {
  // No member of this account.
  'GET iam/user_groups/*/members/*': 400,
  'DELETE iam/user_groups/*/members/*': 400,
};

/** What these name is a name that every account may give. */
const FREE: ReadonlySet<string> = new Set(['access-tags-update-a-tag']);

export const OF_ACCOUNT = /^\/(?:accounts\/\{account_id\}|zones\/\{zone_id\})(?=\/|$)/;

const SPAN = { since: '2020-01-01T00:00:00Z', before: '2100-01-01T00:00:00Z' };

/** Parameters without which a route does not answer. */
const REQUIRED: Readonly<Record<string, (of: Inhabited) => Record<string, string>>> = {
  'audit-logs-v2-get-account-audit-logs': () => SPAN,
  'audit-logs-v2-get-resource-history': ({ objects }) => ({
    ...{ ...SPAN, action_time: objects['the time of the audit entry'] ?? '' },
  }),
  'access-applications-test-access-policies': ({ mark }) => ({ email: `user@${mark}.test` }),
  'delete-registrations': anotherRegistration,
  'revoke-registrations': anotherRegistration,
  'unrevoke-registrations': anotherRegistration,
};

function anotherRegistration({ objects }: Inhabited) {
  return { id: objects['another registration'] ?? '' };
}

/** Puts the account, its zone and objects into the path, with the parameters that it must have. */
export function targetOf(operation: Operation, of: Inhabited, objects = of.objects): string {
  const { path, params } = operation;
  const shapes = params.map(({ shape }) => shape);
  const filled = path.replaceAll(/\{(\w+)\}/g, (_brace, name: string) => {
    if (name === 'account_id' && path.startsWith('/accounts/{')) return of.accountId;
    if (name === 'zone_id' && path.startsWith('/zones/{')) return of.zoneId;
    const shape = shapes.shift() ?? '';
    return encodeURIComponent(objects[shape] ?? SHARED[shape] ?? assert.fail(`no object of ${shape}`));
  });
  const required = Object.entries(REQUIRED[operation.name]?.(of) ?? {});
  return required.reduce((target, [name, value]) => withParameter(target, name, value), filled);
}

/** In place of one of that name, if there is one. */
function withParameter(target: string, name: string, value: string): string {
  const [path = '', query = ''] = target.split('?');
  const parameters = new URLSearchParams(query);
  parameters.set(name, value);
  return `${path}?${parameters}`;
}

export function bodyOf(operation: Operation, of: Inhabited): { body?: unknown } {
  return operation.body ? { body: validBody(operation.name, of) } : {};
}

/** The path of the other account or its zone, with objects of either. */
export function foreignPlaces(operation: Operation, own: Inhabited, other: Inhabited): Request[] {
  if (!OF_ACCOUNT.test(operation.path)) return [];
  return [own.objects, other.objects].map((objects) => ({
    ...{
      operation,
      expects: [403],
      about: 'in the other account',
      target: targetOf(operation, other, objects),
    },
    ...bodyOf(operation, own),
  }));
}

/** One request for each choice of places in the path that hold the other account's object. */
export function foreignObjects(operation: Operation, own: Inhabited, other: Inhabited): Request[] {
  const places = operation.params.map(({ shape }) => shape).filter((shape) => !(shape in SHARED));
  const choices = Array.from({ length: 2 ** places.length - 1 }, (_, at) =>
    places.filter((_place, bit) => ((at + 1) >> bit) & 1),
  );
  const inPath = choices.map((foreign) => {
    const objects = { ...own.objects };
    for (const shape of foreign) objects[shape] = other.objects[shape] ?? '';
    const isLeaf = foreign.length === 1 && foreign[0] === operation.shape;
    const expected = (isLeaf ? OTHERWISE[`${operation.method} ${operation.shape}`] : undefined) ?? 404;
    return {
      ...{ operation, expects: [expected], about: `with the other's ${foreign.join(' and ')}` },
      ...{ target: targetOf(operation, own, objects), ...bodyOf(operation, own) },
    };
  });
  return [...inPath, ...foreignQueries(operation, own, other)];
}

/** What a changing route is told in its query. */
function foreignQueries(operation: Operation, own: Inhabited, other: Inhabited): Request[] {
  const named = Object.entries(REQUIRED[operation.name]?.(other) ?? {});
  if (operation.method === 'GET' || named.length === 0) return [];
  const target = named.reduce(
    (before, [name, value]) => withParameter(before, name, value),
    targetOf(operation, own),
  );
  return [{ operation, target, expects: [400, 404], about: "with the other's in the query" }];
}

/** One request for each id in the body that could be the other account's. */
export function foreignBodies(operation: Operation, own: Inhabited, other: Inhabited): Request[] {
  if (!operation.body || FREE.has(operation.name)) return [];
  const named = Object.entries({ ...own.objects, account: own.accountId, zone: own.zoneId });
  const of: Record<string, string> = { ...other.objects, account: other.accountId, zone: other.zoneId };
  const text = JSON.stringify(validBody(operation.name, own));
  return named
    .filter(([, id]) => text.includes(`"${id}"`) || text.includes(`.${id}"`))
    .map(([shape, id]) => ({
      ...{ operation, expects: [400, 403, 404, 409], about: `naming the other's ${shape}` },
      ...{
        target: targetOf(operation, own),
        body: JSON.parse(text.replaceAll(id, of[shape] ?? '')) as unknown,
      },
    }));
}

/** What is read as it is, and with each of its parameters asking for something of the other account's. */
export function questions(operation: Operation, own: Inhabited, other: Inhabited): Request[] {
  if (operation.method !== 'GET') return [];
  const target = targetOf(operation, own);
  const expects = operation.path.endsWith('tokens/verify') ? [200, 401] : [200];
  const { mark, accountId, zoneId, objects } = other;
  const userId = objects['access/users/*'] ?? '';
  const asked = operation.query
    .filter(({ schema }) => schema.type === 'string' || schema.type === 'array')
    .flatMap(({ name }) =>
      [mark, `user@${mark}.test`, accountId, zoneId, userId].map((value) => ({
        ...{ operation, expects: [200, 400, 403, 404], isOfKey: true as const },
        ...{ about: `asking ${name} for the other's`, target: withParameter(target, name, value) },
      })),
    );
  return [{ operation, target, expects, about: 'as it is' }, ...asked];
}
