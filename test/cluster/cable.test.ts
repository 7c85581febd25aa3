import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Cable, layCable } from './cable.ts';

/* What the harness cuts must be cut, and whole again afterwards: else it would prove nothing. */

const A_WHILE = 60;

describe('a cable', () => {
  const heard = { there: '' };
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      heard.there += chunk;
      socket.write(String(chunk).toUpperCase());
    });
  });
  const set: { cable?: Cable } = {};
  const cable = () => set.cable ?? assert.fail();
  before(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    set.cable = await layCable('test', (server.address() as AddressInfo).port);
  });
  after(async () => {
    await set.cable?.[Symbol.asyncDispose]();
    server.close();
  });

  test('that is blocked one way holds what goes that way, and delivers it when it is healed', async () => {
    const { socket, said } = await dial();
    cable().block('back');
    socket.write('one');
    await pause(A_WHILE);
    assert.deepEqual([heard.there, said()], ['one', '']);
    cable().block('there');
    socket.write('two');
    await pause(A_WHILE);
    assert.equal(heard.there, 'one');
    cable().heal();
    while (said() !== 'ONETWO') await once(socket, 'data');
    socket.destroy();
  });

  test('that is blocked takes a new connection and lets nothing through', async () => {
    cable().block('there', 'back');
    heard.there = '';
    const { socket } = await dial();
    socket.write('three');
    await pause(A_WHILE);
    assert.equal(heard.there, '');
    cable().heal();
    await once(socket, 'data');
    assert.equal(heard.there, 'three');
    socket.destroy();
  });

  /** `once` would take the reset itself for its own failure. */
  function closeOf(socket: Socket): Promise<void> {
    return new Promise((done) => {
      if (socket.closed) done();
      else socket.once('close', () => done());
    });
  }

  async function dial(): Promise<{ socket: Socket; said: () => string }> {
    const socket = connect(cable().port, '127.0.0.1');
    let said = '';
    socket
      .on('error', () => {})
      .on('data', (chunk) => {
        said += chunk;
      });
    await Promise.race([new Promise((done) => socket.once('connect', done)), closeOf(socket)]);
    return { socket, said: () => said };
  }
});
