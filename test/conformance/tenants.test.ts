import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { ApiAnswer } from '../support/app.ts';
import { BODIES } from '../support/conformance/bodies.ts';
import { type Operation, readOperations } from '../support/conformance/document.ts';
import { idsIn, rowsOf } from '../support/conformance/foreign.ts';
import {
  bodyOf,
  foreignBodies,
  foreignObjects,
  foreignPlaces,
  questions,
  type Request,
  SHARED,
  targetOf,
} from '../support/conformance/requests.ts';
import { type Inhabited, inhabit } from '../support/conformance/tenants.ts';
import { readRows } from '../support/rows.ts';
import { onBothDatabases, type Stage } from '../support/stage.ts';

/*
 * Two accounts, each blind to the other on every route. The cases are made from the server's own description: a route
 * whose path or body has no rule fails the first test, so that a new one is covered by the rules or by whoever adds it.
 */

type Make = (operation: Operation, own: Inhabited, other: Inhabited) => Request[];

/** How an account is asked for what is not its own, and how many such requests there are at least. */
const MATRIX: Readonly<Record<string, { make: Make; atLeast: number }>> = {
  'what is asked of the other account or its zone is forbidden, whosever the objects are': {
    make: foreignPlaces,
    atLeast: 200,
  },
  'the other account’s objects are not found in the own account, in any place of the path': {
    make: foreignObjects,
    atLeast: 80,
  },
  'the other account’s objects cannot be named in a body': { make: foreignBodies, atLeast: 30 },
  'what is read shows nothing of the other account, whatever is asked for': { make: questions, atLeast: 150 },
};

/** Who asks: by both kinds of credential, except for what is of a person. */
const CREDENTIALS = ['key', 'token'] as const;
const OF_PERSON = /^\/(?:user|memberships)(?:[/?]|$)/;

onBothDatabases('an account and another one', (stage) => {
  const set: { all: Operation[]; known: Operation[]; accounts: Inhabited[] } = {
    ...{ all: [], known: [], accounts: [] },
  };
  before(async () => {
    set.all = await readOperations(stage.app);
    set.accounts = await inhabit(stage.app, ['quokka', 'axolotl']);
    set.known = set.all.filter((operation) => missingRules(operation, set.accounts).length === 0);
  });
  const inTurn = () => [set.accounts, set.accounts.toReversed()] as [Inhabited, Inhabited][];

  test('every route has its rules', () => {
    assert.ok(set.all.length > 100);
    const missing = set.all.flatMap((operation) => missingRules(operation, set.accounts));
    const advice = 'say in test/support/conformance/ what object that is, or what body these take';
    assert.deepEqual([...new Set(missing)], [], advice);
  });

  for (const [name, { make, atLeast }] of Object.entries(MATRIX)) {
    test(name, async () => {
      for (const [own, other] of inTurn()) {
        const requests = set.known.flatMap((operation) => make(operation, own, other));
        assert.ok(requests.length >= atLeast, `${requests.length} requests`);
        await assertBlind(stage, { own, other, requests });
      }
    });
  }

  // Last: it uses the objects up. Without it a mistake in a body would pass for a refusal.
  test('the same requests about own objects are answered', async () => {
    const [[own]] = inTurn() as [[Inhabited, Inhabited]];
    const gone = new Set<string>();
    for (const operation of inOrder(set.known)) {
      // What is deleted under its account is gone under its zone as well.
      if (ENDS_ALL.has(operation.name) || gone.has(operation.name)) continue;
      if (operation.method === 'DELETE') gone.add(operation.name);
      const request = { operation, target: targetOf(operation, own), ...bodyOf(operation, own) };
      const { status, body } = await send(stage, own, request, 'key');
      const said = `${operation.method} ${operation.path}: ${status} ${JSON.stringify(body.errors)}`;
      // What exists already was understood.
      assert.ok(status < 300 || status === 409 || TAKEN.has(operation.name), said);
      assert.equal(operation.refuses(status, body), null, said);
    }
  });
});

/** What the rules do not know of an operation: kinds of objects, and its body. */
function missingRules({ name, params, body }: Operation, accounts: readonly Inhabited[]): string[] {
  const known = (shape: string) => shape in SHARED || accounts.every(({ objects }) => shape in objects);
  const unknown = params.map(({ shape }) => shape).filter((shape) => !known(shape));
  return [...unknown, ...(body && !(name in BODIES) ? [name] : [])];
}

/** Refused for a reason of their own, whoever asks. */
const TAKEN: ReadonlySet<string> = new Set([
  // A key is no token.
  'account-api-tokens-verify-token',
  'user-api-tokens-verify-token',
]);

/** Would end what the test stands on. */
const ENDS_ALL: ReadonlySet<string> = new Set([
  'accounts-account-deletion',
  'account-deletion',
  'zones-0-delete',
  'user-account-memberships-delete-membership',
]);

/** Reading before changing before deleting; what lies in something else, and what names others, before that. */
function inOrder(operations: readonly Operation[]): Operation[] {
  const rank = ({ method, name }: Operation) => {
    if (method === 'GET') return 0;
    if (method !== 'DELETE') return 1;
    return /app/.test(name)
      ? 2
      : /policies/.test(name)
        ? 3
        : /groups/.test(name)
          ? 4
          : /delete-user/.test(name)
            ? 6
            : 5;
  };
  const depth = ({ path }: Operation) => path.split('/').length;
  return [...operations].sort((a, b) => rank(a) - rank(b) || depth(b) - depth(a));
}

async function send(
  { app }: Stage,
  own: Inhabited,
  { operation, target, body }: Pick<Request, 'operation' | 'target' | 'body'>,
  by: (typeof CREDENTIALS)[number],
): Promise<ApiAnswer> {
  return await app.api(operation.method, target, { body, token: null, headers: { ...own[by] } });
}

/** Sends all of them, and asserts for each what was answered, and that the other account is what it was. */
async function assertBlind(
  stage: Stage,
  { own, other, requests }: { own: Inhabited; other: Inhabited; requests: readonly Request[] },
): Promise<void> {
  const rows = await readRows(stage.database);
  const theirs = rowsOf(rows, other);
  const secrets = [other.mark, ...idsIn(theirs, rowsOf(rows, own))];
  assert.ok(secrets.length > 40, 'the other account is inhabited');
  for (const by of CREDENTIALS) {
    for (const request of requests) {
      if (by === 'token' && (request.isOfKey || OF_PERSON.test(request.target))) continue;
      const { status, body } = await send(stage, own, request, by);
      const text = JSON.stringify(body);
      const said = `${request.operation.method} ${request.target} by ${by} ${request.about}: ${status} ${text}`;
      assert.ok(request.expects.includes(status), said.slice(0, 1000));
      const sent = JSON.stringify([request.target, request.body]);
      const told = secrets.filter((secret) => text.includes(secret) && !sent.includes(secret));
      assert.deepEqual(told, [], said.slice(0, 1000));
    }
  }
  assert.deepEqual(rowsOf(await readRows(stage.database), other), theirs, 'the other account has changed');
}
