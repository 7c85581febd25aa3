import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import Cloudflare from 'cloudflare';
import { Browser } from '../test/support/browser.ts';
import { freePort } from '../test/support/free-port.ts';
import { signIn, startOpenIdProvider } from '../test/support/openid-provider.ts';
import { createEdge } from './edge.ts';

/**
 * The promise, kept live: three people sign in and use an application through the gate, two members use the
 * API; then the five calls, each with what was reachable before and after it.
 */

const KEEP = process.argv.includes('--keep');
const LIMIT_MS = 55_000;
const people = [
  { sub: 'ana', email: 'ana@example.com', name: 'Ana' },
  { sub: 'ben', email: 'ben@example.com', name: 'Ben' },
  { sub: 'cleo', email: 'cleo@example.com', name: 'Cleo' },
];

interface World {
  readonly origin: string;
  readonly data: string;
  readonly applicationUrl: string;
  readonly teamDomain: string;
  readonly credentials: {
    account_id: string;
    email: string;
    api_key: string;
    api_token: string;
    base_url: string;
  };
}

const giveBack: (() => Promise<unknown>)[] = [];

async function main(): Promise<void> {
  const tooLong = setTimeout(() => fail(new Error('the demo took longer than it may')), LIMIT_MS);
  const world = await build();
  const admin = new Cloudflare({
    baseURL: world.credentials.base_url,
    apiToken: world.credentials.api_token,
  });
  await gateApplication(admin, world);

  heading('Three people sign in through a real OpenID provider and open the application');
  const browsers = new Map<string, Browser>();
  for (const { sub, name } of people) {
    const browser = new Browser();
    browsers.set(sub, browser);
    const page = await signIn(browser, world.applicationUrl, { login: sub });
    say(`${name}: ${page.status} ${page.text.trim()}`);
  }
  const of = (sub: string) => browsers.get(sub) ?? new Browser();
  await fiveCalls(admin, world, of);
  say('');
  say(`Cleo, whom nobody touched: ${(await open(world, of('cleo'))).status}`);
  clearTimeout(tooLong);
  await end(world);
}

async function fiveCalls(admin: Cloudflare, world: World, of: (sub: string) => Browser): Promise<void> {
  const account_id = world.credentials.account_id;
  const users = new Map<string, string>();
  for await (const user of admin.zeroTrust.access.users.list({ account_id }))
    users.set(user.email ?? '', user.id ?? '');
  const idOf = (email: string) => users.get(email) ?? '';

  heading('1. Update a user: a name is not an access, so nothing ends');
  const before = (await open(world, of('ana'))).status;
  const updated = await admin.zeroTrust.access.users.update(idOf('ana@example.com'), {
    account_id,
    email: 'ana@example.com',
    name: 'Ana María',
  });
  say(
    `   name is now ${updated.name}; application before ${before}, after ${(await open(world, of('ana'))).status}`,
  );

  heading("2. Revoke all of a user's tokens");
  await around(
    () => open(world, of('ana')),
    () => admin.zeroTrust.organizations.revokeUsers({ account_id, email: 'ana@example.com' }),
  );

  heading('3. Delete a user');
  await around(
    () => open(world, of('ben')),
    () => admin.zeroTrust.access.users.delete(idOf('ben@example.com'), { account_id }),
  );

  const group = await createGroup(admin, world);
  const [dora, emil] = [
    await createMember(admin, world, 'dora@example.com'),
    await createMember(admin, world, 'emil@example.com'),
  ];
  const byKey = new Cloudflare({
    baseURL: world.credentials.base_url,
    apiEmail: world.credentials.email,
    apiKey: world.credentials.api_key,
  });
  await byKey.iam.userGroups.members.create(group, {
    account_id,
    members: [{ id: dora.id }, { id: emil.id }],
  });

  heading('4. Remove a group member: what came through the group ends for that member');
  await around(
    () => listUsersAs(world, dora),
    () => byKey.iam.userGroups.members.delete(dora.id, { account_id, user_group_id: group }),
  );
  say(`   the other member of the group still gets ${(await listUsersAs(world, emil)).status}`);

  heading('5. Remove the user group: it ends for everyone who is left in it');
  await around(
    () => listUsersAs(world, emil),
    () => byKey.iam.userGroups.delete(group, { account_id }),
  );
}

