import type { Facts } from './question.ts';
import type { Headers } from './question-headers.ts';

/** What Envoy asks about: its own request line below `prefix`, its own Host, and X-Forwarded-Proto. */
export function readEnvoy(
  headers: Headers,
  { method, url = '', prefix }: { method: string | undefined; url: string | undefined; prefix: string },
): Facts {
  return {
    method,
    scheme: headers.single('x-forwarded-proto'),
    host: headers.single('host'),
    target: url.startsWith(prefix) ? url.slice(prefix.length) : undefined,
  };
}
