import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';

/* HTTP/2 by the frame (RFC 9113 §4), for what no well-behaved client sends. */

export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  continuation: 9,
} as const;
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

type Fields = readonly (readonly [name: string, value: string])[];

export function frame(type: number, stream: number, { flags = 0, payload = Buffer.alloc(0) } = {}): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A request whose fields are sent as they are, without compression (RFC 7541 §6.2.2). */
export function headers(stream: number, fields: Fields, { ends = true, whole = true } = {}): Buffer {
  const payload = Buffer.concat(fields.map(([name, value]) => literal(name, value)));
  return frame(FRAME.headers, stream, {
    flags: (ends ? END_STREAM : 0) | (whole ? END_HEADERS : 0),
    payload,
  });
}

export function data(stream: number, text: string, { ends = false } = {}): Buffer {
  return frame(FRAME.data, stream, { flags: ends ? END_STREAM : 0, payload: Buffer.from(text) });
}

export function reset(stream: number, code = 8): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return frame(FRAME.reset, stream, { payload });
}

function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  const { length } = bytes;
  if (length < 127) return Buffer.concat([Buffer.of(length), bytes]);
  const prefix = [127];
  let rest = length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) prefix.push((rest % 128) | 0x80);
  return Buffer.concat([Buffer.from([...prefix, rest]), bytes]);
}

/** A connection on which HTTP/2 was agreed and begun. */
export interface RawSession {
  readonly socket: TLSSocket;
  /** Frames that have come so far, oldest first. */
  readonly frames: readonly Frame[];
  /** The first frame that is so; null if the connection ends without one. */
  until(isIt: (frame: Frame) => boolean): Promise<Frame | null>;
}

export async function openRawSession(port: number): Promise<RawSession> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ALPNProtocols: ['h2'] });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  const frames: Frame[] = [];
  let rest = Buffer.alloc(0);
  let more = Promise.withResolvers<void>();
  const wake = () => {
    more.resolve();
    more = Promise.withResolvers();
  };
  socket.on('close', wake).on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (let next = take(rest); next !== null; next = take(rest)) {
      frames.push(next);
      rest = rest.subarray(9 + next.payload.length);
    }
    wake();
  });
  socket.write(PREFACE);
  socket.write(frame(FRAME.settings, 0));
  return {
    socket,
    frames,
    until: async (isIt) => {
      for (;;) {
        const found = frames.find(isIt);
        if (found || socket.closed) return found ?? null;
        await more.promise;
      }
    },
  };
}

function take(bytes: Buffer): Frame | null {
  if (bytes.length < 9) return null;
  const length = bytes.readUIntBE(0, 3);
  if (bytes.length < 9 + length) return null;
  return {
    type: bytes.readUInt8(3),
    flags: bytes.readUInt8(4),
    stream: bytes.readUInt32BE(5) & 0x7fffffff,
    payload: bytes.subarray(9, 9 + length),
  };
}