/** Before, the call, and how long after its return the first refusal came. */
async function around(
  attempt: () => Promise<{ status: number }>,
  call: () => Promise<unknown>,
): Promise<void> {
  const before = (await attempt()).status;
  const began = performance.now();
  await call();
  const returned = performance.now();
  let attempts = 0;
  let after: number;
  do {
    after = (await attempt()).status;
    attempts += 1;
  } while (after === 200 && attempts < 1000);
  const refused = performance.now();
  say(`   before ${before}; the call took ${(returned - began).toFixed(1)} ms; after ${after}`);
  say(`   refused on attempt ${attempts}, ${(refused - returned).toFixed(1)} ms after the call returned`);
  if (before !== 200 || attempts !== 1) throw new Error('the promise was not kept');
}

async function open(world: World, browser: Browser) {
  return await browser.get(world.applicationUrl);
}

async function listUsersAs(world: World, { email, key }: Member) {
  const response = await fetch(
    `${world.credentials.base_url}/accounts/${world.credentials.account_id}/access/users`,
    {
      headers: { 'x-auth-email': email, 'x-auth-key': key },
    },
  );
  await response.arrayBuffer();
  return response;
}

interface Member {
  readonly id: string;
  readonly email: string;
  readonly key: string;
}

async function createMember(admin: Cloudflare, world: World, email: string): Promise<Member> {
  const { account_id } = world.credentials;
  const [resource] = await collect(admin.iam.resourceGroups.list({ account_id }));
  const [permission] = await collect(
    admin.iam.permissionGroups.list({ account_id, name: 'Access: Apps and Policies Read' }),
  );
  const member = await admin.accounts.members.create({
    account_id,
    email,
    policies: [
      {
        access: 'allow',
        permission_groups: [{ id: permission?.id ?? '' }],
        resource_groups: [{ id: resource?.id ?? '' }],
      },
    ],
  });
  await portcullis(['credentials', 'issue', `--email=${email}`, `--data=${world.data}`]);
  const { api_key: key } = await readJson<{ api_key: string }>(
    path.join(world.data, `credentials-${email}.json`),
  );
  return { id: member.id ?? '', email, key };
}

/** A user group whose members may list the people. */
async function createGroup(admin: Cloudflare, { credentials: { account_id } }: World): Promise<string> {
  const [resource] = await collect(admin.iam.resourceGroups.list({ account_id }));
  const [permission] = await collect(
    admin.iam.permissionGroups.list({ account_id, name: 'Access: Audit Logs Read' }),
  );
  const group = await admin.iam.userGroups.create({
    account_id,
    name: 'People readers',
    policies: [
      {
        access: 'allow',
        permission_groups: [{ id: permission?.id ?? '' }],
        resource_groups: [{ id: resource?.id ?? '' }],
      },
    ],
  });
  return group.id;
}

async function collect<T>(list: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of list) all.push(item);
  return all;
}

