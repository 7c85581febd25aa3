import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newestEntry } from '../../../test/support/access.ts';
import { attach, createGateByApi, insertNode, madeUpKey, namedKey } from '../../../test/support/gate-keys.ts';
import { publishedKids } from '../../../test/support/key-timer.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases } from '../../../test/support/stage.ts';
import { addTenant } from '../../../test/support/tenants.ts';
import { DAY, MINUTE, SECOND, timestamp } from '../../kernel/clock.ts';
import { sha256 } from '../../kernel/crypto.ts';
import { newUuid } from '../../kernel/ids.ts';
import type { GateKey } from '../../protocol/gate-messages.ts';
import { dropUnseenGateKeys, gateKeyStates, noteProcess, publishGateKey } from './gates.ts';

/* The keys of gates: which are published, for how long, and which never. */

/** A modulus of so many bits: the first is set, the last as told. */
function modulus(bits: number, { isOdd = true }: { isOdd?: boolean } = {}): Buffer {
  const bytes = Buffer.alloc(Math.ceil(bits / 8), 0x5a);
  bytes[0] = 1 << ((bits - 1) % 8);
  bytes[bytes.length - 1] = isOdd ? 0x5b : 0x5a;
  return bytes;
}

function wrongKeys(): [what: string, key: GateKey, says: RegExp][] {
  const key = madeUpKey();
  const padded = `${key.n}==`;
  // The same bytes, since the last character has bits to spare.
  const loose = `${namedKey(modulus(2048)).n.slice(0, -1)}x`;
  const [name, bits, canonical] = [/its id is not/, /2048 to 4096 bits/, /is not canonical/];
  return [
    ['under the name of another', { ...key, kid: madeUpKey().kid }, name],
    ['under no name', { ...key, kid: '' }, name],
    ['under its name in capitals', { ...key, kid: key.kid.toUpperCase() }, name],
    ['of another kind', { ...key, kty: 'EC' as 'RSA' }, /must be RSA/],
    ['with another exponent', { ...key, e: 'AQ' }, /the exponent 65537/],
    ['that is padded', { ...key, n: padded, kid: sha256(padded) }, canonical],
    ['that is written otherwise', { ...key, n: loose, kid: sha256(loose) }, canonical],
    ['that begins with nothing', namedKey(Buffer.concat([Buffer.alloc(1), modulus(2048)])), canonical],
    ['of nothing', { ...key, n: '', kid: sha256('') }, canonical],
    ['of 2047 bits', namedKey(modulus(2047)), bits],
    ['of 1024 bits', namedKey(modulus(1024)), bits],
    ['of 4097 bits', namedKey(modulus(4097)), bits],
    ['that is even', namedKey(modulus(2048, { isOdd: false })), bits],
  ];
}

