import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { APIError } from 'cloudflare';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { readCoverage } from '../../scripts/coverage.ts';
import { allRoutes } from '../../scripts/write-docs.ts';
import { type Gated, gatedOnBothDatabases } from '../support/gated.ts';
import { readRows } from '../support/rows.ts';
import { accessCalls } from '../support/sdk-calls/access.ts';
import { accountCalls } from '../support/sdk-calls/accounts.ts';
import { applicationCalls } from '../support/sdk-calls/applications.ts';
import { deviceCalls } from '../support/sdk-calls/devices.ts';
import { iamCalls } from '../support/sdk-calls/iam.ts';
import { byItsProvider, peopleCalls } from '../support/sdk-calls/people.ts';
import { type At, type Call, createWorld, type Exchange, type World } from '../support/sdk-calls/world.ts';
import type { SdkMethod } from '../support/sdk-walk.ts';
import { firstTenant } from '../support/tenants.ts';

/*
 * The coverage table of docs/compatibility.md is whole and true: every method of the installed SDK is in it, and each
 * that is said to be there is called, on both databases, with objects that are made for it.
 */

const calls: Readonly<Record<string, Call>> = {
  ...accountCalls,
  ...iamCalls,
  ...applicationCalls,
  ...accessCalls,
  ...peopleCalls,
  ...deviceCalls,
};

/** What is always refused, and said so in the table. */
const REFUSED: Readonly<Record<string, number>> = { 'zeroTrust.organizations.create': 409 };

/** What answers an empty list, since that is what it was called for. */
const EMPTY: ReadonlySet<string> = new Set(['iam.userGroups.members.update']);

const { rows, problems } = await readCoverage(allRoutes());
const out = rows.filter(({ status }) => status === 'out').map(({ method }) => method);
const inScope = rows.filter(({ status }) => status !== 'out').map(({ method }) => method);

describe('the coverage table', () => {
  test('has every method of the SDK, and a route for each that is in scope', () => {
    assert.deepEqual(problems, []);
    assert.ok(rows.length > 600 && inScope.length > 150);
  });

  test('is called from its first row to its last', () => {
    assert.deepEqual(Object.keys(calls).sort(), inScope.map(({ name }) => name).sort());
  });
});

gatedOnBothDatabases('the SDK', (gated) => {
  const set: { world?: Omit<World, 'at'>; schemas?: Schemas } = {};
  before(async () => {
    set.world = createWorld(gated(), await firstTenant(gated().app));
    set.schemas = await readSchemas(gated());
    await goStraight(gated());
  });

  test('is told 404 or 405 by what is out, and nothing changes', async () => {
    const { app, account_id, database } = gated();
    const known: Record<string, string> = { account_id, zone_id: app.credentials.zone_id };
    const before = await readRows(database);
    for (const { method, paths } of out) {
      for (const path of paths) {
        const target = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => known[name] ?? '0'.repeat(32));
        const { status } = await app.api(method, target);
        assert.ok(status === 404 || status === 405, `${method} ${target}: ${status}`);
      }
    }
    assert.deepEqual(await readRows(database), before);
  });

  for (const method of inScope) {
    for (const path of method.paths) {
      const zone = path.startsWith('/zones/{zone_id}/access') ? ' by the path of a zone' : '';
      test(`${method.name}${zone}`, async () => {
        const { world, schemas } = set;
        assert.ok(world && schemas);
        const { account_id, zone_id } = world;
        const at: At = zone === '' ? { account_id } : { zone_id };
        await callOne({ ...world, at }, { method, path, schemas });
      });
    }
  }
});

/** Providers that are made by the way are not offered to those who sign in. */
async function goStraight(gated: Gated): Promise<void> {
  const { sdk, account_id, application, site } = gated;
  await sdk.zeroTrust.access.applications.update(application.id, {
    account_id,
    type: 'self_hosted',
    domain: new URL(site).host,
    ...byItsProvider(gated),
  });
}

async function callOne(
  world: World,
  { method, path, schemas }: { method: SdkMethod; path: string; schemas: Schemas },
): Promise<void> {
  const call = calls[method.name];
  assert.ok(call, `nobody calls ${method.name}`);
  world.exchanges.length = 0;
  const refused = REFUSED[method.name];
  try {
    await call(world);
    assert.equal(refused, undefined, 'it was not refused');
  } catch (error) {
    if (!(error instanceof APIError) || error.status !== refused) throw error;
  }
  const last = world.exchanges.findLast((exchange) => isOf(exchange, method.method, path));
  assert.ok(last, `${method.method} ${path} was not called`);
  if (refused === undefined) assert.ok(last.status >= 200 && last.status < 300, JSON.stringify(last.body));
  const { result } = last.body as { result: unknown };
  // Of an empty list every schema is true.
  if (Array.isArray(result) && !EMPTY.has(method.name)) assert.notDeepEqual(result, []);
  assert.deepEqual(schemas.faults(`${method.method} ${path}`, last), []);
}

function isOf(exchange: Exchange, method: string, path: string): boolean {
  const pattern = path.replaceAll(/\{\w+\}/g, '[^/]+');
  return exchange.method === method && new RegExp(`^/client/v4${pattern}$`).test(exchange.path);
}

/** What the description of the API says of answers. */
interface Schemas {
  /** How an answer breaks its schema. */
  faults(name: string, exchange: Exchange): unknown[];
}

type Operation = {
  readonly responses: Readonly<
    Record<string, { readonly content: Readonly<Record<string, { readonly schema: TSchema }>> }>
  >;
};

async function readSchemas({ app }: Gated): Promise<Schemas> {
  const { body } = await app.api('GET', '/openapi.json', { token: null });
  const { paths } = body as { paths: Record<string, Record<string, Operation>> };
  const operations = new Map(
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [shapeOf(method, path), operation] as const),
    ),
  );
  return {
    faults: (name, { status, body: answer }) => {
      const [method = '', path = ''] = name.split(' ');
      const { responses = {} } = operations.get(shapeOf(method, `/client/v4${path}`)) ?? {};
      const schema = (responses[status] ?? responses['4XX'])?.content['application/json']?.schema;
      assert.ok(schema && (responses[status] || status >= 400), `${name} does not say what ${status} is`);
      return [...Compile(schema).Errors(answer)];
    },
  };
}

function shapeOf(method: string, path: string): string {
  return `${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, '{}')}`;
}
