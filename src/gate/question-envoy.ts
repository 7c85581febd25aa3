import type { Facts } from './question.ts';
import { type Headers, hostsOf } from './question-headers.ts';

/** What Envoy asks about: its own request line below `prefix`, its own Host, and X-Forwarded-Proto. */
export function readEnvoy(
  headers: Headers,
  { method, url = '', prefix }: { method: string | undefined; url: string | undefined; prefix: string },
): Facts {
  const [host, ...more] = hostsOf(headers);
  return {
    method,
    scheme: headers.single('x-forwarded-proto'),
    host: more.length === 0 ? host : undefined,
    target: url.startsWith(prefix) ? url.slice(prefix.length) : undefined,
  };
}