async function gateApplication(admin: Cloudflare, world: World): Promise<void> {
  const { account_id } = world.credentials;
  const provider = await startOpenIdProvider({
    people,
    clients: [
      {
        client_id: 'portcullis',
        client_secret: 'a-secret-for-the-demo-only',
        redirect_uris: [`http://${world.teamDomain}/cdn-cgi/access/callback`],
      },
    ],
  });
  giveBack.push(() => provider.close());
  await admin.zeroTrust.identityProviders.create({
    account_id,
    name: 'Demo provider',
    type: 'oidc',
    config: {
      client_id: 'portcullis',
      client_secret: 'a-secret-for-the-demo-only',
      auth_url: provider.authUrl,
      token_url: provider.tokenUrl,
      certs_url: provider.jwksUri,
      scopes: ['openid', 'email', 'profile'],
    },
  });
  const application = await admin.zeroTrust.access.applications.create({
    account_id,
    name: 'Demo application',
    type: 'self_hosted',
    domain: new URL(world.applicationUrl).host,
  });
  await admin.zeroTrust.access.applications.policies.create(application.id ?? '', {
    account_id,
    name: 'Everyone at example.com',
    decision: 'allow',
    include: [{ email_domain: { domain: 'example.com' } }],
  } as Cloudflare.ZeroTrust.Access.Applications.PolicyCreateParams);
}

async function build(): Promise<World> {
  const data = await mkdtemp(path.join(tmpdir(), 'portcullis-demo-'));
  giveBack.push(() => rm(data, { recursive: true, force: true }));
  const [api, edge, application] = [await freePort(), await freePort(), await freePort()];
  const teamDomain = `team.localhost:${api}`;
  const origin = `http://127.0.0.1:${api}`;
  await startServer([
    `--listen=127.0.0.1:${api}`,
    `--data=${data}`,
    '--metrics-listen=off',
    '--log-level=error',
    '--trusted-proxy=127.0.0.1',
  ]);
  const behind = createServer((request, response) => {
    response.end(`Hello ${request.headers['cf-access-authenticated-user-email']}, this is the application\n`);
  }).listen(application, '127.0.0.1');
  const proxy = createEdge({
    gate: new URL(`${origin}/portcullis/forward-auth`),
    application: new URL(`http://127.0.0.1:${application}`),
  }).listen(edge, '127.0.0.1');
  for (const server of [behind, proxy]) {
    giveBack.push(async () => {
      server.closeAllConnections();
      server.close();
    });
  }
  return {
    origin,
    data,
    teamDomain,
    applicationUrl: `http://app.localhost:${edge}/`,
    credentials: await readJson(path.join(data, 'credentials.json')),
  };
}

async function startServer(flags: readonly string[]): Promise<void> {
  const child: ChildProcess = spawn(process.execPath, [program, 'serve', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  giveBack.push(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  if (!child.stdout) throw new Error('no output');
  await Promise.race([
    once(child.stdout, 'data'),
    ended.then(() => Promise.reject(new Error('the server did not start'))),
  ]);
}

const program = path.join(import.meta.dirname, '..', 'bin', 'portcullis.js');

async function portcullis(args: readonly string[]): Promise<void> {
  await promisify(execFile)(process.execPath, [program, ...args]);
}

async function readJson<T>(file: string): Promise<T> {
  return JSON.parse(await readFile(file, 'utf8')) as T;
}

async function end(world: World): Promise<void> {
  heading('What to try next');
  say(`   npm start                        a server of your own`);
  say(`   npm run demo -- --keep           this one, left running, to open in a browser`);
  if (!KEEP) return await cleanUp();
  heading('Left running; Ctrl-C ends it');
  say(`   application   ${world.applicationUrl}   (sign in as ana, ben or cleo)`);
  say(`   API           ${world.credentials.base_url}`);
  say(`   credentials   ${path.join(world.data, 'credentials.json')}`);
  process.once('SIGINT', () => void cleanUp());
  process.once('SIGTERM', () => void cleanUp());
}

async function cleanUp(): Promise<void> {
  for (const step of giveBack.splice(0).reverse()) await step().catch(() => {});
}

function fail(error: unknown): void {
  console.error(error);
  process.exitCode = 1;
  void cleanUp().then(() => process.exit(1));
}

function heading(text: string): void {
  console.log(`\n${text}`);
}

function say(text: string): void {
  console.log(text);
}

await main().catch(fail);
