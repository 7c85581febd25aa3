import assert from 'node:assert/strict';
import type { ApiAnswer, TestApp } from '../app.ts';
import { everything, seed } from '../authority-rows.ts';
import { createAuthority } from '../client-certificates.ts';
import { addTenant } from '../tenants.ts';
import { everythingOn, userEmail, validBody } from './bodies.ts';
import { insertRows } from './rows-without-api.ts';

/** The id of an object of each kind, by the shape of its path; for a few kinds that have names, the name. */
export type Objects = Readonly<Record<string, string>>;

/** An account in which there is one object of every kind, and whoever may do everything in it. */
export interface Inhabited {
  /** A word that is in every name and e-mail of the account, and in no other account. */
  readonly mark: string;
  readonly accountId: string;
  readonly zoneId: string;
  readonly ownerId: string;
  readonly ownerMemberId: string;
  readonly objects: Objects;
  /** PEM of an authority for further certificates. */
  readonly authority: string;
  /** Headers of the key of its Super Administrator, and of a token of the account with every permission. */
  readonly key: Readonly<Record<string, string>>;
  readonly token: Readonly<Record<string, string>>;
  readonly tokenId: string;
  /** How many bodies were made: names in them do not repeat. */
  readonly made: { count: number };
}

/** Two accounts, each with an object of every kind, neither of which may know anything of the other. */
export async function inhabit(
  app: TestApp,
  marks: readonly [string, string],
): Promise<[Inhabited, Inhabited]> {
  return [await settle(app, marks[0]), await settle(app, marks[1])];
}

async function settle(app: TestApp, mark: string): Promise<Inhabited> {
  const { accountId, zoneId, owner, everything: whole } = await addTenant(app, mark);
  const key = { 'x-auth-email': owner.email, 'x-auth-key': owner.key };
  const call = caller(app, key);
  const root = `/accounts/${accountId}`;
  const account = { accountId, zoneId, mark, ownerId: owner.administratorId, ownerMemberId: owner.memberId };
  const authority = (await createAuthority()).cert;
  const token = await call('POST', `${root}/tokens`, fullToken(account));
  const before: Inhabited = {
    ...account,
    authority,
    key,
    token: { authorization: `Bearer ${token.value}` },
    tokenId: String(token.id),
    objects: { 'the whole account': whole },
    made: { count: 0 },
  };
  const withMember = { ...before, objects: { ...before.objects, ...(await addMembers(app, before)) } };
  const objects = await createByApi(call, withMember);
  const rest = await insertRows(app, { ...account, objects });
  return { ...withMember, objects: { ...objects, ...rest } };
}

type Call = (method: string, path: string, body?: unknown) => Promise<Record<string, unknown>>;

/** Calls that must succeed; answers the result. */
function caller(app: TestApp, headers: Readonly<Record<string, string>>): Call {
  return async (method, path, body) => {
    const answer: ApiAnswer = await app.api(method, path, { body, headers, token: null });
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body.result as Record<string, unknown>;
  };
}

/** A second Super Administrator, so that none is the last, and somebody who has not accepted. */
async function addMembers(
  app: TestApp,
  { accountId, mark, ownerMemberId }: Inhabited,
): Promise<Record<string, string>> {
  const second = await seed(app).person(`second@${mark}.test`);
  await seed(app).member({ account_id: accountId, administrator_id: second.id, roles: everything });
  const invited = await seed(app).person(`invited@${mark}.test`);
  const row = { account_id: accountId, administrator_id: invited.id, status: 'pending' };
  return { 'members/*': await seed(app).member(row), 'memberships/*': ownerMemberId };
}

/** In this order: what is named by others first. */
const BY_API = [
  'account-resource-group-create',
  'account-user-group-create',
  'user-api-tokens-create-token',
  'account-api-tokens-create-token',
  'zero-trust-users-create-user',
  'access-custom-pages-create-a-custom-page',
  'access-identity-providers-add-an-access-identity-provider',
  'zero-trust-lists-create-zero-trust-list',
  'device-posture-rules-create-device-posture-rule',
  'access-groups-create-an-access-group',
  'access-policies-create-an-access-reusable-policy',
  'access-service-tokens-create-a-service-token',
  'access-tags-create-tag',
  'access-applications-add-an-application',
  'access-policies-create-an-access-app-policy',
  'access-mtls-authentication-add-an-mtls-certificate',
  'access-policy-tests',
  'portcullis-gates-create-a-gate',
  'portcullis-blocked-users-block-a-user',
] as const;

const SHAPES: Readonly<Record<(typeof BY_API)[number], string>> = {
  'account-resource-group-create': 'iam/resource_groups',
  'account-user-group-create': 'iam/user_groups',
  'user-api-tokens-create-token': 'user/tokens',
  'account-api-tokens-create-token': 'tokens',
  'zero-trust-users-create-user': 'access/users',
  'access-custom-pages-create-a-custom-page': 'access/custom_pages',
  'access-identity-providers-add-an-access-identity-provider': 'access/identity_providers',
  'zero-trust-lists-create-zero-trust-list': 'gateway/lists',
  'device-posture-rules-create-device-posture-rule': 'devices/posture',
  'access-groups-create-an-access-group': 'access/groups',
  'access-policies-create-an-access-reusable-policy': 'access/policies',
  'access-service-tokens-create-a-service-token': 'access/service_tokens',
  'access-tags-create-tag': 'access/tags',
  'access-applications-add-an-application': 'access/apps',
  'access-policies-create-an-access-app-policy': 'access/apps/*/policies',
  'access-mtls-authentication-add-an-mtls-certificate': 'access/certificates',
  'access-policy-tests': 'access/policy-tests',
  'portcullis-gates-create-a-gate': 'portcullis/gates',
  'portcullis-blocked-users-block-a-user': 'portcullis/blocked_users',
};

async function createByApi(call: Call, before: Inhabited): Promise<Objects> {
  const serials = { name: `${before.mark} serials`, type: 'SERIAL', items: [{ value: before.mark }] };
  const listed = await call('POST', `/accounts/${before.accountId}/gateway/lists`, serials);
  const objects: Record<string, string> = {
    ...before.objects,
    'a list of serial numbers': String(listed.id),
  };
  for (const operation of BY_API) {
    const shape = SHAPES[operation];
    const path = shape.startsWith('user/') ? `/${shape}` : `/accounts/${before.accountId}/${shape}`;
    const body = validBody(operation, { ...before, objects }) as object;
    const known = shape === 'access/users' ? { ...body, email: userEmail(before.mark) } : body;
    const made = await call('POST', withIds(path, objects), known);
    objects[`${shape}/*`] = String(made.id ?? made.uid ?? made.name);
  }
  const members = 'iam/user_groups/*/members';
  const path = withIds(`/accounts/${before.accountId}/${members}`, objects);
  await call('POST', path, [{ id: objects['members/*'] }]);
  objects[`${members}/*`] = objects['members/*'] ?? '';
  return objects;
}

/** Puts ids where the path has stars. */
function withIds(path: string, objects: Objects): string {
  return path.replaceAll('*', (_star, at: number) => {
    const shape = `${path.slice(0, at).replace(/^\/accounts\/\w+\//, '')}*`;
    return objects[shape] ?? assert.fail(`no object of ${shape}`);
  });
}

function fullToken({ accountId, mark }: Pick<Inhabited, 'accountId' | 'mark'>) {
  return { name: `${mark} full`, policies: everythingOn(accountId) };
}
