import type { IncomingMessage } from 'node:http';
import type { Answer } from './answers.ts';
import type { Facts } from './question.ts';
import { readEnvoy } from './question-envoy.ts';
import { readForwarded } from './question-forwarded.ts';
import { readHaproxy } from './question-haproxy.ts';
import type { Headers } from './question-headers.ts';
import { readNginx } from './question-nginx.ts';

export const FORWARD_AUTH_PATH = '/portcullis/forward-auth';
const ENVOY_PREFIX = `${FORWARD_AUTH_PATH}/envoy`;

/**
 * One way in which proxies ask (standards §4.1). Each has an endpoint of its own and reads its own headers alone:
 * were one to stand in for another, a client could ask about a path that it does not want.
 */
export interface Family {
  readonly read: (request: IncomingMessage, headers: Headers) => Facts;
  /** The answer in a form that these proxies can pass on; never an admission of what was none. */
  readonly carry: (answer: Answer) => Answer;
}

const FORWARDED: Family = { read: (_request, headers) => readForwarded(headers), carry: asItIs };
const NGINX: Family = { read: (_request, headers) => readNginx(headers), carry: forNginx };
const HAPROXY: Family = { read: (_request, headers) => readHaproxy(headers), carry: asItIs };
const ENVOY: Family = {
  read: ({ method, url }, headers) => readEnvoy(headers, { method, url, prefix: ENVOY_PREFIX }),
  carry: asItIs,
};

/** The family whose endpoint this request target is; null for any other target. */
export function familyOf(target: string): Family | null {
  if (target === FORWARD_AUTH_PATH) return FORWARDED;
  if (!target.startsWith(FORWARD_AUTH_PATH)) return null;
  if (target.startsWith(`${ENVOY_PREFIX}/`)) return ENVOY;
  switch (target.split('?', 1)[0]) {
    case FORWARD_AUTH_PATH:
      return FORWARDED;
    case `${FORWARD_AUTH_PATH}/nginx`:
      return NGINX;
    case `${FORWARD_AUTH_PATH}/haproxy`:
      return HAPROXY;
    default:
      return null;
  }
}

function asItIs(answer: Answer): Answer {
  return answer;
}

/**
 * `auth_request` knows 401 and 403, takes any other refusal for a fault of ours and answers 500. A redirect becomes
 * a 401 whose `Location` and `Set-Cookie` the configuration puts into an answer of its own; bodies are lost there.
 */
function forNginx(answer: Answer): Answer {
  const { status, headers } = answer;
  if (status === 200) return answer;
  const isRedirect = status > 300 && status < 400 && headers.location !== undefined;
  if (isRedirect) return { status: 401, headers, body: '' };
  const { location: _, ...others } = headers;
  return { status: status === 401 ? 401 : 403, headers: others, body: answer.body };
}
