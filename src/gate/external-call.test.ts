import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import {
  type ExternalService,
  NO_ANSWERS,
  startExternalService,
} from '../../test/support/external-service.ts';
import { type CallExternal, createExternalCall } from './external-call.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const MINUTE = 60_000;

/** Nobody here verifies the question: what is in it counts. */
async function sign(_accountId: string, claims: Record<string, unknown>): Promise<string> {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256' })}.${part(claims)}.c2lnbmF0dXJl`;
}

function calling(service: ExternalService, call: CallExternal, now = NOW) {
  const about = { identity: { email: 'ana@example.com' } };
  return call({ accountId: 'acme', question: service.rule, about, now });
}

describe('a question to a service of somebody else', () => {
  let service: ExternalService;
  before(async () => {
    service = await startExternalService();
  });
  after(async () => await service[Symbol.asyncDispose]());

  for (const behaviour of NO_ANSWERS) {
    test(`has no answer: ${behaviour}`, async () => {
      service.behave(behaviour);
      await assert.rejects(calling(service, createExternalCall(sign)));
    });
  }

  test('has no answer where the service is not there, or its address is none that is ever called', async () => {
    const call = createExternalCall(sign);
    const asked = { accountId: 'acme', about: {}, now: NOW };
    for (const url of ['http://127.0.0.1:1/', 'https://169.254.169.254/', 'http://example.com/', 'nothing']) {
      const question = { evaluate_url: url, keys_url: service.rule.keys_url };
      await assert.rejects(call({ ...asked, question }), url);
      service.behave('yes');
      await assert.rejects(
        call({ ...asked, question: { ...question, ...service.rule, keys_url: url } }),
        `keys at ${url}`,
      );
    }
  });

  test('has no answer after five seconds', { timeout: 20_000 }, async () => {
    service.behave('never answers');
    await assert.rejects(calling(service, createExternalCall(sign)));
    service.wake();
  });

  for (const alg of ['RS256', 'ES256', 'EdDSA']) {
    test(`is answered yes or no, signed by ${alg}`, async () => {
      await using other = await startExternalService(alg);
      const call = createExternalCall(sign);
      assert.deepEqual(await calling(other, call), { success: true, expiresAt: NOW + MINUTE });
      other.behave('no');
      assert.equal((await calling(other, call)).success, false);
    });
  }

  test('has no answer by an algorithm that is not expected', async () => {
    await using other = await startExternalService('ES384');
    await assert.rejects(calling(other, createExternalCall(sign)));
  });

  test('names the service, a nonce of its own and a near end, and never the same nonce again', async () => {
    service.behave('yes');
    service.asked.length = 0;
    const call = createExternalCall(sign);
    await calling(service, call);
    await calling(service, call);
    const [first, second] = service.asked.map((token) => decodeJwt(token));
    assert.deepEqual(first?.aud, [service.rule.evaluate_url]);
    assert.equal(first?.type, 'external_evaluation');
    assert.deepEqual(first?.identity, { email: 'ana@example.com' });
    assert.equal(first?.exp, NOW / 1000 + 60);
    assert.match(String(first?.nonce), /^[\w-]{43}$/);
    assert.notEqual(first?.nonce, second?.nonce);
  });

  test('reads the keys once for some minutes, and anew for a key that it does not know', async () => {
    await using other = await startExternalService();
    const call = createExternalCall(sign);
    await calling(other, call);
    await calling(other, call, NOW + MINUTE);
    assert.equal(other.keysRead(), 1);
    await other.rotate();
    assert.equal((await calling(other, call, NOW + 2 * MINUTE)).success, true);
    assert.equal(other.keysRead(), 2);
    await other.rotate();
    await assert.rejects(calling(other, call, NOW + 2 * MINUTE + 1000));
    assert.equal(other.keysRead(), 2, 'not more often than every ten seconds');
    await calling(other, call, NOW + 10 * MINUTE);
    assert.equal(other.keysRead(), 3);
  });
});
