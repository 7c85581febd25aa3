import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { cookieOf, startNodes, type TestNodes } from '../support/nodes.ts';

const removals = {
  'deleting a user': async ({ world, sdks }: TestNodes, at: number, email: string) => {
    const { id } = await world.user({ sub: '', email, name: '' });
    await sdks[at]?.delete(`/accounts/${world.account_id}/access/users/${id}`);
  },
  'revoking all tokens of a user': async ({ world, sdks }: TestNodes, at: number, email: string) => {
    const { account_id } = world;
    await sdks[at]?.zeroTrust.organizations.revokeUsers({ account_id, email });
  },
};

for (const notifications of ['on', 'off']) {
  describe(`three nodes on one PostgreSQL, notifications ${notifications}`, () => {
    const set: { nodes?: TestNodes } = {};
    const nodes = (): TestNodes => set.nodes ?? assert.fail();
    before(async () => {
      set.nodes = await startNodes(3, [`--notifications=${notifications}`]);
    });
    after(async () => await set.nodes?.[Symbol.asyncDispose]());

    test('a session that began on one node is admitted by the others at once', async () => {
      const { world, ask } = nodes();
      const cookie = cookieOf(world, await world.signedIn(world.person()));
      assert.deepEqual(await Promise.all([0, 1, 2].map((node) => ask(node, cookie))), [200, 200, 200]);
    });

    test('a sign-in that begins on one node ends on another', async () => {
      const { world, signInAcross } = nodes();
      const cookie = await signInAcross(world.person());
      assert.equal(await nodes().ask(2, cookie), 200);
    });

    for (const [name, remove] of Object.entries(removals)) {
      test(`${name} on any node is in force on every node when it returns`, async () => {
        const { world, ask } = nodes();
        for (const at of [0, 1, 2]) {
          const person = world.person();
          const other = world.person();
          const cookie = cookieOf(world, await world.signedIn(person));
          const kept = cookieOf(world, await world.signedIn(other));
          assert.deepEqual(await Promise.all([0, 1, 2].map((node) => ask(node, cookie))), [200, 200, 200]);
          await remove(nodes(), at, person.email);
          const after = await Promise.all([0, 1, 2].map((node) => ask(node, cookie)));
          assert.ok(!after.includes(200), `removed on node ${at}: ${after}`);
          assert.deepEqual(await Promise.all([0, 1, 2].map((node) => ask(node, kept))), [200, 200, 200]);
        }
      });
    }

    test('an answer of 404 on another node waits for the removal that it speaks of (schedule 17)', async () => {
      const { world, ask, sdks } = nodes();
      const person = world.person();
      const cookie = cookieOf(world, await world.signedIn(person));
      const { id } = await world.user(person);
      const { account_id } = world;
      const answers = await Promise.allSettled(
        sdks.map(async (sdk) => {
          await sdk.delete(`/accounts/${account_id}/access/users/${id}`).catch((error) => {
            if (error.status !== 404) throw error;
          });
          // Whoever was answered first, in whatever words: it is over.
          return await Promise.all([0, 1, 2].map((node) => ask(node, cookie)));
        }),
      );
      for (const answer of answers) {
        assert.ok(answer.status === 'fulfilled', String((answer as PromiseRejectedResult).reason));
        assert.ok(!answer.value.includes(200), String(answer.value));
      }
    });

    test('a changed policy is in force everywhere when the call returns', async () => {
      const { world, ask, sdks } = nodes();
      const person = world.person();
      const cookie = cookieOf(world, await world.signedIn(person));
      const { account_id, application } = world;
      const sdk = sdks[1] ?? assert.fail();
      const policy = await sdk.zeroTrust.access.applications.policies.create(application.id, {
        account_id,
        name: 'Not them',
        decision: 'deny',
        precedence: 1,
        include: [{ email: { email: person.email } }],
      } as never);
      const denied = await Promise.all([0, 1, 2].map((node) => ask(node, cookie)));
      assert.deepEqual(denied, [403, 403, 403]);
      await sdk.zeroTrust.access.applications.policies.delete(String(policy.id), {
        account_id,
        app_id: application.id,
      });
      assert.deepEqual(await Promise.all([0, 1, 2].map((node) => ask(node, cookie))), [200, 200, 200]);
    });

    test('each shows that it is ready, and that commits wait for no standby', async () => {
      for (const { origin } of nodes().apps) {
        const answer = await fetch(`${origin}/readyz`);
        assert.deepEqual(await answer.json(), { status: 'ready', synchronous_replication: false });
      }
    });
  });
}
