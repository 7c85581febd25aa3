import type { Facts } from './question.ts';
import type { Headers } from './question-headers.ts';

/** What nginx asks about: X-Original-Method, and the whole address in X-Original-URL. */
export function readNginx(headers: Headers): Facts {
  const url = /^([a-z]+):\/\/([^/]*)(\/.*)$/s.exec(headers.single('x-original-url') ?? '');
  const [, scheme, host, target] = url ?? [];
  return { method: headers.single('x-original-method'), scheme, host, target };
}
