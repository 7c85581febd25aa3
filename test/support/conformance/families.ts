import assert from 'node:assert/strict';
import type Cloudflare from 'cloudflare';
import type { ApiAnswer, TestApp } from '../app.ts';
import { validBody } from './bodies.ts';
import type { Inhabited } from './tenants.ts';

/** A list as it is walked, and what makes and takes away what it lists. */
export interface Family {
  readonly list: (sdk: Cloudflare, account_id: string, perPage: number) => AsyncIterable<object>;
  readonly collection: string;
  readonly operation: string;
  /** What a row is known by in the list, and taken away by. */
  readonly key?: 'id' | 'uid' | 'name';
  /** Of which a mixture would not show. */
  readonly hasOneField?: true;
}

/** What is made, listed by number of page, changed and deleted by the API. */
export const FAMILIES: Readonly<Record<string, Family>> = {
  users: {
    list: (sdk, account_id, per_page) => sdk.zeroTrust.access.users.list({ account_id, per_page }),
    collection: 'access/users',
    operation: 'zero-trust-users-create-user',
    hasOneField: true,
  },
  'user groups': {
    list: (sdk, account_id, per_page) => sdk.iam.userGroups.list({ account_id, per_page }),
    collection: 'iam/user_groups',
    operation: 'account-user-group-create',
  },
  'resource groups': {
    list: (sdk, account_id, per_page) => sdk.iam.resourceGroups.list({ account_id }, { query: { per_page } }),
    collection: 'iam/resource_groups',
    operation: 'account-resource-group-create',
    hasOneField: true,
  },
  members: {
    list: (sdk, account_id, per_page) => sdk.accounts.members.list({ account_id, per_page }),
    collection: 'members',
    operation: 'account-members-add-member',
  },
  'account tokens': {
    list: (sdk, account_id, per_page) => sdk.accounts.tokens.list({ account_id, per_page }),
    collection: 'tokens',
    operation: 'account-api-tokens-create-token',
  },
  'access groups': {
    list: (sdk, account_id, per_page) => sdk.zeroTrust.access.groups.list({ account_id, per_page }),
    collection: 'access/groups',
    operation: 'access-groups-create-an-access-group',
  },
  policies: {
    list: (sdk, account_id, per_page) => sdk.zeroTrust.access.policies.list({ account_id, per_page }),
    collection: 'access/policies',
    operation: 'access-policies-create-an-access-reusable-policy',
  },
  applications: {
    list: (sdk, account_id, per_page) => sdk.zeroTrust.access.applications.list({ account_id, per_page }),
    collection: 'access/apps',
    operation: 'access-applications-add-an-application',
  },
  'service tokens': {
    list: (sdk, account_id, per_page) => sdk.zeroTrust.access.serviceTokens.list({ account_id, per_page }),
    collection: 'access/service_tokens',
    operation: 'access-service-tokens-create-a-service-token',
  },
  'identity providers': {
    list: (sdk, account_id, per_page) => sdk.zeroTrust.identityProviders.list({ account_id, per_page }),
    collection: 'access/identity_providers',
    operation: 'access-identity-providers-add-an-access-identity-provider',
  },
  'custom pages': {
    list: (sdk, account_id, per_page) => sdk.zeroTrust.access.customPages.list({ account_id, per_page }),
    collection: 'access/custom_pages',
    operation: 'access-custom-pages-create-a-custom-page',
    key: 'uid',
  },
  'posture rules': {
    list: (sdk, account_id, per_page) =>
      sdk.zeroTrust.devices.posture.list({ account_id }, { query: { per_page } }),
    collection: 'devices/posture',
    operation: 'device-posture-rules-create-device-posture-rule',
  },
  'gateway lists': {
    list: (sdk, account_id, per_page) =>
      sdk.zeroTrust.gateway.lists.list({ account_id }, { query: { per_page } }),
    collection: 'gateway/lists',
    operation: 'zero-trust-lists-create-zero-trust-list',
  },
  tags: {
    list: (sdk, account_id, per_page) => sdk.zeroTrust.access.tags.list({ account_id, per_page }),
    collection: 'access/tags',
    operation: 'access-tags-create-tag',
    key: 'name',
    hasOneField: true,
  },
};

/** Makes one by the API; answers what it is known by. */
export async function create(
  app: TestApp,
  own: Inhabited,
  { collection, operation, key = 'id' }: Omit<Family, 'list'>,
): Promise<string> {
  const body = validBody(operation, own);
  const answer = await ask(app, own, 'POST', `/accounts/${own.accountId}/${collection}`, body);
  assert.ok(answer.status < 300, JSON.stringify(answer.body));
  return String(answer.body.result[key]);
}

/** A request with the key of the account's owner. */
export async function ask(
  app: TestApp,
  own: Inhabited,
  method: string,
  path: string,
  body?: unknown,
): Promise<ApiAnswer> {
  return await app.api(method, path, { body, token: null, headers: { ...own.key } });
}

/** The SDK with that key. */
export function sdkOf(app: TestApp, own: Inhabited): Cloudflare {
  return app.sdk({
    apiToken: null,
    apiEmail: own.key['x-auth-email'] ?? '',
    apiKey: own.key['x-auth-key'] ?? '',
  });
}
