import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { databases } from '../../../test/support/postgres.ts';
import { insertAccount, NOW, openStorage, run } from '../../../test/support/storage.ts';
import { migrate, migrations } from '../../database/migrate.ts';
import { readSeatUse } from '../users/seats.ts';

const insertUser = (account: string, at: number, seat: string | null) =>
  `insert into users (id, account_id, email, email_key, name, name_key, search_text, seat_uid, access_seat,
    reauthenticate, created_at, updated_at)
    values ('${account}-${at}', '${account}', 'e${at}', 'e${at}', '', '', 'e${at}',
      ${seat === null ? 'null' : `'${seat}'`}, ${seat === null ? 0 : 1}, 0, '${NOW}', '${NOW}')`;

/** Three thousand users with a seat. */
const MANY = `insert into users (id, account_id, email, email_key, name, name_key, search_text, seat_uid, access_seat,
    reauthenticate, created_at, updated_at, last_successful_login)
  with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000)
  select 'u' || i, 'a', 'e' || i, 'e' || i, '', '', 'e' || i, 's' || i, 1, 0, '${NOW}', '${NOW}', '2025-' || i from n`;

for (const { name, create } of databases) {
  describe(`a database from before seats were counted (${name})`, () => {
    test('has the seats of each account counted, and no limit', async () => {
      await using place = await create();
      await using database = openStorage(place);
      await migrate(database, { now: NOW, history: migrations.slice(0, 3) });
      await database.write(async (tx) => {
        for (const account of ['many', 'one', 'none'])
          await run(
            tx.query,
            `insert into accounts values ('${account}', '${account}', 'standard', '${NOW}')`,
          );
        for (let at = 0; at < 30; at += 1)
          await run(tx.query, insertUser('many', at, at % 3 === 0 ? null : `seat-${at}`));
        await run(tx.query, insertUser('one', 0, 'seat-of-one'));
        await run(tx.query, insertUser('none', 0, null));
      });
      await migrate(database, { now: NOW });
      const uses = [];
      for (const account of ['many', 'one', 'none']) uses.push(await readSeatUse(database.reader, account));
      assert.deepEqual(uses, [
        { limit: null, used: 20 },
        { limit: null, used: 1 },
        { limit: null, used: 0 },
      ]);
    });

    test('finds unused seats, and the holder of a seat, by an index', async () => {
      await using place = await create();
      await using database = openStorage(place);
      await migrate(database, { now: NOW });
      await database.write(async (tx) => {
        await insertAccount(tx, 'a');
        await run(tx.query, MANY);
      });
      await database.write((tx) => run(tx.query, 'analyze'));
      const explain = place.url === null ? 'explain query plan' : 'explain';
      const questions = {
        users_by_last_login: `select id from users where account_id = 'a' and seat_uid is not null
          and coalesce(users.last_successful_login, users.created_at) < '2026'
          and (coalesce(users.last_successful_login, users.created_at), users.id) > ('2025', 'x')
          order by coalesce(users.last_successful_login, users.created_at), users.id limit 100`,
        users_by_seat: `select id from users where account_id = 'a' and seat_uid in ('x', 'y')`,
      };
      for (const [index, question] of Object.entries(questions)) {
        const plan = await database.write((tx) => run(tx.query, `${explain} ${question}`));
        assert.match(JSON.stringify(plan.rows), new RegExp(index));
        assert.doesNotMatch(JSON.stringify(plan.rows), /TEMP B-TREE|Sort/);
      }
    });
  });
}
