import type { Maker } from './bodies.ts';

export function customPage({ name }: Maker) {
  return { name, type: 'identity_denied', custom_html: `<h1>${name}</h1>` };
}

export function organization({ name, id, mark }: Maker) {
  return {
    name,
    session_duration: '12h',
    login_design: { header_text: name },
    custom_pages: { identity_denied: id('access/custom_pages/*') },
    deny_unmatched_requests_exempted_zone_names: [`${mark}.test`],
  };
}

export function provider({ name }: Maker) {
  return { name, type: 'github', config: { client_id: name, client_secret: `${name} secret` } };
}

export function accessGroup({ name, mark, id }: Maker) {
  return {
    name,
    include: [{ email: { email: `${name}@${mark}.test` } }, { email_list: { id: id('gateway/lists/*') } }],
    exclude: [{ login_method: { id: id('access/identity_providers/*') } }],
  };
}

export function application({ name, mark, id }: Maker) {
  return {
    name,
    type: 'self_hosted',
    destinations: [{ type: 'public', uri: `${name}.${mark}.test` }],
    allowed_idps: [id('access/identity_providers/*')],
    session_duration: '6h',
    tags: [id('access/tags/*')],
    policies: [{ id: id('access/policies/*'), precedence: 1 }],
  };
}

export function policy({ name, id }: Maker) {
  return {
    name,
    decision: 'allow',
    include: [{ group: { id: id('access/groups/*') } }, { email_list: { id: id('gateway/lists/*') } }],
    require: [{ login_method: { id: id('access/identity_providers/*') } }],
    session_duration: '2h',
  };
}

export function postureRule({ name, id }: Maker) {
  return {
    name,
    type: 'serial_number',
    description: name,
    match: [{ platform: 'linux' }],
    input: { id: id('a list of serial numbers') },
  };
}

export function list({ name, mark }: Maker) {
  return {
    name,
    type: 'EMAIL',
    description: name,
    items: [{ value: `${name}@${mark}.test`, description: name }],
  };
}
