import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readText } from '../scripts/write-docs.ts';
import { startTestApp, type TestApp } from './support/app.ts';
import { databases } from './support/postgres.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));

const FIVE = [
  'user.update',
  'user.revoke',
  'user.delete',
  'user_group_member.remove',
  'user_group.delete',
] as const;

for (const { name, create } of databases) {
  test(`the five calls in README.md do what they say, with curl and with the SDK, on ${name}`, async () => {
    await using stack = new AsyncDisposableStack();
    const database = stack.use(await create());
    const app = stack.use(await startTestApp(database));
    const cwd = stack.adopt(await mkdtemp(join(tmpdir(), 'portcullis-readme-')), (folder) =>
      rm(folder, { recursive: true }),
    );
    await symlink(database.folder, join(cwd, 'data'));
    await symlink(join(ROOT, 'node_modules'), join(cwd, 'node_modules'));

    const shell = exampleIn('sh', 'base_url').replaceAll('curl ', 'curl --fail --silent ');
    const gate = exampleIn('sh', 'upstream')
      .replaceAll('8787', String(app.port))
      .replaceAll('curl ', 'curl -sS ');
    const { stdout } = await run('bash', ['-euc', shell + gate], { cwd });
    assert.match(stdout, /"name":"Ana María"/);
    assert.match(stdout, /\{"result":true,"success":true\}/);
    assert.deepEqual(await actionsIn(app), FIVE);
    assert.match(stdout, /"upstream":"http:\/\/127\.0\.0\.1:3000"/);
    assert.match(stdout, /HTTP\/1\.1 302 Found\r$/m);
    assert.match(stdout, new RegExp(`^location: http://${app.teamDomain}/cdn-cgi/access/login/`, 'im'));

    await writeFile(join(cwd, 'five.mts'), exampleIn('ts', 'base_url'));
    await run(process.execPath, ['five.mts'], { cwd });
    assert.deepEqual(await actionsIn(app), [...FIVE, ...FIVE]);
  });
}

for (const { name, create } of databases) {
  test(`the worked example in docs/policies.md lets in and keeps out whom it says, on ${name}`, async () => {
    await using stack = new AsyncDisposableStack();
    const database = stack.use(await create());
    const app = stack.use(await startTestApp(database));
    const cwd = stack.adopt(await mkdtemp(join(tmpdir(), 'portcullis-policies-')), (folder) =>
      rm(folder, { recursive: true }),
    );
    await symlink(database.folder, join(cwd, 'data'));
    const example = exampleIn('sh', 'base_url', 'docs/policies.md').replaceAll('8787', String(app.port));
    const { stdout } = await run('bash', ['-euc', example], { cwd });
    const statuses = [...stdout.matchAll(/"outcome":"(\w+)".*?"status":"(\w+)"/g)].map(
      ([, ...found]) => found,
    );
    assert.deepEqual(statuses, [
      ['applies', 'approved'],
      ['excluded', 'blocked'],
      ['not_included', 'blocked'],
    ]);
    assert.match(stdout, /the group \\"Staff\\" is in use by reusable_policy/);
  });
}

/** The one block of the document in that language that says this. */
function exampleIn(language: string, says: string, document = 'README.md'): string {
  const blocks = readText(document).matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'));
  const found = [...blocks].map(([, code = '']) => code).filter((code) => code.includes(says));
  assert.equal(found.length, 1, language);
  return found[0] ?? '';
}

/** Which of the five the audit log has, oldest first. */
async function actionsIn(app: TestApp): Promise<string[]> {
  const path = `/accounts/${app.credentials.account_id}/audit_logs?direction=asc`;
  const entries = (await app.api('GET', path)).body.result as { action: { type: string } }[];
  return entries.map(({ action }) => action.type).filter((type) => FIVE.some((one) => one === type));
}
