import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** An application that answers bytes as they are, whatever they mean, by the path of the request. */
export interface RawUpstream extends AsyncDisposable {
  readonly origin: string;
}

export async function startRawUpstream(answers: Readonly<Record<string, string>>): Promise<RawUpstream> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      const path = /^[A-Z]+ ([^ ?]+)/.exec(bytes.toString('latin1'))?.[1] ?? '';
      const usual = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi';
      socket.write(Buffer.from(answers[path] ?? usual, 'latin1'));
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return {
    origin: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}
