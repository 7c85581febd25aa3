import { setTimeout } from 'node:timers/promises';
import { newTag } from '../../src/kernel/ids.ts';
import type { RequestLine } from '../../src/protocol/request-line.ts';

/** A line of the request log: somebody known who was admitted, unless told otherwise. */
export function requestLine(accountId: string, more: Partial<RequestLine> = {}): RequestLine {
  return {
    id: newTag(),
    action: 'request',
    requestId: newTag().slice(0, 16),
    at: Date.parse('2026-01-01T00:00:00Z'),
    via: 'proxy',
    verdict: 'allow',
    reason: 'policy_allow',
    method: 'GET',
    host: 'app.example.com',
    ip: '192.0.2.1',
    accountId,
    applicationId: 'application',
    userId: 'user',
    email: 'person@example.com',
    connection: 'oidc',
    providerId: 'provider',
    serviceTokenId: null,
    registrationId: null,
    count: 1,
    isNew: true,
    isKnown: true,
    ...more,
  };
}

/** What the question answers once it answers something: the log is written in the background. */
export async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (let asked = 0; asked < 300; asked++) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await setTimeout(50);
  }
  throw new Error('it did not come about');
}
