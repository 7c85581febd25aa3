import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TSchema } from 'typebox';
import { type Coverage, readCoverage } from '../../scripts/coverage.ts';
import { allRoutes } from '../../scripts/write-docs.ts';
import { readSdkParameters } from '../support/sdk-parameters.ts';

/*
 * Whatever the SDK can send to a method in scope is known to its route, so that it is obeyed or refused: a filter that
 * was overlooked would answer more than was asked for.
 */

/** What is not known by its name, and why. */
const KNOWN_OTHERWISE: Readonly<Record<string, readonly string[]>> = {
  // A header.
  'accounts.create': ['Idempotency-Key'],
  // The whole body, without a name.
  'iam.userGroups.members.create': ['members'],
  'iam.userGroups.members.update': ['members'],
  'zeroTrust.seats.edit': ['body'],
  'zeroTrust.devices.revoke.create': ['body'],
  'zeroTrust.devices.unrevoke.create': ['body'],
  // Sent as `devices` in the query.
  'zeroTrust.organizations.revokeUsers': ['query_devices'],
  // Cloudflare no longer filters by it either; `messages` names it.
  'zeroTrust.access.logs.accessRequests.list': ['user_id', 'user_idOp'],
};

/** Of applications of other types, which are refused by their type. */
const OF_OTHER_TYPES = [
  'saas_app',
  'app_launcher_logo_url',
  'bg_color',
  'footer_links',
  'header_bg_color',
  'landing_page_design',
  'skip_app_launcher_login_page',
  'target_criteria',
];

/** It refuses whatever is sent. */
const REFUSES_ALL = new Set(['zeroTrust.organizations.create']);

const sdk = readSdkParameters();
const { rows } = await readCoverage(allRoutes());

function unknownTo({ method: { name, paths }, routes }: Coverage): string[] {
  const known = new Set(routes.flatMap(({ query, body }) => [...propertiesOf(query), ...propertiesOf(body)]));
  const inPath = (field: string) => paths.some((path) => path.includes(`{${field}}`));
  const other = [
    ...(KNOWN_OTHERWISE[name] ?? []),
    ...(/applications\.(?:create|update)$/.test(name) ? OF_OTHER_TYPES : []),
  ];
  return sdk
    .of(name)
    .filter((field) => !['account_id', 'zone_id'].includes(field) && !inPath(field))
    .filter((field) => !known.has(field) && !known.has(field.split('.', 1)[0] ?? ''))
    .filter((field) => !other.includes(field));
}

function propertiesOf(schema: TSchema | undefined): string[] {
  const { properties = {}, anyOf = [] } = (schema ?? {}) as { properties?: object; anyOf?: TSchema[] };
  return [...Object.keys(properties), ...anyOf.flatMap(propertiesOf)];
}

describe('what the SDK can send is known', () => {
  for (const row of rows) {
    const { name } = row.method;
    if (row.status === 'out' || REFUSES_ALL.has(name)) continue;
    test(name, () => assert.deepEqual(unknownTo(row), []));
  }

  test('and is read from its source as it is', () => {
    assert.deepEqual(sdk.of('zeroTrust.access.groups.list'), ['account_id', 'zone_id', 'name', 'search']);
    assert.ok(sdk.of('zones.list').includes('account.name'));
    assert.ok(sdk.of('auditLogs.list').includes('actor.email'));
    assert.ok(sdk.of('zeroTrust.access.applications.create').includes('saas_app'));
    const inScope = rows.filter(({ status }) => status !== 'out');
    assert.ok(inScope.flatMap(({ method }) => sdk.of(method.name)).length > 500);
  });
});
