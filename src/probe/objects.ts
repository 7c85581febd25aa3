import { isDeepStrictEqual } from 'node:util';
import { sha256 } from '../kernel/crypto.ts';
import { isObject, own } from '../kernel/result.ts';
import { type Api, listAll } from './api.ts';
import { ProbeFailed } from './failed.ts';
import type { Client } from './provider.ts';

/** What the probe's objects in an account are called, and how they are found again. */
export const NAME = 'Portcullis probe';

/** Reserved by RFC 2606: nobody real has an address here. */
export const DOMAIN = 'probe.invalid';
const PERSON = /^probe\+[0-9a-f]{16}@probe\.invalid$/;
const CLIENT = /^portcullis-probe-[0-9a-f]{16}$/;

/** Where the probe is to be found by the control plane and by the gates. */
export interface Places {
  readonly issuer: string;
  readonly authUrl: string;
  readonly tokenUrl: string;
  readonly certsUrl: string;
  readonly upstream: string;
  /** Of the application. */
  readonly host: string;
}

/**
 * The probe's client at its own provider. Its secret follows from the API token, so that nothing has to be kept;
 * its id tells whether the control plane still holds that secret.
 */
export function clientOf(token: string): Client {
  const secret = sha256(`portcullis probe: client secret\n${token}`);
  return { id: `portcullis-probe-${sha256(secret).slice(0, 16)}`, secret };
}

type Found = Record<string, unknown>;

/**
 * Makes the identity provider and the application with its policy, or mends those that are there; what is as it
 * should be is left alone. Throws ProbeFailed for objects of these names that the probe did not make.
 */
export async function ensureObjects(
  api: Api,
  {
    account,
    places,
    client,
    signal,
  }: { account: string; places: Places; client: Client; signal: AbortSignal },
): Promise<void> {
  const at = `/accounts/${account}/access`;
  const providers = `${at}/identity_providers`;
  const provider = await ensure(api, providers, {
    found: await findProvider(api, account, signal),
    wanted: providerBody(places, client),
    isSame: sameProvider,
    signal,
  });
  await ensure(api, `${at}/apps`, {
    found: await findApplication(api, account, signal),
    wanted: applicationBody(places, provider),
    isSame: sameApplication,
    signal,
  });
}

async function ensure(
  api: Api,
  path: string,
  want: {
    found: Found | null;
    wanted: Found;
    isSame: (found: Found, wanted: Found) => boolean;
    signal: AbortSignal;
  },
): Promise<string> {
  const { found, wanted: body, isSame, signal } = want;
  if (found && isSame(found, body)) return String(found.id);
  const [method, target] = found ? ['PUT', `${path}/${found.id}`] : ['POST', path];
  const { result } = await api.call(method ?? '', target ?? '', { body, signal });
  if (!isObject(result) || typeof result.id !== 'string')
    throw new ProbeFailed(`${method} ${path} answers no id`);
  return result.id;
}

function providerBody({ issuer, authUrl, tokenUrl, certsUrl }: Places, { id, secret }: Client): Found {
  const urls = { auth_url: authUrl, token_url: tokenUrl, certs_url: certsUrl, issuer };
  return { name: NAME, type: 'oidc', config: { client_id: id, client_secret: secret, ...urls } };
}

function sameProvider({ config }: Found, wanted: Found): boolean {
  const { client_secret: _, ...settings } = wanted.config as Found;
  return isObject(config) && Object.entries(settings).every(([name, value]) => own(config, name) === value);
}

function applicationBody({ host, upstream }: Places, provider: string): Found {
  return {
    name: NAME,
    type: 'self_hosted',
    destinations: [{ type: 'public', uri: host, upstream }],
    allowed_idps: [provider],
    app_launcher_visible: false,
    session_duration: '1h',
    policies: [{ name: NAME, decision: 'allow', include: INCLUDE }],
  };
}

const INCLUDE = [{ email_domain: { domain: DOMAIN } }];

function sameApplication(found: Found, wanted: Found): boolean {
  const names = ['destinations', 'allowed_idps', 'session_duration'];
  return names.every((name) => isDeepStrictEqual(found[name], wanted[name]));
}

async function findProvider(api: Api, account: string, signal: AbortSignal): Promise<Found | null> {
  const all = await listAll(api, `/accounts/${account}/access/identity_providers`, { signal });
  return theOne(
    all,
    'identity provider',
    ({ config }) => isObject(config) && CLIENT.test(String(config.client_id)),
  );
}

async function findApplication(api: Api, account: string, signal: AbortSignal): Promise<Found | null> {
  const query = new URLSearchParams({ name: NAME, exact: 'true' });
  const all = await listAll(api, `/accounts/${account}/access/apps?${query}`, { signal });
  return theOne(all, 'application', hasOurPolicy);
}

/** Whoever changed the policy, or added one, made the application something else than the probe's. */
function hasOurPolicy({ policies }: Found): boolean {
  const [policy, ...more] = Array.isArray(policies) ? policies.filter(isObject) : [];
  const isEmpty = (rules: unknown) => !Array.isArray(rules) || rules.length === 0;
  if (!policy || more.length > 0 || policy.decision !== 'allow') return false;
  return isDeepStrictEqual(policy.include, INCLUDE) && isEmpty(policy.exclude) && isEmpty(policy.require);
}

function theOne(all: readonly Found[], kind: string, isOurs: (found: Found) => boolean): Found | null {
  const [found, ...more] = all.filter(({ name }) => name === NAME);
  if (!found) return null;
  if (more.length > 0)
    throw new ProbeFailed(`the account has several objects “${NAME}” (${kind}): delete them`);
  if (!isOurs(found))
    throw new ProbeFailed(`the ${kind} “${NAME}” is not as the probe made it: rename or delete it`);
  return found;
}

/** Removes all that the probe ever made in the account: application, provider, and people of runs that were killed. */
export async function removeObjects(api: Api, account: string, signal: AbortSignal): Promise<string[]> {
  const at = `/accounts/${account}/access`;
  const removed: string[] = [];
  const remove = async (kind: string, path: string) => {
    await api.call('DELETE', path, { signal, accept: [404], timeout: REMOVAL_WITHIN });
    removed.push(kind);
  };
  const application = await findApplication(api, account, signal);
  if (application) await remove(`application ${application.id}`, `${at}/apps/${application.id}`);
  const provider = await findProvider(api, account, signal);
  if (provider) await remove(`identity provider ${provider.id}`, `${at}/identity_providers/${provider.id}`);
  const people = await listAll(api, `${at}/users?search=${encodeURIComponent(`@${DOMAIN}`)}`, { signal });
  for (const { id, email } of people.filter((one) => PERSON.test(String(one.email))))
    await remove(`user ${email}`, `${at}/users/${id}`);
  return removed;
}

/** A removal waits for a gate that is gone: its lease, a minute at most, and a fifth. */
export const REMOVAL_WITHIN = 90_000;
