import type { Facts } from './question.ts';
import type { Headers } from './question-headers.ts';

/** What docs/haproxy/portcullis.lua asks about: X-Portcullis-{Method,Scheme,Host,Target}. */
export function readHaproxy(headers: Headers): Facts {
  return {
    method: headers.single('x-portcullis-method'),
    scheme: headers.single('x-portcullis-scheme'),
    host: headers.single('x-portcullis-host'),
    target: headers.single('x-portcullis-target'),
  };
}
