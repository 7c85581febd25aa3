import assert from 'node:assert/strict';
import { statementsOfRole } from '../../../src/kernel/authority.ts';
import { permissionGroups, superAdministrator } from '../../../src/kernel/permissions.ts';
import {
  accessGroup,
  application,
  customPage,
  list,
  organization,
  policy,
  postureRule,
  provider,
} from './access-bodies.ts';
import type { Inhabited } from './tenants.ts';

/** What a body is made of: the account, its objects, and a name that is new each time. */
export interface Maker
  extends Pick<Inhabited, 'accountId' | 'zoneId' | 'mark' | 'ownerId' | 'ownerMemberId' | 'authority'> {
  readonly name: string;
  /** The id of the account's object of that shape. */
  readonly id: (shape: string) => string;
}

/** Bodies that the route with that operation accepts for its own account, each naming as much of it as it can. */
export const BODIES: Readonly<Record<string, (of: Maker) => unknown>> = {
  'account-creation': ({ name }) => ({ name }),
  'accounts-update-account': ({ name }) => ({ name, type: 'standard' }),
  'account-members-add-member': ({ name, mark }) => ({
    email: `${name}@${mark}.test`,
    roles: [superAdministrator.id],
    status: 'accepted',
  }),
  'account-members-update-member': ({ id }) => ({
    policies: [
      {
        access: 'allow',
        permission_groups: [{ id: settingsReader }],
        resource_groups: [{ id: id('the whole account') }],
      },
    ],
  }),
  'account-api-tokens-create-token': token,
  'account-api-tokens-update-token': token,
  'user-api-tokens-create-token': userToken,
  'user-api-tokens-update-token': userToken,
  'account-user-group-create': userGroup,
  'account-user-group-update': userGroup,
  'account-user-group-member-create': ({ ownerMemberId, id }) => [
    { id: ownerMemberId },
    { id: id('members/*') },
  ],
  'account-user-group-members-update': ({ id }) => [{ id: id('members/*') }],
  'account-resource-group-create': resourceGroup,
  'account-resource-group-update': resourceGroup,
  'user-account-memberships-update-membership': () => ({ status: 'accepted' }),
  'zones-post': ({ name, accountId }) => ({ name: `${name}.test`, account: { id: accountId } }),
  'user-edit-user': ({ name }) => ({ first_name: name, last_name: name }),
  'zero-trust-users-create-user': ({ name, mark }) => ({ email: `${name}@${mark}.test`, name }),
  'zero-trust-users-update-user': ({ name, mark }) => ({ email: userEmail(mark), name }),
  'devices-revoke-devices': ({ id }) => [id('devices/registrations/*')],
  'devices-unrevoke-devices': ({ id }) => [id('devices/registrations/*')],
  'device-posture-rules-create-device-posture-rule': postureRule,
  'device-posture-rules-update-device-posture-rule': postureRule,
  'zero-trust-seats-update-a-user-seat': ({ id }) => [
    { seat_uid: id('access/seats/*'), access_seat: true, gateway_seat: false },
  ],
  'portcullis-seats-set-the-limit': () => ({ limit: 1000 }),
  'access-custom-pages-create-a-custom-page': customPage,
  'access-custom-pages-update-a-custom-page': customPage,
  'zero-trust-organization-create-your-zero-trust-organization': (of) => ({
    ...organization(of),
    auth_domain: `${of.name}.test`,
  }),
  'zero-trust-organization-update-your-zero-trust-organization': organization,
  'zero-trust-organization-patch-your-zero-trust-organization': organization,
  'zero-trust-organization-revoke-all-access-tokens-for-a-user': ({ mark, id }) => ({
    email: userEmail(mark),
    user_uid: id('access/users/*'),
  }),
  'access-key-configuration-update-the-access-key-configuration': () => ({ key_rotation_interval_days: 30 }),
  'access-identity-providers-add-an-access-identity-provider': provider,
  'access-identity-providers-update-an-access-identity-provider': provider,
  'access-groups-create-an-access-group': accessGroup,
  'access-groups-update-an-access-group': ({ name, mark, id }) => ({
    name,
    include: [{ email_domain: { domain: `${mark}.test` } }, { email_list: { id: id('gateway/lists/*') } }],
  }),
  'access-applications-add-an-application': application,
  // Without policies it keeps those it has.
  'access-applications-update-an-access-application': (of) => {
    const { policies: _, ...rest } = application(of);
    return rest;
  },
  'access-applications-update-settings': () => ({ allow_iframe: false, skip_interstitial: false }),
  'access-applications-patch-settings': () => ({ allow_iframe: false }),
  'access-tags-create-tag': ({ name }) => ({ name }),
  'access-tags-update-a-tag': ({ id }) => ({ name: id('access/tags/*') }),
  'access-policies-create-an-access-app-policy': policy,
  'access-policies-update-an-access-app-policy': policy,
  'access-policies-create-an-access-reusable-policy': policy,
  'access-policies-update-an-access-reusable-policy': policy,
  'access-service-tokens-create-a-service-token': ({ name }) => ({ name, duration: '8760h' }),
  'access-service-tokens-update-a-service-token': ({ name }) => ({ name, duration: '17520h', enabled: true }),
  'access-service-tokens-rotate-a-service-token': () => ({}),
  'access-mtls-authentication-add-an-mtls-certificate': ({ name, mark, authority }) => ({
    name,
    certificate: authority,
    associated_hostnames: [`${mark}.test`],
  }),
  'access-mtls-authentication-update-an-mtls-certificate': ({ name, mark }) => ({
    name,
    associated_hostnames: [`${mark}.test`],
  }),
  'access-mtls-authentication-update-an-mtls-certificate-settings': ({ mark }) => ({
    settings: [{ hostname: `${mark}.test`, china_network: false, client_certificate_forwarding: false }],
  }),
  'zero-trust-lists-create-zero-trust-list': list,
  'zero-trust-lists-update-zero-trust-list': list,
  'zero-trust-lists-patch-zero-trust-list': ({ name, mark }) => ({
    append: [{ value: `${name}@${mark}.test`, description: name }],
    remove: [`nobody@${mark}.test`],
  }),
  'access-policy-tests': ({ id }) => ({ policies: [id('access/policies/*')] }),
  'portcullis-gates-create-a-gate': ({ name }) => ({ name }),
  'portcullis-blocked-users-block-a-user': ({ name, mark }) => ({
    email: `${name}@${mark}.test`,
    reason: name,
  }),
};

