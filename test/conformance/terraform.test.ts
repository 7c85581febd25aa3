import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { ApiAnswer } from '../support/app.ts';
import { createAuthority } from '../support/client-certificates.ts';
import type { Resource } from '../support/conformance/resource.ts';
import { SETTINGS, type Setting } from '../support/conformance/settings.ts';
import { type Inhabited, inhabit } from '../support/conformance/tenants.ts';
import { RESOURCES } from '../support/conformance/terraform.ts';
import { onBothDatabases, type Stage } from '../support/stage.ts';

/*
 * As the Terraform provider lives: what was applied is read again and again and must stay what it was, field by field
 * and in its order; an import finds what a creation answered; and what is gone is a 404.
 */

type Read = Record<string, unknown>;

const MOVES = ['updated_at', 'days_until_next_rotation'];

onBothDatabases('what Terraform keeps', (stage) => {
  const set: { account?: Inhabited } = {};
  before(async () => {
    [set.account] = await inhabit(stage.app, ['quokka', 'axolotl']);
    const { accountId, objects } = set.account;
    // One authority of an account has a certificate: the resource brings its own.
    const certificate = `/accounts/${accountId}/access/certificates/${objects['access/certificates/*']}`;
    await request(stage, set.account, 'PUT', certificate, { associated_hostnames: [] });
    await request(stage, set.account, 'DELETE', certificate);
    const another = (await createAuthority()).cert;
    await answered(stage, set.account, 'POST', `/accounts/${accountId}/access/certificates`, {
      ...{ name: 'of settings', certificate: another },
      associated_hostnames: [`tf.${set.account.mark}.test`],
    });
  });

  for (const [name, resource] of Object.entries(RESOURCES)) {
    test(`${name} does not drift`, async () => {
      assert.ok(set.account);
      await live(stage, set.account, resource);
    });
  }

  for (const [name, setting] of Object.entries(SETTINGS)) {
    test(`${name} reads as it was set`, async () => {
      assert.ok(set.account);
      await keep(stage, set.account, setting);
    });
  }
});

/** What was set is read until something else is set; the same apply twice changes nothing. */
async function keep(stage: Stage, of: Inhabited, { path, body, other, within }: Setting): Promise<void> {
  const target = `/accounts/${of.accountId}${path === '' ? '' : `/${withObject(of, path)}`}`;
  const read = () => answered(stage, of, 'GET', target);
  const put = async (sent: unknown) => {
    const told = await answered(stage, of, 'PUT', target, sent);
    const found = await read();
    assert.deepEqual(without(found, MOVES), without(told, MOVES), 'the answer of PUT is what is read');
    assert.deepEqual(await read(), found, 'a second read is the first');
    assertContains(found, within === undefined ? sent : (sent as Read)[within]);
    return without(found, MOVES);
  };
  const first = await put(body(of));
  assert.deepEqual(await put(body(of)), first, 'a second apply changes nothing');
  if (!other) return;
  assert.notDeepEqual(await put(other(of)), first);
  assert.deepEqual(await put(body(of)), first, 'it is back');
}

/** What was sent is in what is read, in its order. */
function assertContains(read: unknown, sent: unknown): void {
  if (Array.isArray(sent)) {
    assert.equal((read as unknown[]).length, sent.length);
    for (const [at, item] of sent.entries()) assertContains((read as unknown[])[at], item);
  } else if (typeof sent === 'object' && sent !== null) {
    for (const [field, value] of Object.entries(sent)) assertContains((read as Read)[field], value);
  } else assert.deepEqual(read, sent);
}

async function live(stage: Stage, of: Inhabited, resource: Resource): Promise<void> {
  const collection = collectionOf(of, resource);
  const { key = 'id', once = [], moves = [], notListed = [] } = resource;
  const send = (method: string, path: string, body?: unknown) => answered(stage, of, method, path, body);

  const made = await send('POST', collection, resource.first(of));
  const one = `${collection}/${encodeURIComponent(String(made[key]))}`;
  for (const field of once) assert.ok(made[field], `${field} is answered once`);
  const look = async () =>
    resource.cannotRead
      ? ((await inList(stage, of, { resource, collection, made })) ?? assert.fail('the list has it'))
      : await send('GET', one);
  const read = await look();
  assert.deepEqual(without(read, [...moves, ...notListed]), without(made, [...once, ...moves, ...notListed]));
  assert.deepEqual(await look(), read, 'a second read is the first');
  assertKept(resource, resource.first(of), read);
  await assertListed(stage, of, { resource, collection, read });

  if (!resource.cannotUpdate) await change(stage, of, { resource, one, read });
  await send('DELETE', one);
  for (const method of resource.cannotRead ? (['DELETE'] as const) : (['GET', 'DELETE'] as const)) {
    const { status } = await request(stage, of, method, one);
    assert.equal(status, resource.gone ?? 404, `${method} of what is gone`);
  }
  assert.equal(await inList(stage, of, { resource, collection, made }), undefined);
}

