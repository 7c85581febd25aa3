/** Follows the frames of a WebSocket (RFC 6455 §5.2) in one direction, to know where one has ended. */
export interface FrameFollower {
  /** The bytes that come next, however they are cut. */
  push(chunk: Uint8Array): void;
  /** Whether the bytes so far are whole frames. */
  isAtEnd(): boolean;
}

export function followFrames(): FrameFollower {
  const head: number[] = [];
  let left = 0;

  return {
    push: (chunk) => {
      let at = 0;
      while (at < chunk.length) {
        if (left > 0) {
          const step = Math.min(left, chunk.length - at);
          left -= step;
          at += step;
          continue;
        }
        head.push(chunk[at++] ?? 0);
        if (head.length < headLength(head)) continue;
        left = payloadLength(head);
        head.length = 0;
      }
    },
    isAtEnd: () => left === 0 && head.length === 0,
  };
}

/** Of the head that begins so: two bytes, the longer forms of the length, and the mask. */
function headLength([, second]: readonly number[]): number {
  if (second === undefined) return 2;
  const length = second & 0x7f;
  return 2 + (length === 127 ? 8 : length === 126 ? 2 : 0) + (second & 0x80 ? 4 : 0);
}

function payloadLength(head: readonly number[]): number {
  const length = (head[1] ?? 0) & 0x7f;
  if (length < 126) return length;
  const bytes = head.slice(2, length === 126 ? 4 : 10);
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** A close frame as servers send it. The reason is at most 123 bytes. */
export function closeFrame(code: number, reason: string): Buffer {
  const text = Buffer.from(reason);
  const head = Buffer.from([0x88, 2 + text.length, code >> 8, code & 0xff]);
  return Buffer.concat([head, text]);
}
