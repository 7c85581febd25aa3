import type { Inhabited } from './tenants.ts';

/** What there is one of in an account or in an object of it: it is read and set, and never made or deleted. */
export interface Setting {
  /** Below the account; with stars for its objects. An empty one is the account itself. */
  readonly path: string;
  readonly body: (of: Inhabited) => unknown;
  /** Set after that, and then the first again; nothing if there is no other choice. */
  readonly other?: (of: Inhabited) => unknown;
  /** A list is answered without the name under which it is sent. */
  readonly within?: string;
}

export const SETTINGS: Readonly<Record<string, Setting>> = {
  'the configuration of keys': {
    path: 'access/keys',
    body: () => ({ key_rotation_interval_days: 40 }),
    other: () => ({ key_rotation_interval_days: 50 }),
  },
  'the organization': {
    path: 'access/organizations',
    body: ({ mark }) => ({
      ...{ name: 'tf', session_duration: '18h', is_ui_read_only: true, auto_redirect_to_identity: true },
      ...{ login_design: { header_text: 'tf', background_color: '#112233' } },
      deny_unmatched_requests_exempted_zone_names: [`${mark}.test`],
    }),
    other: () => ({
      ...{ name: 'tf 2', session_duration: '6h', is_ui_read_only: false, auto_redirect_to_identity: false },
      ...{ login_design: { header_text: 'tf 2' }, deny_unmatched_requests_exempted_zone_names: [] },
    }),
  },
  'the account': {
    path: '',
    body: ({ mark }) => accountOf(mark, 'abuse'),
    other: ({ mark }) => accountOf(mark, 'other'),
  },
  'the members of a user group': {
    path: 'iam/user_groups/*/members',
    body: ({ ownerMemberId, objects }) => [{ id: objects['members/*'] }, { id: ownerMemberId }],
    other: () => [],
  },
  'the settings of host names of certificates': {
    path: 'access/certificates/settings',
    within: 'settings',
    body: ({ mark }) => ({
      settings: [{ hostname: `tf.${mark}.test`, china_network: false, client_certificate_forwarding: false }],
    }),
  },
  'the seat limit': {
    path: 'portcullis/seats',
    body: () => ({ limit: 1000 }),
    other: () => ({ limit: null }),
  },
};

function accountOf(mark: string, to: string) {
  const settings = { enforce_twofactor: false, abuse_contact_email: `${to}@${mark}.test` };
  return { name: `${mark} ${to}`, type: 'standard', settings };
}
