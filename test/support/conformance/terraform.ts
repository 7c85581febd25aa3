import type { Resource } from './resource.ts';
import type { Inhabited } from './tenants.ts';

const readerOf = (of: Inhabited) => ({
  effect: 'allow',
  permission_groups: [{ id: 'c1fde68c7bcc44588cbb6ddbc16d6480' }],
  resources: { [`com.cloudflare.api.account.${of.accountId}`]: '*' },
});

const rules = ({ mark, objects }: Inhabited) => [
  { email: { email: `zoe@${mark}.test` } },
  { email_list: { id: objects['gateway/lists/*'] } },
  { email: { email: `ann@${mark}.test` } },
  { ip: { ip: '192.0.2.0/24' } },
];

/** The resources of the provider that the API serves. */
export const RESOURCES: Readonly<Record<string, Resource>> = {
  'an account token': {
    collection: 'tokens',
    first: (of) => ({
      ...{ name: 'tf', policies: [readerOf(of)], expires_on: '2099-01-01T00:00:00Z' },
      condition: { request_ip: { in: ['203.0.113.9/32', '192.0.2.0/24'], not_in: ['192.0.2.7/32'] } },
    }),
    second: (of) => ({ name: 'tf 2', policies: [readerOf(of)], status: 'disabled' }),
    once: ['value'],
    moves: ['modified_on', 'last_used_on'],
    rewritten: ['policies', 'condition'],
  },
  'an API token': {
    collection: '/user/tokens',
    first: (of) => ({ name: 'tf', policies: [readerOf(of)], not_before: '2020-01-01T00:00:00Z' }),
    second: (of) => ({ name: 'tf 2', policies: [readerOf(of)], status: 'disabled' }),
    once: ['value'],
    moves: ['modified_on', 'last_used_on'],
    rewritten: ['policies'],
  },
  'a user group': {
    collection: 'iam/user_groups',
    first: (of) => ({ name: 'tf', policies: groupPolicies(of) }),
    second: () => ({ name: 'tf 2', policies: [] }),
    moves: ['modified_on'],
    rewritten: ['policies'],
  },
  'a resource group': {
    collection: 'iam/resource_groups',
    first: (of) => ({ name: 'tf', scope: zoneScope(of) }),
    second: (of) => ({ name: 'tf 2', scope: zoneScope(of) }),
    moves: ['modified_on'],
    rewritten: ['scope'],
  },
  'an access group': {
    collection: 'access/groups',
    first: (of) => ({ name: 'tf', include: rules(of), exclude: rules(of).slice(0, 1), require: [] }),
    second: (of) => ({ name: 'tf 2', include: rules(of).toReversed() }),
    moves: ['updated_at'],
  },
  'an access policy': {
    collection: 'access/policies',
    first: (of) => ({ name: 'tf', decision: 'allow', include: rules(of), session_duration: '24h' }),
    second: (of) => ({ name: 'tf 2', decision: 'deny', include: rules(of).toReversed() }),
    moves: ['updated_at'],
  },
  'a service token': {
    collection: 'access/service_tokens',
    first: () => ({ name: 'tf', duration: '8760h' }),
    second: () => ({ name: 'tf 2', duration: 'forever' }),
    once: ['client_secret'],
    // Counted from the change.
    moves: ['updated_at', 'expires_at'],
  },
  'an identity provider': {
    collection: 'access/identity_providers',
    first: () => ({
      name: 'tf',
      type: 'github',
      config: { client_id: 'one', client_secret: 'told to nobody' },
    }),
    second: () => ({
      name: 'tf 2',
      type: 'github',
      config: { client_id: 'two', client_secret: 'nor is this' },
    }),
    rewritten: ['config'],
    moves: ['updated_at'],
  },
  'an application': {
    collection: 'access/apps',
    first: (of) => ({
      ...{ name: 'tf', type: 'self_hosted', session_duration: '12h', tags: [of.objects['access/tags/*']] },
      destinations: [
        { type: 'public', uri: `z.tf.${of.mark}.test` },
        { type: 'public', uri: `a.tf.${of.mark}.test/path` },
      ],
      allowed_idps: [of.objects['access/identity_providers/*']],
      policies: [{ id: of.objects['access/policies/*'], precedence: 1 }],
      auto_redirect_to_identity: true,
      http_only_cookie_attribute: false,
    }),
    second: (of) => ({
      ...{ name: 'tf 2', type: 'self_hosted', domain: `b.tf.${of.mark}.test`, policies: [] },
      ...{ tags: [], allowed_idps: [], same_site_cookie_attribute: 'strict', custom_deny_message: 'No.' },
    }),
    moves: ['updated_at'],
    rewritten: ['policies', 'destinations', 'domain'],
  },
  'a policy of an application': {
    collection: 'access/apps/*/policies',
    first: (of) => ({ name: 'tf', decision: 'allow', include: rules(of), precedence: 2 }),
    second: (of) => ({ name: 'tf 2', decision: 'deny', include: rules(of).toReversed(), precedence: 2 }),
    moves: ['updated_at'],
  },
  'a tag': {
    collection: 'access/tags',
    first: () => ({ name: 'tf' }),
    second: () => ({ name: 'tf' }),
    key: 'name',
    moves: ['updated_at'],
  },
  'a custom page': {
    collection: 'access/custom_pages',
    first: () => ({ name: 'tf', type: 'forbidden', custom_html: '<h1>tf</h1>' }),
    second: () => ({ name: 'tf 2', type: 'forbidden', custom_html: '<h1>tf 2</h1>' }),
    key: 'uid',
    moves: ['updated_at'],
    notListed: ['custom_html'],
  },
  'a gateway list': {
    collection: 'gateway/lists',
    first: ({ mark }) => ({
      ...{ name: 'tf', type: 'EMAIL', description: 'of tf' },
      items: [{ value: `z@${mark}.test` }, { value: `a@${mark}.test`, description: 'a' }],
    }),
    second: ({ mark }) => ({
      name: 'tf 2',
      type: 'EMAIL',
      items: [{ value: `b@${mark}.test` }],
      description: '',
    }),
    moves: ['updated_at'],
    rewritten: ['items'],
    notListed: ['items'],
  },
  'a posture rule': {
    collection: 'devices/posture',
    first: () => ({
      ...{ name: 'tf', type: 'os_version', description: 'of tf', match: [{ platform: 'linux' }] },
      input: { operating_system: 'linux', operator: '>=', version: '6.1.0' },
    }),
    second: () => ({ name: 'tf 2', type: 'warp', match: [{ platform: 'mac' }, { platform: 'linux' }] }),
    moves: ['updated_at'],
    rewritten: ['input'],
  },
  'a user': {
    collection: 'access/users',
    first: ({ mark }) => ({ email: `tf.user@${mark}.test`, name: 'tf' }),
    second: ({ mark }) => ({ email: `tf.user@${mark}.test`, name: 'tf 2' }),
    moves: ['updated_at'],
  },
  'an account': {
    collection: '/accounts',
    first: ({ mark }) => ({ name: `${mark} tf`, type: 'standard' }),
    second: ({ mark }) => ({
      ...{ name: `${mark} tf 2`, type: 'standard' },
      settings: { enforce_twofactor: false, abuse_contact_email: `abuse@${mark}.test` },
    }),
    gone: 403,
  },
  'a zone': {
    collection: '/zones',
    first: ({ mark, accountId }) => ({
      name: `tf.${mark}.test`,
      type: 'partial',
      account: { id: accountId },
    }),
    second: () => ({}),
    // Answered with its name.
    rewritten: ['account'],
    cannotUpdate: true,
    gone: 403,
  },
  'a gate': {
    collection: 'portcullis/gates',
    first: () => ({ name: 'tf' }),
    second: () => ({}),
    once: ['token'],
    cannotUpdate: true,
  },
  'a blocked user': {
    collection: 'portcullis/blocked_users',
    first: ({ mark }) => ({ email: `tf.blocked@${mark}.test`, reason: 'of tf' }),
    second: () => ({}),
    cannotUpdate: true,
    cannotRead: true,
  },
  'a member': {
    collection: 'members',
    first: ({ mark }) => ({ email: `tf@${mark}.test`, status: 'accepted', roles: [SUPER] }),
    second: (of) => ({ policies: groupPolicies(of) }),
    rewritten: ['roles', 'policies'],
  },
  'a certificate authority': {
    collection: 'access/certificates',
    first: (of) => ({ name: 'tf', certificate: of.authority, associated_hostnames: [] }),
    second: (of) => ({ name: 'tf 2', associated_hostnames: [`z.${of.mark}.test`, `a.${of.mark}.test`] }),
    secret: ['certificate'],
    moves: ['updated_at'],
  },
};

const SUPER = '33666b9c79b9a5273fc7344ff42f953d';

function groupPolicies({ objects }: Inhabited) {
  return [
    {
      access: 'allow',
      permission_groups: [{ id: 'c1fde68c7bcc44588cbb6ddbc16d6480' }],
      resource_groups: [{ id: objects['the whole account'] }],
    },
  ];
}

function zoneScope({ accountId, zoneId }: Inhabited) {
  return {
    key: `com.cloudflare.api.account.${accountId}`,
    objects: [{ key: `com.cloudflare.api.account.zone.${zoneId}` }],
  };
}
