import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { newTag } from '../../src/kernel/ids.ts';
import { ATTACH_PATH, CLOSE, type FromGate, GATE_PROTOCOL } from '../../src/protocol/gate-messages.ts';
import { createGateByApi, madeUpKey } from '../support/gate-keys.ts';
import { onBothDatabases } from '../support/stage.ts';

/*
 * A gate of another version of the stream knows other kinds of rules than its node: it would leave out an exclusion
 * that it does not know, and let in whom it is meant for. So it is told nothing.
 */

onBothDatabases('a node', (stage) => {
  const attach = async (protocol: number) => {
    const { token } = await createGateByApi(stage.app, newTag());
    const socket = new WebSocket(`ws://127.0.0.1:${stage.app.port}${ATTACH_PATH}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const heard: string[] = [];
    socket.on('message', (data) => void heard.push(String(data)));
    await once(socket, 'open');
    const who = { process: newTag(), host: 'gate:1', version: '0.1.0', key: madeUpKey() };
    const said: FromGate = { type: 'attach', protocol, ...who, applied: null };
    socket.send(JSON.stringify(said));
    return { socket, heard };
  };

  for (const protocol of [0, GATE_PROTOCOL - 1, GATE_PROTOCOL + 1]) {
    test(`tells a gate of version ${protocol} nothing`, async () => {
      const { socket, heard } = await attach(protocol);
      const [code] = await once(socket, 'close');
      assert.equal(code, CLOSE.protocol);
      assert.deepEqual(heard, []);
    });
  }

  test('welcomes a gate of its own version', async () => {
    const { socket, heard } = await attach(GATE_PROTOCOL);
    while (heard.length === 0) await once(socket, 'message');
    assert.equal((JSON.parse(heard[0] ?? '') as { type: string }).type, 'welcome');
    socket.terminate();
  });
});
