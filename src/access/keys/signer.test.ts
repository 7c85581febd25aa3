import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { vaultOf } from '../../../test/support/key-timer.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import type { Database, Reader } from '../../database/database.ts';
import { createVault, type Vault } from '../../kernel/crypto.ts';
import type { KeyState } from '../../protocol/state.ts';
import { keyStates, toKeySet } from './keys.ts';
import { createSigner } from './signer.ts';

/*
 * The signer alone, following a feed that the test plays: what it knows, what it reads, and when it signs nothing.
 */

onBothDatabases('the signer', (stage) => {
  test('signs each kind with its own key, and the published set verifies both', async () => {
    const { signer, accountId, states, snapshot } = await begin(stage);
    signer.load(snapshot);
    const token = await signer.signToken(accountId, { type: 'app' });
    const assertion = await signer.signAssertion(accountId, { type: 'app' });
    const set = createLocalJWKSet(toKeySet(states) as Parameters<typeof createLocalJWKSet>[0]);
    for (const jwt of [token, assertion]) await jwtVerify(jwt, set, { algorithms: ['RS256'] });
    const headers = [decodeProtectedHeader(token), decodeProtectedHeader(assertion)];
    assert.deepEqual(
      headers.map(({ kid, typ }) => [states.find((state) => state.kid === kid)?.purpose, typ]),
      [
        ['session', 'JWT'],
        ['gate', 'assertion+jwt'],
      ],
    );
  });

  test('reads each key once and nothing for a signature', async (context) => {
    const { signer, accountId, snapshot, reads } = await begin(stage, context);
    signer.load(snapshot);
    await signer.openMissing();
    assert.equal(reads(), 2);
    for (let nth = 0; nth < 20; nth++) await signer.signAssertion(accountId, { nth });
    await Promise.all(Array.from({ length: 20 }, (_, nth) => signer.signToken(accountId, { nth })));
    assert.equal(reads(), 2);
  });

  test('signs nothing for an account that it knows nothing of', async () => {
    const { signer, accountId } = await begin(stage);
    await assert.rejects(signer.signToken(accountId, {}), /has no session key/);
    await assert.rejects(signer.signAssertion('f'.repeat(32), {}), /has no gate key/);
  });

  test('signs nothing with a key that is gone or former, not even with the one beside it', async () => {
    const { signer, accountId, states, snapshot } = await begin(stage);
    signer.load(snapshot);
    await signer.openMissing();
    const session = states.find(({ purpose }) => purpose === 'session') ?? assert.fail();
    signer.apply(batch(accountId, [{ ...session, stage: 'former' }]));
    await assert.rejects(signer.signToken(accountId, {}), /has no session key/);
    const gate = states.find(({ purpose }) => purpose === 'gate') ?? assert.fail();
    signer.apply({ accountId, items: [{ kind: 'key', id: gate.kid, state: null }] });
    await assert.rejects(signer.signAssertion(accountId, {}), /has no gate key/);
  });

  test('forgets what it opened of a key that signs no more', async (context) => {
    const { signer, accountId, states, snapshot, reads } = await begin(stage, context);
    signer.load(snapshot);
    await signer.openMissing();
    const [key] = states;
    assert.ok(key);
    const before = reads();
    signer.apply(batch(accountId, [{ ...key, stage: 'former' }]));
    signer.apply(batch(accountId, [key]));
    await signer.openMissing();
    assert.equal(reads(), before + 1, 'it had to be read again');
  });

  test('does not sign with the next key, and signs with it without reading when it takes over', async (context) => {
    const { signer, accountId, states, reads } = await begin(stage, context);
    const [one, ...rest] = states.filter(({ purpose }) => purpose === 'session');
    assert.ok(one && rest.length === 0);
    signer.load({ accountId, states: [] });
    signer.apply(batch(accountId, [{ ...one, stage: 'next' }]));
    await signer.openMissing();
    await assert.rejects(signer.signToken(accountId, {}), /has no session key/);
    const before = reads();
    signer.apply(batch(accountId, [{ ...one, stage: 'current' }]));
    assert.equal(decodeProtectedHeader(await signer.signToken(accountId, {})).kid, one.kid);
    assert.equal(reads(), before);
  });

  test('signs nothing while its key cannot be opened, says so, and recovers without a restart', async () => {
    const right = vaultOf(stage.app);
    const wrong = createVault(Buffer.alloc(32, 2));
    const set = { vault: wrong };
    const { signer, accountId, snapshot, faults } = await begin(stage, undefined, {
      seal: right.seal,
      open: (place, sealed) => set.vault.open(place, sealed),
    });
    signer.load(snapshot);
    await assert.rejects(signer.signToken(accountId, {}), /not at hand/);
    await signer.openMissing();
    assert.ok(faults.length >= 2);
    set.vault = right;
    await assert.rejects(signer.signToken(accountId, {}), /not at hand/);
    await signer.openMissing();
    assert.match(await signer.signToken(accountId, {}), /^e/);
  });
});

const batch = (accountId: string, states: readonly KeyState[]) => ({
  accountId,
  items: states.map((state) => ({ kind: 'key' as const, id: state.kid, state: { ...state } })),
});

/** A signer of its own on the server's database, and what the feed would tell it of the first account. */
async function begin({ app }: Stage, context?: TestContext, vault: Vault = vaultOf(app)) {
  const { database } = app.app.control;
  const accountId = app.credentials.account_id;
  const states = await database.snapshot((snapshot) => keyStates(snapshot, accountId));
  const faults: unknown[] = [];
  const counted = counting(database, context);
  const signer = createSigner({ ...counted, vault, onFault: (error) => void faults.push(error) });
  const snapshot = { accountId, states };
  const known = states.flatMap((item) => ('state' in item ? [item.state as unknown as KeyState] : []));
  return { signer, accountId, snapshot, states: known, faults, reads: counted.reads };
}

/** The database with its reads counted: whatever else of it is touched fails. */
function counting({ dialect, reader }: Database, context: TestContext | undefined) {
  const refuse = async () => assert.fail('the signer only reads');
  const set = { reads: 0 };
  const query = {
    selectFrom: (...from: Parameters<Reader['query']['selectFrom']>) => {
      set.reads += 1;
      return reader.query.selectFrom(...from);
    },
  } as Reader['query'];
  const database: Database = {
    dialect,
    reader: { dialect, query },
    snapshot: refuse,
    write: refuse,
    close: refuse,
  };
  context?.after(() => assert.ok(set.reads > 0, 'the count counts'));
  return { database, reads: () => set.reads };
}
