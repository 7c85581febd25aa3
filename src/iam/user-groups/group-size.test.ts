import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestApp } from '../../../test/support/app.ts';
import { databases } from '../../../test/support/postgres.ts';
import { timestamp } from '../../kernel/clock.ts';
import { newTag } from '../../kernel/ids.ts';
import { MOST_MEMBERS } from './store.ts';

for (const { name, create } of databases) {
  test(`a group of the largest size is refused one more, and can be emptied (${name})`, async () => {
    await using database = await create();
    await using app = await startTestApp(database);
    const { account_id } = app.credentials;
    const { userGroups } = app.sdk().iam;
    const group = await userGroups.create({ account_id, name: 'Everyone', policies: [] });
    const ids = await addMembers(app, MOST_MEMBERS + 1);
    const members = `/accounts/${account_id}/iam/user_groups/${group.id}/members`;
    const toBody = (some: readonly string[]) => some.map((id) => ({ id }));

    const half = MOST_MEMBERS / 2;
    for (const from of [0, half]) {
      const added = await app.api('POST', members, { body: toBody(ids.slice(from, from + half)) });
      assert.equal(added.status, 200);
    }
    const refused = await app.api('POST', members, { body: toBody(ids.slice(MOST_MEMBERS)) });
    assert.equal(refused.status, 400);
    assert.match(refused.body.errors[0].message, /at most 10000 members/);
    assert.equal((await app.api('GET', `${members}?per_page=5`)).body.result_info.total_count, MOST_MEMBERS);
    assert.equal((await app.api('PUT', members, { body: [] })).status, 200);
    assert.equal((await app.api('GET', members)).body.result_info.total_count, 0);
  });
}

/** Members of the account, written straight into the database: by the API it would take minutes. */
async function addMembers(
  { app, clock, credentials }: Awaited<ReturnType<typeof startTestApp>>,
  count: number,
): Promise<string[]> {
  const now = timestamp(clock.now());
  const people = Array.from({ length: count }, (_, number) => ({
    id: newTag(),
    email: `m${number}@example.com`,
  }));
  const administrators = people.map(({ id, email }) => ({
    id,
    email,
    email_key: email,
    first_name: null,
    last_name: null,
    key_hash: null,
    created_on: now,
  }));
  const members = people.map(({ id }) => ({
    id: newTag(),
    account_id: credentials.account_id,
    administrator_id: id,
    status: 'pending',
    roles: '[]',
    policies: '[]',
    created_on: now,
  }));
  await app.control.database.write(async ({ query }) => {
    for (let at = 0; at < count; at += 1000) {
      await query
        .insertInto('administrators')
        .values(administrators.slice(at, at + 1000))
        .execute();
      await query
        .insertInto('members')
        .values(members.slice(at, at + 1000))
        .execute();
    }
  });
  return members.map(({ id }) => id);
}
