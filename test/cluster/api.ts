import { type Agent, request as httpRequest } from 'node:http';
import { text as readText } from 'node:stream/consumers';

export interface ApiAnswer {
  readonly status: number;
  readonly text: string;
  /** The `result` of the envelope, or the body itself where it is bare. */
  readonly result: Record<string, unknown>;
}

export interface ApiCall {
  readonly port: number;
  readonly agent: Agent;
  readonly method: string;
  readonly target: string;
  readonly body?: unknown;
  readonly token: string;
  readonly retry: number;
  readonly timeout: number;
}

/** One call as the SDK makes it, its count of retries included. Rejects if it is not answered whole in time. */
export async function callApi(call: ApiCall): Promise<ApiAnswer> {
  const { port, agent, method, target, body, token, retry, timeout } = call;
  return await new Promise((resolve, reject) => {
    const request = httpRequest({
      ...{ host: '127.0.0.1', port, agent, method, path: target },
      signal: AbortSignal.timeout(timeout),
      headers: {
        authorization: `Bearer ${token}`,
        'x-stainless-retry-count': String(retry),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      readText(response).then(
        (text) => resolve({ status: response.statusCode ?? 0, text, result: resultOf(text) }),
        reject,
      );
    });
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function resultOf(text: string): Record<string, unknown> {
  try {
    const parsed = JSON.parse(text) as { result?: unknown };
    return (parsed.result ?? parsed) as Record<string, unknown>;
  } catch {
    return {};
  }
}
