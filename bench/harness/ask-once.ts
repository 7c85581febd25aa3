import { connect } from 'node:net';

/** One answer, head and body, as it came. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** Sends one request of `toRequest` and reads the head of its answer, outside of any measurement. */
export async function askOnce({ port }: { port: number }, request: string): Promise<RawAnswer> {
  const socket = connect({ port, host: '127.0.0.1' });
  try {
    socket.write(request);
    let held = '';
    for await (const chunk of socket.setEncoding('latin1')) {
      held += chunk;
      const end = held.indexOf('\r\n\r\n');
      if (end >= 0) return parseHead(held.slice(0, end));
    }
    throw new Error(`no answer: ${held}`);
  } finally {
    socket.destroy();
  }
}

function parseHead(head: string): RawAnswer {
  const [first = '', ...lines] = head.split('\r\n');
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  return { status: Number(first.split(' ')[1]), headers: Object.fromEntries(headers) };
}
