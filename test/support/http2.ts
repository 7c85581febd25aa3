import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';

/** One answer over HTTP/2, or what its stream was reset with. */
export interface Http2Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The code of RST_STREAM; 0 for an answer that ended as it should. */
  readonly code: number;
}

/** A session that says nothing of how it ends; header blocks of any size can be sent. */
export function openSession(origin: string): ClientHttp2Session {
  return connect(origin, { maxSendHeaderBlockLength: 1_000_000 }).on('error', () => {});
}

/** Sends a request, whose body ends with its headers unless there is one. */
export function askOver(
  session: ClientHttp2Session,
  headers: Readonly<Record<string, string | string[]>>,
  body?: string,
): Promise<Http2Answer> {
  return new Promise((resolve) => {
    const stream = session.request(headers, { endStream: body === undefined });
    const got: { headers: IncomingHttpHeaders; text: string } = { headers: {}, text: '' };
    stream.on('response', (answer) => {
      got.headers = answer;
    });
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      got.text += chunk;
    });
    stream.on('error', () => {});
    stream.on('close', () =>
      resolve({ ...got, status: got.headers[':status'] as number | undefined, code: stream.rstCode ?? 0 }),
    );
    if (body !== undefined) stream.end(body);
  });
}
