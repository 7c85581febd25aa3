import type { Facts } from './question.ts';
import type { Headers } from './question-headers.ts';

/** What Caddy and Traefik ask about: X-Forwarded-{Method,Proto,Host,Uri}. */
export function readForwarded(headers: Headers): Facts {
  return {
    method: headers.single('x-forwarded-method'),
    scheme: headers.single('x-forwarded-proto'),
    host: headers.single('x-forwarded-host'),
    target: headers.single('x-forwarded-uri'),
  };
}
