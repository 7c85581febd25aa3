import { connect, type Socket } from 'node:net';

/** One HTTP answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
}

/** A request as it is put on the wire: nothing is encoded, folded or left out. */
export interface RawRequest {
  readonly method?: string;
  readonly target: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Sent with its length; a Host and `Connection: close` are always sent. */
  readonly body?: string | Uint8Array;
}

/** The bytes of a request; `host` is what the Host header says. */
export function toBytes({ method = 'GET', target, headers = [], body }: RawRequest, host: string): Buffer {
  const lines: (readonly [string, string])[] = [['host', host], ['connection', 'close'], ...headers];
  if (body !== undefined) lines.push(['content-length', String(Buffer.byteLength(body))]);
  const head = `${method} ${target} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body ?? '')]);
}

/** Sends bytes to a port of this machine and reads until the server ends the connection. */
export async function exchange(port: number, bytes: Uint8Array): Promise<RawAnswer> {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes);
  return await readAnswer(socket);
}

/** The answer on a socket whose server closes it; a reset after the answer is no fault of the answer. */
export async function readAnswer(socket: Socket): Promise<RawAnswer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('close', resolve));
  return parseAnswer(Buffer.concat(chunks).toString('utf8'));
}

function parseAnswer(answer: string): RawAnswer {
  const [head = '', ...rest] = answer.split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1]);
  if (!status) throw new Error(`no HTTP answer: ${JSON.stringify(answer.slice(0, 200))}`);
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  return { status, headers, text: rest.join('\r\n\r\n') };
}
