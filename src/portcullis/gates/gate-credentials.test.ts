import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newestEntry } from '../../../test/support/access.ts';
import { attach, createGateByApi, insertNode, madeUpKey } from '../../../test/support/gate-keys.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases } from '../../../test/support/stage.ts';
import { SECOND, timestamp } from '../../kernel/clock.ts';
import { isSecret, newSecret } from '../../kernel/ids.ts';
import { dropProcess, findGateBySecret, gateLives, noteProcess, publishGateKey } from './gates.ts';

/* Gate credentials through the API, and whom their secret names. */

onBothDatabases('a gate', (stage) => {
  const base = () => `/accounts/${stage.app.credentials.account_id}/portcullis/gates`;
  const control = () => stage.app.app.control;
  const show = async (id: string) => (await stage.app.api('GET', `${base()}/${id}`)).body.result;
  const found = (secret: string) => findGateBySecret(control().database.reader, secret);

  test('is answered with its secret once, and kept without it', async () => {
    const before = await readRows(stage.database);
    const answer = await stage.app.api('POST', base(), { body: { name: 'Berlin' } });
    assert.equal(answer.status, 201);
    const { token, ...shown } = answer.body.result;
    const { id, created_at } = shown;
    assert.ok(isSecret(token, ['pcg']));
    assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.deepEqual(shown, { id, name: 'Berlin', created_at, processes: [] });
    assert.deepEqual(await show(id), shown);
    assert.deepEqual(await show(id.toUpperCase()), shown);
    const rows = await readRows(stage.database);
    assert.ok(!JSON.stringify(rows).includes(token.slice(4, 44)), 'the secret is stored nowhere');
    assert.deepEqual(rows.feed_entries, before.feed_entries, 'no gate needs to know');
    const { action, resource, metadata } = await newestEntry(stage.app);
    assert.deepEqual([action?.type, resource?.type, resource?.id], ['gate.create', 'gate', id]);
    assert.equal(metadata.name, 'Berlin');
  });

  test('may have the name of another in another case', async () => {
    await createGateByApi(stage.app, 'Paris');
    const { id } = await createGateByApi(stage.app, 'paris');
    assert.equal((await show(id)).name, 'paris');
  });

  test('is known by its secret alone', async () => {
    const { id, accountId, token } = await createGateByApi(stage.app, 'Rome');
    assert.deepEqual(await found(token), { id, accountId, name: 'Rome' });
    const flipped = token.slice(0, -1) + (token.endsWith('0') ? '1' : '0');
    for (const other of [
      newSecret('pcg'),
      newSecret('cfat'),
      token.replace('pcg', 'cfat'),
      flipped,
      token.toUpperCase(),
      ` ${token}`,
      `${token}\n`,
      '',
      id,
      stage.app.credentials.api_token,
    ]) {
      assert.equal(await found(other), null, other);
    }
  });

  test('is listed by page, oldest first, and found by name and by search', async () => {
    const names = ['100%_a', '100 Xa', 'STRASSE'];
    for (const name of names) {
      stage.app.clock.advance(SECOND);
      await createGateByApi(stage.app, name);
    }
    const list = async (query: string) => (await stage.app.api('GET', `${base()}?${query}`)).body;
    const named = ({ result }: { result: { name: string }[] }) => result.map(({ name }) => name);
    assert.deepEqual(named(await list('per_page=1000')).slice(-3), names);
    assert.deepEqual(named(await list('name=strasse')), ['STRASSE']);
    assert.deepEqual(named(await list('search=%25_')), ['100%_a']);
    assert.deepEqual(named(await list('search=nowhere')), []);
    const { result_info: info, ...page } = await list('search=100&per_page=1&page=2');
    assert.deepEqual([named(page), info.count, info.total_count], [['100 Xa'], 1, 2]);
    assert.deepEqual(named(await list('search=100&per_page=1&page=3')), []);
    assert.ok(page.result.every((gate: object) => !('token' in gate)));
  });

  test('shows the processes that are attached, and what their node has acked of this account', async () => {
    const gate = await createGateByApi(stage.app, 'Oslo');
    const key = madeUpKey();
    await publishGateKey(control(), gate, key);
    const [one, two] = [await insertNode(control(), 'node one'), await insertNode(control(), 'node two')];
    const process = await attach(control(), { gate, key, nodeId: one });
    const { id, host, version, attached_at } = process;
    const shown = { id, host, version, attached_at, node: 'node one', position: null };
    assert.deepEqual((await show(gate.id)).processes, [shown]);
    const ack = { epoch: 1, position: 7, waited_for: '[]' };
    await control().database.write((tx) =>
      tx.query
        .insertInto('node_acks')
        .values({ node_id: one, account_id: gate.accountId, ...ack })
        .execute(),
    );
    assert.deepEqual((await show(gate.id)).processes, [{ ...shown, position: 7 }]);
    await control().database.write((tx) => noteProcess(tx, { ...process, node_id: two }));
    assert.deepEqual((await show(gate.id)).processes, [{ ...shown, node: 'node two' }]);
    const listed = (await stage.app.api('GET', `${base()}?name=oslo`)).body.result;
    assert.deepEqual(listed[0].processes, [{ ...shown, node: 'node two' }]);
    // The first node finds out late that the process has left it.
    await control().database.write((tx) => dropProcess(tx, { id, node_id: one }));
    // The second, that the process has left it and come back.
    const earlier = { id, node_id: two, attached_at: timestamp(0) };
    await control().database.write((tx) => dropProcess(tx, earlier));
    assert.equal((await show(gate.id)).processes.length, 1);
    await control().database.write((tx) => dropProcess(tx, { id, node_id: two, attached_at }));
    assert.deepEqual((await show(gate.id)).processes, []);
  });

  test('loses the processes of a node whose lease row goes', async () => {
    const gate = await createGateByApi(stage.app, 'Bonn');
    const key = madeUpKey();
    await publishGateKey(control(), gate, key);
    const nodeId = await insertNode(control(), 'short-lived');
    await attach(control(), { gate, key, nodeId });
    assert.equal((await show(gate.id)).processes.length, 1);
    await control().database.write((tx) =>
      tx.query.deleteFrom('node_leases').where('id', '=', nodeId).execute(),
    );
    assert.deepEqual((await show(gate.id)).processes, []);
  });

  test('that is deleted is gone with all that it had, and answered again to a client that lost the answer', async () => {
    const gate = await createGateByApi(stage.app, 'Wien');
    const other = await createGateByApi(stage.app, 'Graz');
    assert.equal(await gateLives(control().database.reader, gate.id), true);
    const [key, second] = [madeUpKey(), madeUpKey()];
    for (const one of [key, second]) await publishGateKey(control(), gate, one);
    const nodeId = await insertNode(control(), 'node three');
    await attach(control(), { gate, key, nodeId });
    const answer = await stage.app.api('DELETE', `${base()}/${gate.id}`);
    assert.deepEqual([answer.status, answer.body.result], [200, { id: gate.id }]);
    assert.equal(await found(gate.token), null);
    assert.equal(await gateLives(control().database.reader, gate.id), false);
    assert.equal((await found(other.token))?.id, other.id);
    const rows = await readRows(stage.database);
    const naming = ['gates', 'gate_keys', 'gate_processes'].filter((table) =>
      rows[table]?.some((row) => row.includes(gate.id)),
    );
    assert.deepEqual(naming, []);
    assert.deepEqual(
      await told(),
      [`revocation gate ${gate.id}`, ...[key.kid, second.kid].sort().map((kid) => `key ${kid} null`)].sort(),
    );
    const { action, resource, metadata } = await newestEntry(stage.app);
    assert.deepEqual([action?.type, resource?.id, metadata.name], ['gate.delete', gate.id, 'Wien']);
    assert.equal((await stage.app.api('GET', `${base()}/${gate.id}`)).status, 404);
    assert.equal((await stage.app.api('DELETE', `${base()}/${gate.id}`)).status, 404);
    const headers = { 'x-stainless-retry-count': '1' };
    const repeated = await stage.app.api('DELETE', `${base()}/${gate.id}`, { headers });
    assert.deepEqual([repeated.status, repeated.body.result], [200, { id: gate.id }]);
    assert.equal((await createGateByApi(stage.app, 'Wien')).name, 'Wien', 'the name is free again');
  });

  /** What the newest change told the gates. */
  async function told(): Promise<string[]> {
    const rows = (await readRows(stage.database)).feed_entries?.map((row) => JSON.parse(row)) ?? [];
    const newest = Math.max(...rows.map(({ position }) => Number(position)));
    return rows
      .filter(({ position }) => Number(position) === newest)
      .map(({ kind, subject_type, subject_id, payload }) =>
        kind === 'revocation'
          ? `${kind} ${subject_type} ${subject_id}`
          : `${kind} ${subject_id} ${payload.slice(0, 4)}`,
      )
      .sort();
  }
});
