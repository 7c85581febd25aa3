import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, test } from 'node:test';
import type { Decision } from '../../src/gate/decision.ts';
import { createForwardAuth } from '../../src/gate/forward-auth.ts';
import { FORWARD_AUTH_PATH } from '../../src/gate/forward-auth-families.ts';
import { parseCidr } from '../../src/kernel/address.ts';
import type { SessionToken } from '../../src/protocol/claims.ts';
import { createCookieReader } from '../../src/protocol/cookies.ts';
import { admissionsOver } from '../support/gate-parts.ts';
import { databases } from '../support/postgres.ts';
import { person } from './steps.ts';
import { createWorld, HOST, type World } from './world.ts';

/** Something of the gate's that takes time, which the test may hold and let go. */
interface Held {
  readonly arrived: Promise<void>;
  readonly release: () => void;
}

type Slow = 'nothing' | 'signature' | 'assertion';

/** The forward-auth endpoint over the memory of a world, with whatever takes time in the test's hand. */
async function serveGate(world: World, token: SessionToken, slow: Slow) {
  const gate = { open: () => {}, arrive: () => {} };
  const held: Held = {
    arrived: new Promise((resolve) => {
      gate.arrive = resolve;
    }),
    release: () => gate.open(),
  };
  const pause = async (what: Slow) => {
    if (what !== slow) return;
    const opened = new Promise<void>((resolve) => {
      gate.open = resolve;
    });
    gate.arrive();
    await opened;
  };
  const decisions: Decision[] = [];
  const turns = { sinceDecision: 0, atAnswer: -1 };
  const trusted = parseCidr('127.0.0.0/8');
  assert.ok(trusted);
  const forwardAuth = createForwardAuth({
    state: world.state,
    admissions: admissionsOver({
      state: world.state,
      clock: world.clock,
      verify: async () => {
        await pause('signature');
        return token;
      },
      sign: async () => {
        await pause('assertion');
        return 'assertion';
      },
      catchUp: (accountId) => world.control.feed.catchUp(accountId),
    }),
    clock: world.clock,
    readCookies: createCookieReader(),
    scheme: 'http',
    trustedProxies: [trusted],
    secret: null,
    addressOf: () => '127.0.0.1',
    edge: async () => ({ status: 404, headers: {}, body: '' }),
    onDecision: (decision) => {
      decisions.push(decision);
      turns.sinceDecision = 0;
      queueMicrotask(() => {
        turns.sinceDecision += 1;
      });
    },
    onFault: (error) => assert.fail(String(error)),
  });
  const server = createServer((request, response) => {
    const writeHead = response.writeHead.bind(response) as (...all: unknown[]) => typeof response;
    response.writeHead = (...all: unknown[]) => {
      turns.atAnswer = turns.sinceDecision;
      return writeHead(...all);
    };
    assert.equal(forwardAuth(request, response), true);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    held,
    decisions,
    turns,
    ask: async () => {
      const response = await fetch(`http://127.0.0.1:${port}${FORWARD_AUTH_PATH}`, {
        redirect: 'manual',
        headers: {
          'x-forwarded-method': 'GET',
          'x-forwarded-proto': 'http',
          'x-forwarded-host': HOST,
          'x-forwarded-uri': '/',
          cookie: 'CF_Authorization=token',
        },
      });
      const assertion = response.headers.get('cf-access-jwt-assertion');
      await response.body?.cancel();
      return { status: response.status, assertion };
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const ada = person('ada');

const endings: readonly [string, (world: World, nonce: string) => Promise<unknown>][] = [
  ['revoke_user', (world) => world.steps.revoke(ada.email)],
  ['DELETE of the user', async (world) => world.steps.remove((await world.steps.idOf(ada.email)) ?? '')],
  ['sign-out', (world, nonce) => world.steps.signOut(nonce)],
  [
    'a revocation of the provider',
    (world) => world.steps.revokeSubject({ type: 'provider', id: world.providerId }),
  ],
  [
    'a revocation of the application',
    (world) => world.steps.revokeSubject({ type: 'application', id: world.applicationId }),
  ],
  [
    'a revocation of the account',
    (world) => world.steps.revokeSubject({ type: 'account', id: world.accountId }),
  ],
];

for (const { name, create } of databases) {
  describe(`schedule 12: forward-auth (${name})`, () => {
    for (const slow of ['signature', 'assertion'] as const) {
      test(`what ends while a request waits for the ${slow} is not answered with an admission`, async () => {
        await using database = await create();
        await using world = await createWorld(database);
        for (const [title, ending] of endings) {
          const { token, session } = await world.signIn(ada);
          await using gate = await serveGate(world, token, slow);
          const asked = gate.ask();
          await gate.held.arrived;
          await ending(world, session.nonce);
          gate.held.release();
          assert.deepEqual(await asked, { status: 401, assertion: null }, title);
          assert.deepEqual(
            gate.decisions.map(({ verdict }) => verdict),
            ['sign_in'],
          );
        }
      });
    }

    test('between an admission and its answer no other turn is taken', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      const { token } = await world.signIn(ada);
      await using gate = await serveGate(world, token, 'nothing');
      assert.deepEqual(await gate.ask(), { status: 200, assertion: 'assertion' });
      assert.deepEqual(
        gate.decisions.map(({ verdict }) => verdict),
        ['allow'],
      );
      assert.equal(gate.turns.atAnswer, 0);
    });

    test('a token that reads ahead of the gate is judged only when the gate has caught up', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      const { token } = await world.signIn(ada);
      const ahead = { ...token, applicationRev: { epoch: 1, position: 1000 } };
      await using gate = await serveGate(world, ahead, 'nothing');
      assert.equal((await gate.ask()).status, 401, 'a position that does not exist is refused');
    });
  });
}
