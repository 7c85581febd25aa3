import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { operator } from '../../src/kernel/actor.ts';
import { generateP256KeyPair } from '../../src/kernel/crypto.ts';
import { thumbprintOf } from '../../src/protocol/device-proof.ts';
import { commitAct } from '../../src/removal/act.ts';
import { approveEnrolment } from '../../src/sign-in/device-approval.ts';
import { beginEnrolment } from '../../src/sign-in/device-enrolments.ts';
import { readEnrolment } from '../../src/sign-in/device-input.ts';
import { ApprovalRefused } from '../../src/sign-in/device-refused.ts';
import { SignInRefused } from '../../src/sign-in/refused.ts';
import { findLineage, type SessionLineage } from '../../src/sign-in/store.ts';
import { databases } from '../support/postgres.ts';
import { type Mint, playAll, present, type Removal, removals } from './mint-race.ts';
import { NO_RIGHTS_ASKED, type Person, type Steps } from './steps.ts';

/* A device session is minted like any other: statement by statement against what ends the person's access. */

const codes = new Map<string, string>();

/** A device that waits for this person, with a key of its own. */
async function begin({ control }: Steps, { account_id: accountId }: SessionLineage, who: Person) {
  const { publicJwk: jwk } = generateP256KeyPair();
  const asked = readEnrolment({ name: 'Laptop', facts: { type: 'linux' } });
  assert.ok(asked.ok);
  const proof = { jwk, thumbprint: thumbprintOf(jwk), jti: randomUUID(), iat: 0 };
  const ip = `10.${codes.size >> 8}.${codes.size & 255}.1`;
  const input = { accountId, proof, asked: asked.value, ip, now: control.clock.now() };
  const { userCode } = await control.database.write((tx) => beginEnrolment(tx, input));
  codes.set(who.email, userCode);
}

/** The session on the device, as it was when its transaction ended. */
async function approve({ control }: Steps, parent: SessionLineage, who: Person): Promise<SessionLineage> {
  const { account_id: accountId, nonce } = parent;
  const act = { accountId, actor: operator, authorize: NO_RIGHTS_ASKED };
  const approval = { accountId, nonce, userCode: present(codes.get(who.email)), now: control.clock.now() };
  try {
    return await commitAct(control, act, async (tx) => {
      const change = await approveEnrolment(tx, approval);
      const item = change.items?.find(({ kind }) => kind === 'session');
      assert.ok(item && 'id' in item);
      return { ...change, result: present((await findLineage(tx, accountId, item.id)) ?? undefined) };
    });
  } catch (error) {
    if (error instanceof ApprovalRefused && error.reason === 'session_ended')
      throw new SignInRefused('session_ended');
    throw error;
  }
}

const device: Mint = {
  name: 'a session on a device',
  before: async (steps, who) => {
    const started = await steps.start(who);
    const session = await steps.finish(started);
    await begin(steps, session, who);
    return { started, session };
  },
  mint: async (steps, { session }, who) => ({ session: await approve(steps, present(session), who) }),
  refusedAs: ['session_ended'],
};

const lines: readonly [string, Removal][] = [
  ['DELETE of the user', removals.delete],
  ['revoke_user', removals.revoke],
  ['pointing elsewhere of the provider', (steps) => steps.repoint()],
];

for (const { create } of databases.filter(({ name }) => name === 'postgres')) {
  describe('a device session against a removal, statement by statement (postgres)', () => {
    for (const [title, removal] of lines) {
      test(`minted during ${title} it works nowhere once that returned`, async () => {
        const { violations, schedules } = await playAll(create, { mint: device, removal });
        assert.deepEqual(violations, []);
        assert.ok(schedules > 20, 'there were statements to come between');
      });
    }
  });
}