/** A body that this account's own objects are named in, for that operation; fails if there is no rule for one. */
export function validBody(operation: string, of: Inhabited): unknown {
  const make =
    BODIES[operation] ?? assert.fail(`say in test/support/conformance/bodies.ts what ${operation} takes`);
  of.made.count += 1;
  const id = (shape: string) => of.objects[shape] ?? assert.fail(`no object of ${shape}`);
  return make({ ...of, name: `${of.mark}-${of.made.count}`, id });
}

/** The e-mail of the user whom the first body makes. */
export function userEmail(mark: string): string {
  return `user@${mark}.test`;
}

/** What a Super Administrator may do on the account, as policies of a token. */
export function everythingOn(accountId: string) {
  return statementsOfRole(superAdministrator, accountId);
}

const settingsReader = permissionGroups.find(({ name }) => name === 'Account Settings Read')?.id ?? '';

function token({ name, accountId }: Maker) {
  return {
    name,
    status: 'active',
    policies: reading(accountId),
    condition: { request_ip: { not_in: ['192.0.2.1/32'] } },
  };
}

function userToken({ name, accountId }: Maker) {
  return { name, status: 'active', policies: reading(accountId) };
}

function reading(accountId: string) {
  return [
    {
      effect: 'allow',
      permission_groups: [{ id: settingsReader }],
      resources: { [`com.cloudflare.api.account.${accountId}`]: '*' },
    },
  ];
}

function userGroup({ name, id }: Maker) {
  return {
    name,
    policies: [
      {
        access: 'allow',
        permission_groups: [{ id: settingsReader }],
        resource_groups: [{ id: id('the whole account') }],
      },
    ],
  };
}

function resourceGroup({ name, accountId, zoneId }: Maker) {
  return {
    name,
    scope: {
      key: `com.cloudflare.api.account.${accountId}`,
      objects: [{ key: `com.cloudflare.api.account.zone.${zoneId}` }],
    },
  };
}
