import type { Answer } from '../gate/answers.ts';
import type { GateOptions } from '../gate/gate-options.ts';
import { sentCookies } from '../gate/lent.ts';
import type { Question } from '../gate/question.ts';
import { isObject } from '../kernel/result.ts';
import { browserCookie, type Scheme, SESSION_COOKIE } from '../protocol/cookies.ts';
import { EDGE_PATH } from '../protocol/gate-messages.ts';
import type { ControlPlane } from './control-plane.ts';

/**
 * What lies below /cdn-cgi/access on an application's host, brought to the control plane: hand-off, sign-out, who is
 * signed in. Rejects while that is away, which is answered 503.
 */
export function createRemoteEdge(
  controlPlane: ControlPlane,
  { direct, scheme }: { direct: boolean; scheme: Scheme },
): GateOptions['edge'] {
  let brought = 0;
  return async (question, _destinations, requestId) => {
    if (brought >= MOST_BROUGHT) throw new Error('too much is being brought to the control plane');
    brought += 1;
    try {
      const sent = toEdgeQuestion(question, { direct, scheme, requestId });
      const answer = readAnswer(await controlPlane.ask(EDGE_PATH, sent));
      if (!answer) throw new Error('the control plane answers something else');
      return answer;
    } finally {
      brought -= 1;
    }
  };
}

/** At once: anybody can ask for this, and it must not take the place of questions and leases. */
const MOST_BROUGHT = 32;

/** Only what sign-in asks about: no cookie that is the application's own. */
function toEdgeQuestion(
  { host, path, target, cookies, crossSite, ip }: Question,
  { direct, scheme, requestId }: { direct: boolean; scheme: Scheme; requestId: string },
) {
  const own = sentCookies(cookies, [SESSION_COOKIE, browserCookie(scheme)]);
  return { requestId, direct, host, path, target, cookies: own, crossSite, ip };
}

function readAnswer(said: unknown): Answer | null {
  if (!isObject(said) || !isObject(said.headers)) return null;
  const { status, headers, body } = said;
  const isWhole =
    Number.isInteger(status) && typeof body === 'string' && Object.values(headers).every(isLine);
  return isWhole ? (said as unknown as Answer) : null;
}

function isLine(value: unknown): boolean {
  return typeof value === 'string' || (Array.isArray(value) && value.every((one) => typeof one === 'string'));
}
