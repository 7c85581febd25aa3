import { isObject } from '../kernel/result.ts';
import { causeOf, ProbeFailed } from './failed.ts';
import { type Answered, type Dial, send } from './send.ts';

/** An answer of the v4 API that was a success. */
export interface ApiResult {
  readonly result: unknown;
}

/** The v4 API of one control plane, with one API token. */
export interface Api {
  /**
   * One call; never repeated. Throws ProbeFailed with the method, the path and what was answered, unless the
   * status is one of `accept`; then the result is null.
   */
  call(method: string, path: string, options?: CallOptions): Promise<ApiResult>;
}

export interface CallOptions {
  readonly body?: unknown;
  /** Statuses beside 2xx that are no failure. */
  readonly accept?: readonly number[];
  /** Milliseconds instead of the usual ones. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** `base` is the address of the API, such as `http://127.0.0.1:8787/client/v4`. */
export function createApi(dial: Dial, { base, token }: { base: URL; token: string }): Api {
  const prefix = base.pathname.replace(/\/$/, '');
  return {
    async call(method, path, { body, accept = [], timeout = dial.timeout, signal } = {}) {
      const answered = await send(
        { ...dial, timeout },
        {
          method,
          path: prefix + path,
          host: base.host,
          headers: headersOf(token, body),
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          ...(signal ? { signal } : {}),
        },
      ).catch((error: unknown) => {
        throw new ProbeFailed(`the control plane at ${base.origin} does not answer: ${causeOf(error)}`);
      });
      return readResult(answered, { asked: `${method} ${path}`, accept });
    },
  };
}

function headersOf(token: string, body: unknown): Record<string, string> {
  return {
    authorization: `Bearer ${token}`,
    accept: 'application/json',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
}

function readResult(
  { status, text }: Answered,
  { asked, accept }: { asked: string; accept: readonly number[] },
): ApiResult {
  const envelope = readEnvelope(text);
  const isSuccess = status >= 200 && status < 300 && envelope?.success === true;
  if (isSuccess) return { result: envelope.result };
  if (accept.includes(status)) return { result: null };
  throw new ProbeFailed(
    `${asked} is answered ${status}${envelope ? faultsOf(envelope) : ', and not by the v4 API'}`,
  );
}

function readEnvelope(text: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return isObject(parsed) && 'success' in parsed ? parsed : null;
  } catch {
    return null;
  }
}

function faultsOf({ errors }: Record<string, unknown>): string {
  const faults = (Array.isArray(errors) ? errors : []).filter(isObject);
  const words = faults.map(({ code, message, source }) => {
    const pointer = isObject(source) ? ` (${String(source.pointer)})` : '';
    return `${String(message)} [${String(code)}]${pointer}`;
  });
  return words.length === 0 ? '' : `: ${words.join('; ')}`;
}

/** The items of a list, all pages of it: at most `most`, beyond which a ProbeFailed is thrown. */
export async function listAll(
  api: Api,
  path: string,
  { signal, most = 10_000 }: { signal?: AbortSignal; most?: number } = {},
): Promise<Record<string, unknown>[]> {
  const items: Record<string, unknown>[] = [];
  const joint = path.includes('?') ? '&' : '?';
  for (let page = 1; items.length <= most; page++) {
    const { result } = await api.call('GET', `${path}${joint}page=${page}&per_page=${PER_PAGE}`, {
      ...(signal ? { signal } : {}),
    });
    const found = (Array.isArray(result) ? result : []).filter(isObject);
    items.push(...found);
    if (found.length < PER_PAGE) return items;
  }
  throw new ProbeFailed(`GET ${path} has more than ${most} items`);
}

const PER_PAGE = 1000;