onBothDatabases('the key of a gate', (stage) => {
  const control = () => stage.app.app.control;
  const now = () => stage.app.clock.now();
  const begin = async (name: string) => {
    const gate = await createGateByApi(stage.app, name);
    const target = `/accounts/${gate.accountId}/portcullis/gates/${gate.id}`;
    return {
      gate,
      publish: (key: GateKey) => publishGateKey(control(), gate, key),
      remove: () => stage.app.api('DELETE', target),
    };
  };
  const isPublished = async ({ kid }: GateKey) => (await publishedKids(stage.app)).includes(kid);
  /** No gate has a key. */
  const clear = async () => {
    await control().database.write((tx) => tx.query.deleteFrom('gate_processes').execute());
    await dropUnseenGateKeys(control(), now() + DAY);
    assert.deepEqual((await readRows(stage.database)).gate_keys, []);
  };
  const seenAt = async ({ kid }: GateKey) => {
    const rows = (await readRows(stage.database)).gate_keys?.map((row) => JSON.parse(row)) ?? [];
    return Date.parse(rows.find((row) => row.kid === kid).seen_at);
  };
  const entries = async () => (await readRows(stage.database)).audit_entries?.length ?? 0;

  test('that cannot be is refused, and nothing is written', async () => {
    const { publish } = await begin('careless');
    const rows = await readRows(stage.database);
    for (const [what, key, message] of wrongKeys()) {
      await assert.rejects(publish(key), { status: 400, message }, what);
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is none that the account signs with itself, or has signed with', async () => {
    await clear();
    const { publish } = await begin('thief');
    const answer = await fetch(`${stage.app.origin}/cdn-cgi/access/certs`);
    const { keys } = (await answer.json()) as { keys: (GateKey & { alg: string })[] };
    assert.equal(keys.length, 2);
    const rows = await readRows(stage.database);
    for (const { kid, kty, n, e } of keys) {
      await assert.rejects(publish({ kid, kty, n, e }), /is a key of the account/);
    }
    assert.deepEqual(await readRows(stage.database), rows);
    assert.deepEqual(await (await fetch(`${stage.app.origin}/cdn-cgi/access/certs`)).json(), { keys });
  });

  test('is not published for a gate that is gone, or never was', async () => {
    const { gate, publish, remove } = await begin('gone');
    const known = madeUpKey();
    await publish(known);
    await remove();
    const rows = await readRows(stage.database);
    for (const key of [known, madeUpKey()]) {
      await assert.rejects(publish(key), { status: 401 });
      const stranger = { ...gate, id: newUuid() };
      await assert.rejects(publishGateKey(control(), stranger, key), { status: 401 });
      assert.equal(await isPublished(key), false);
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is not published in another account than the gate’s', async () => {
    const { gate } = await begin('abroad');
    const { accountId } = await addTenant(stage.app, 'abroad');
    const rows = await readRows(stage.database);
    await assert.rejects(publishGateKey(control(), { ...gate, accountId }, madeUpKey()), { status: 401 });
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is in the key set from then on, after those that sign, until the gate is deleted', async () => {
    const { gate, publish, remove } = await begin('usual');
    const key = madeUpKey(4096);
    await publish(key);
    const { keys } = (await (await fetch(`${stage.app.origin}/cdn-cgi/access/certs`)).json()) as {
      keys: object[];
    };
    assert.deepEqual(
      keys.slice(2).find((one) => (one as GateKey).kid === key.kid),
      { ...key, alg: 'RS256', use: 'sig' },
    );
    const { action, actor, resource, metadata, ...entry } = await newestEntry(stage.app);
    assert.deepEqual([action?.type, resource?.id], ['gate.attach_key', gate.id]);
    assert.deepEqual([actor?.id, actor?.type, entry.interface], [gate.id, 'Cloudflare', 'gate']);
    assert.deepEqual([metadata.actor_type, metadata.kid, metadata.dropped], ['gate', key.kid, []]);
    await remove();
    assert.equal(await isPublished(key), false);
  });

  test('that is published already is noted as seen, and nothing else is written', async () => {
    const { publish } = await begin('returning');
    const key = madeUpKey();
    await publish(key);
    const { gate_keys: before = [], ...rest } = await readRows(stage.database);
    stage.app.clock.advance(MINUTE);
    await Promise.all([publish(key), publish(key)]);
    const { gate_keys: after = [], ...restAfter } = await readRows(stage.database);
    assert.deepEqual(restAfter, rest);
    const changed = after.filter((row) => !before.includes(row)).map((row) => JSON.parse(row));
    assert.deepEqual(
      changed.map(({ kid }) => kid),
      [key.kid],
    );
    assert.ok(changed[0].seen_at > changed[0].created_at);
  });

  test('that two processes bring at once is published once', async () => {
    const { publish } = await begin('twins');
    const key = madeUpKey();
    const before = await entries();
    await Promise.all(Array.from({ length: 4 }, () => publish(key)));
    assert.equal(await entries(), before + 1);
    assert.equal(await isPublished(key), true);
  });

  test('is what a gate that loads everything is told, once, though two gates have it', async () => {
    const [one, other] = [await begin('old name'), await begin('new name')];
    const key = madeUpKey();
    await one.publish(key);
    await other.publish(key);
    const items = await control().database.snapshot((snapshot) =>
      gateKeyStates(snapshot, one.gate.accountId),
    );
    const { kid, ...jwk } = key;
    assert.deepEqual(
      items.filter(({ kind, ...item }) => kind === 'key' && 'id' in item && item.id === kid),
      [{ kind: 'key', id: kid, state: { kid, purpose: 'gate', stage: 'former', jwk } }],
    );
    await one.remove();
    assert.equal(await isPublished(key), true, 'the other gate has it still');
    await other.remove();
    assert.equal(await isPublished(key), false);
  });

  test('is dropped when it was unseen for a quarter of an hour, and not before', async () => {
    await clear();
    const { gate, publish } = await begin('leaving');
    const [key, other] = [madeUpKey(), madeUpKey()];
    await publish(key);
    stage.app.clock.advance(SECOND);
    await publish(other);
    const rows = await readRows(stage.database);
    const due = (await seenAt(key)) + 15 * MINUTE;
    await dropUnseenGateKeys(control(), due);
    assert.deepEqual(await readRows(stage.database), rows);
    await dropUnseenGateKeys(control(), due + 1);
    assert.deepEqual([await isPublished(key), await isPublished(other)], [false, true]);
    const { action, resource, metadata } = await newestEntry(stage.app);
    assert.deepEqual([action?.type, resource?.id], ['gate.drop_keys', gate.id]);
    assert.deepEqual([metadata.actor_type, metadata.keys], ['system', [key.kid]]);
    const before = await entries();
    await dropUnseenGateKeys(control(), due + 1);
    assert.equal(await entries(), before);
    await publish(key);
    assert.equal(await isPublished(key), true, 'it may come back');
  });

  test('stays while a process that has it is attached, however long, and a quarter of an hour more', async () => {
    await clear();
    const { gate, publish } = await begin('staying');
    const [key, other] = [madeUpKey(), madeUpKey()];
    await publish(key);
    await publish(other);
    const nodeId = await insertNode(control(), 'node');
    await attach(control(), { gate, key, nodeId });
    const left = now() + DAY;
    await dropUnseenGateKeys(control(), left);
    assert.deepEqual([await isPublished(key), await isPublished(other)], [true, false]);
    await control().database.write((tx) => tx.query.deleteFrom('gate_processes').execute());
    await dropUnseenGateKeys(control(), left + 15 * MINUTE);
    assert.equal(await isPublished(key), true);
    await dropUnseenGateKeys(control(), left + 15 * MINUTE + 1);
    assert.equal(await isPublished(key), false);
  });

  test('makes room for the twenty-first of a gate, the longest unseen first, unless it is attached', async () => {
    const { gate, publish } = await begin('crowded');
    const keys = Array.from({ length: 20 }, () => madeUpKey());
    const [first, second] = keys;
    assert.ok(first && second);
    for (const key of keys) {
      await publish(key);
      stage.app.clock.advance(SECOND);
    }
    const nodeId = await insertNode(control(), 'crowded node');
    await attach(control(), { gate, key: first, nodeId });
    const next = madeUpKey();
    await publish(next);
    const held = await Promise.all([first, second, next].map(isPublished));
    assert.deepEqual(held, [true, false, true]);
    const { metadata } = await newestEntry(stage.app);
    assert.deepEqual([metadata.kid, metadata.dropped], [next.kid, [second.kid]]);
    for (const key of [...keys.slice(2), next]) await attach(control(), { gate, key, nodeId });
    const rows = await readRows(stage.database);
    await assert.rejects(publish(madeUpKey()), { status: 409 });
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('must be published before a process of the gate is attached, whose id no other gate can take', async () => {
    const [one, other] = [await begin('honest'), await begin('greedy')];
    const nodeId = await insertNode(control(), 'strict node');
    const [key, theirs] = [madeUpKey(), madeUpKey()];
    await assert.rejects(attach(control(), { gate: one.gate, key, nodeId }));
    await one.publish(key);
    await other.publish(theirs);
    await assert.rejects(attach(control(), { gate: other.gate, key, nodeId }));
    const process = await attach(control(), { gate: one.gate, key, nodeId });
    const rows = await readRows(stage.database);
    const stolen = { ...process, gate_id: other.gate.id, kid: theirs.kid, host: 'elsewhere' };
    await assert.rejects(
      control().database.write((tx) => noteProcess(tx, stolen)),
      { status: 401 },
    );
    assert.deepEqual(await readRows(stage.database), rows);
    const again = { ...process, attached_at: timestamp(now()), host: 'moved.example.com' };
    await control().database.write((tx) => noteProcess(tx, again));
    assert.ok(JSON.stringify((await readRows(stage.database)).gate_processes).includes('moved.example.com'));
  });
});