/** Changed, and back, and back again: the last two are the same. */
async function change(
  stage: Stage,
  of: Inhabited,
  { resource, one, read }: { resource: Resource; one: string; read: Read },
): Promise<void> {
  const { key = 'id', moves = [], notListed = [] } = resource;
  const send = (method: string, path: string, body?: unknown) => answered(stage, of, method, path, body);
  const changed = await send('PUT', one, resource.second(of));
  const readChanged = await send('GET', one);
  assert.equal(readChanged[key], read[key]);
  assert.deepEqual(
    without(readChanged, [...moves, ...notListed]),
    without(changed, [...moves, ...notListed]),
  );
  assertKept(resource, resource.second(of), readChanged);

  const back = resource.first(of);
  await send('PUT', one, back);
  const settled = await send('GET', one);
  await send('PUT', one, back);
  const twice = await send('GET', one);
  assertSame(without(twice, moves), without(settled, moves), 'the same apply twice changes nothing');
  for (const field of Object.keys(back)) {
    if (field in read && !moves.includes(field)) assertSame(settled[field], read[field], `${field} is back`);
  }
}

/** Ids of policies within are given anew with each update, as Cloudflare gives them. */
function assertSame(now: unknown, then: unknown, message: string): void {
  const plain = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value ?? null), (key, inner: unknown) =>
      /^(?:id|uid|updated_at|created_at|created_on|modified_on)$/.test(key) ? undefined : inner,
    );
  assert.deepEqual(plain(now), plain(then), message);
}

/** The provider compares times as instants: a fraction that is zero is no drift. */
function instant(value: unknown): unknown {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : value;
}

/** What was sent is what is read, in its order. */
function assertKept({ secret = [], rewritten = [] }: Resource, sent: Read, read: Read): void {
  for (const [field, value] of Object.entries(sent)) {
    if (secret.includes(field) || rewritten.includes(field)) continue;
    assert.deepEqual(instant(read[field]), instant(value), `${field} is read as it was sent`);
  }
}

/** An import finds it: the list has what a read answers, and no field is in one of them alone. */
async function assertListed(
  stage: Stage,
  of: Inhabited,
  { resource, collection, read }: { resource: Resource; collection: string; read: Read },
): Promise<void> {
  const { moves = [], notListed = [] } = resource;
  const found = await inList(stage, of, { resource, collection, made: read });
  assert.ok(found, 'the list has it');
  const apart = [...moves, ...notListed];
  assert.deepEqual(without(found, apart), without(read, apart), 'in the list as by itself');
}

async function inList(
  stage: Stage,
  of: Inhabited,
  { resource, collection, made }: { resource: Resource; collection: string; made: Read },
): Promise<Read | undefined> {
  const { key = 'id' } = resource;
  const answer = await request(stage, of, 'GET', collection);
  assert.equal(answer.status, 200);
  return (answer.body.result as Read[]).find((item) => item[key] === made[key]);
}

function collectionOf(of: Inhabited, { collection }: Resource): string {
  if (collection.startsWith('/')) return collection;
  return `/accounts/${of.accountId}/${withObject(of, collection)}`;
}

function withObject({ objects }: Inhabited, path: string): string {
  return path.replace('*', (_star, at: number) => {
    const shape = `${path.slice(0, at)}*`;
    return objects[shape] ?? assert.fail(`no object of ${shape}`);
  });
}

function without(value: Read, fields: readonly string[]): Read {
  return Object.fromEntries(Object.entries(value).filter(([field]) => !fields.includes(field)));
}

async function request(
  { app }: Stage,
  of: Inhabited,
  method: string,
  path: string,
  body?: unknown,
): Promise<ApiAnswer> {
  return await app.api(method, path, { body, token: null, headers: { ...of.key } });
}

async function answered(
  stage: Stage,
  of: Inhabited,
  method: string,
  path: string,
  body?: unknown,
): Promise<Read> {
  const answer = await request(stage, of, method, path, body);
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body.errors)}`);
  return answer.body.result as Read;
}
