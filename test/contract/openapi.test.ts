import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Route } from '../../src/http/route.ts';
import { API_PREFIX, prefixesOf } from '../../src/http/server.ts';
import { createVault } from '../../src/kernel/crypto.ts';
import { permissionGroups } from '../../src/kernel/permissions.ts';
import { listRoutes } from '../../src/routes.ts';
import type { TestApp } from '../support/app.ts';
import { onBothDatabases, type Stage } from '../support/stage.ts';

/* The description of the API, which is generated from the routes, says what the routes do. */

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly description: string;
  readonly 'x-api-token-group': readonly string[];
  readonly parameters?: readonly { in: string; name: string; required: boolean; schema: object }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { schema: object }>> };
  readonly responses: Readonly<
    Record<string, { readonly content: Readonly<Record<string, { schema: object }>> }>
  >;
}

interface Document {
  readonly openapi: string;
  readonly servers: readonly { readonly url: string }[];
  readonly security: readonly object[];
  readonly components: { readonly securitySchemes: object };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

async function readDocument(app: TestApp): Promise<Document> {
  const answer = await app.api('GET', '/openapi.json', { token: null });
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
  return answer.body as Document;
}

function routesOf({ app }: Stage): Route[] {
  const { control } = app.app;
  return listRoutes({ control, vault: createVault(Buffer.alloc(32)), config: app.config });
}

/** Each operation of the document under `METHOD path`. */
function operationsOf({ paths }: Document): Map<string, Operation> {
  return new Map(
    Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(
        ([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const,
      ),
    ),
  );
}

/** Under which names a route must stand in the document. */
function namesOf(route: Route): string[] {
  return prefixesOf(route).map((prefix) => {
    const path = (API_PREFIX + prefix + route.path).replaceAll(/:(\w+)/g, '{$1}');
    return `${route.method} ${path}`;
  });
}

onBothDatabases('the description of the API', (stage) => {
  test('is OpenAPI 3.1, leads to this server, and names the three ways to say who one is', async () => {
    const document = await readDocument(stage.app);
    assert.match(document.openapi, /^3\.1\.\d+$/);
    assert.deepEqual(document.servers, [{ url: stage.app.origin }]);
    assert.deepEqual(document.security, [{ api_token: [] }, { api_email: [], api_key: [] }]);
    assert.deepEqual(Object.keys(document.components.securitySchemes), ['api_token', 'api_email', 'api_key']);
  });

  test('has every route, and nothing else', async () => {
    const found = [...operationsOf(await readDocument(stage.app)).keys()].sort();
    assert.deepEqual(found, routesOf(stage).flatMap(namesOf).sort());
    assert.ok(found.length > 60);
  });

  test('names each operation once, and what it takes to call it', async () => {
    const operations = operationsOf(await readDocument(stage.app));
    const names = [...operations.values()].map(({ operationId }) => operationId);
    assert.deepEqual([...new Set(names)].length, names.length);
    const known = new Set<string>(permissionGroups.map(({ name }) => name));
    for (const route of routesOf(stage)) {
      for (const name of namesOf(route)) {
        const operation = operations.get(name);
        assert.ok(operation, name);
        assert.match(operation.operationId, /^[a-z0-9-]+$/);
        assert.deepEqual(operation['x-api-token-group'], route.permission);
        for (const permission of route.permission) {
          assert.ok(known.has(permission), permission);
          assert.ok(operation.description.includes(permission), name);
        }
        assert.ok(operation.summary && operation.tags.length === 1, name);
      }
    }
  });

  test('says of each operation what it takes and what it answers, failures included', async () => {
    for (const [name, operation] of operationsOf(await readDocument(stage.app))) {
      const inPath = [...name.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
      const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      assert.deepEqual(declared.map((parameter) => parameter.name).sort(), inPath.sort(), name);
      assert.ok(
        declared.every((parameter) => parameter.required),
        name,
      );
      const [success, failure, ...more] = Object.keys(operation.responses);
      assert.match(success ?? '', /^20[012]$/, name);
      assert.deepEqual([failure, ...more], ['4XX'], name);
      assert.equal(
        operation.requestBody !== undefined,
        /^(?:POST|PUT|PATCH)/.test(name) && takesBody(stage, name),
        name,
      );
    }
  });

  test('has schemas that the answers keep to', async () => {
    const { app } = stage;
    const operations = operationsOf(await readDocument(app));
    const account = `/accounts/${app.credentials.account_id}`;
    const users = `${account}/access/users`;
    const made = await app.api('POST', users, { body: { email: 'a@example.com', nickname: 'A' } });
    const user = `${users}/${made.body.result.id}`;
    const template = '/client/v4/accounts/{account_id}';
    const answers = [
      [`POST ${template}/access/users`, made],
      [`GET ${template}/access/users`, await app.api('GET', users)],
      [`GET ${template}/access/users`, await app.api('GET', `${users}?page=0`)],
      [`GET ${template}/access/users`, await app.api('GET', users, { token: null })],
      [`GET ${template}/access/users/{user_id}`, await app.api('GET', user)],
      [`PUT ${template}/access/users/{user_id}`, await app.api('PUT', user, { body: {} })],
      [`DELETE ${template}/access/users/{user_id}`, await app.api('DELETE', user)],
      [`DELETE ${template}/access/users/{user_id}`, await app.api('DELETE', user)],
      [`GET ${template}/members`, await app.api('GET', `${account}/members`)],
      [`GET ${template}/tokens`, await app.api('GET', `${account}/tokens`)],
      [`GET ${template}/audit_logs`, await app.api('GET', `${account}/audit_logs`)],
      [`GET ${template}/iam/permission_groups`, await app.api('GET', `${account}/iam/permission_groups`)],
      [`GET ${template}/iam/resource_groups`, await app.api('GET', `${account}/iam/resource_groups`)],
      [`GET ${template}/access/organizations`, await app.api('GET', `${account}/access/organizations`)],
      ['GET /client/v4/zones', await app.api('GET', '/zones')],
      ['GET /client/v4/accounts', await app.api('GET', '/accounts')],
    ] as const;
    for (const [name, { status, body }] of answers) {
      const { responses = {} } = operations.get(name) ?? {};
      const described = responses[status] ?? (status < 500 ? responses['4XX'] : undefined);
      const schema = described?.content['application/json']?.schema;
      assert.ok(schema, `${name} ${status}`);
      assert.deepEqual(Compile(schema as TSchema).Errors(body), [], `${name} ${status}`);
    }
  });
});

function takesBody(stage: Stage, name: string): boolean {
  return routesOf(stage).some((route) => route.body !== undefined && namesOf(route).includes(name));
}
