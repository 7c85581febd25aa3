import type { Operation } from './document.ts';
import type { Inhabited } from './tenants.ts';

/** One request made of a schema, as it goes on the wire. */
export interface Fuzzed {
  readonly operation: Operation;
  readonly target: string;
  readonly body: string | null;
  readonly type: string;
}

/** How it was answered, and what is wrong with that; null for nothing. */
export interface Judged {
  readonly status: number;
  readonly problem: string | null;
  readonly result: unknown;
}

/** Sends it with the token of the account, or the key for what is of a person, and judges the answer by the description. */
export async function ask(
  { origin, own }: { origin: string; own: Inhabited },
  { operation, target, body, type }: Fuzzed,
): Promise<Judged> {
  const headers = target.startsWith('/user') || target.startsWith('/memberships') ? own.key : own.token;
  const response = await fetch(`${origin}/client/v4${target}`, {
    method: operation.method,
    headers: { ...headers, ...(body === null ? {} : { 'content-type': type }) },
    ...(body === null || operation.method === 'GET' ? {} : { body }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  const { status } = response;
  const answer = parse(text);
  const problem = problemOf(operation, {
    status,
    answer,
    text,
    retry: response.headers.get('x-should-retry'),
  });
  return { status, problem, result: (answer as { result?: unknown } | null)?.result };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function problemOf(
  { refuses, path }: Operation,
  { status, answer, text, retry }: { status: number; answer: unknown; text: string; retry: string | null },
): string | null {
  if (status >= 500) return text.slice(0, 300);
  if (typeof answer !== 'object' || answer === null) return `no envelope: ${text.slice(0, 200)}`;
  if ((answer as { success?: unknown }).success !== status < 400)
    return 'success is not what the status says';
  if (status === 401 && !path.endsWith('tokens/verify')) return 'the credential is refused';
  if (status === 409 && retry !== 'false') return 'a retry is asked for where none can help';
  return refuses(status, answer);
}
