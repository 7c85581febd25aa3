import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createUser } from '../../src/access/users/users.ts';
import { authenticate } from '../../src/accounts/authority/authority.ts';
import { deleteMember } from '../../src/accounts/members/member-removal.ts';
import { createToken, deleteToken } from '../../src/accounts/tokens/token-changes.ts';
import type { Act, Principal, Wanted } from '../../src/database/act.ts';
import type { Tx } from '../../src/database/database.ts';
import { failureOf } from '../../src/database/failures.ts';
import { deleteGroupMember } from '../../src/iam/user-groups/group-members.ts';
import { deleteGroup } from '../../src/iam/user-groups/user-groups.ts';
import { operator } from '../../src/kernel/actor.ts';
import { timestamp } from '../../src/kernel/clock.ts';
import { ApiError, refusal } from '../../src/kernel/errors.ts';
import { newTag } from '../../src/kernel/ids.ts';
import { type Change, type Control, commitAct } from '../../src/removal/act.ts';
import { databases, type TestDatabase } from '../support/postgres.ts';
import { type Administrator, allOf, headersOf, insertAdministrator } from './administrators.ts';
import { interleave, openStage, type Player } from './stepper.ts';
import { NO_RIGHTS_ASKED } from './steps.ts';
import { createWorld, type World } from './world.ts';

/** Acts of the administrator, each by their key or by their own token. */
const deeds = {
  'creates an account token': {
    wanted: (accountId: string): Wanted => ({ names: ['Account API Tokens Write'], account: accountId }),
    change: (tx: Tx, { principal, accountId, now }: Deed) =>
      createToken(tx, {
        owner: { kind: 'account', id: accountId },
        principal,
        now,
        input: tokenInput(accountId),
      }),
  },
  'creates a token of their own': {
    wanted: (_accountId: string, id: string): Wanted => ({ names: ['API Tokens Write'], user: id }),
    change: (tx: Tx, { principal, accountId, now }: Deed) =>
      createToken(tx, {
        owner: { kind: 'user', id: principal.administratorId ?? '' },
        principal,
        now,
        input: tokenInput(accountId),
      }),
  },
  'creates a user': {
    wanted: (accountId: string): Wanted => ({ names: ['Access: Users Write'], account: accountId }),
    change: (tx: Tx, { accountId, now }: Deed) =>
      createUser(tx, { accountId, email: `${newTag()}@example.com`, now }),
  },
};

interface Deed {
  readonly principal: Principal;
  readonly accountId: string;
  readonly now: string;
}

type Ending = (tx: Tx, accountId: string, of: Administrator) => Promise<Change<unknown>>;

const member: Ending = (tx, accountId, { memberId: id }) => deleteMember(tx, { accountId, id });
const ownToken: Ending = (tx, _accountId, { id, tokenId }) =>
  deleteToken(tx, { owner: { kind: 'user', id }, id: tokenId });
const fromGroup: Ending = (tx, accountId, { groupId, memberId }) =>
  deleteGroupMember(tx, { accountId, groupId, memberId });
const group: Ending = (tx, accountId, { groupId: id }) => deleteGroup(tx, { accountId, id });

interface Line {
  readonly schedule: string;
  readonly ending: Ending;
  readonly told: string;
  readonly deed: keyof typeof deeds;
  readonly by: 'key' | 'token';
  /** Whether every right comes through the user group. */
  readonly throughGroup?: boolean;
}

const lines: readonly Line[] = [
  { schedule: '11', ending: member, told: 'removed', deed: 'creates an account token', by: 'key' },
  { schedule: '11', ending: member, told: 'removed', deed: 'creates a user', by: 'token' },
  { schedule: '11 and 18', ending: member, told: 'removed', deed: 'creates a token of their own', by: 'key' },
  {
    schedule: '11 and 18',
    ending: member,
    told: 'removed',
    deed: 'creates a token of their own',
    by: 'token',
  },
  {
    schedule: '11',
    ending: fromGroup,
    told: 'taken out of the group that their right comes from',
    deed: 'creates an account token',
    by: 'key',
    throughGroup: true,
  },
  {
    schedule: '11',
    ending: group,
    told: 'robbed of the group that their right comes from',
    deed: 'creates a user',
    by: 'key',
    throughGroup: true,
  },
  {
    schedule: '11',
    ending: ownToken,
    told: 'robbed of the token they use',
    deed: 'creates a user',
    by: 'token',
  },
];

for (const { create } of databases.filter(({ name }) => name === 'postgres')) {
  describe('an act against the end of the right to it, statement by statement (postgres)', () => {
    for (const line of lines) {
      test(`schedule ${line.schedule}: whoever is being ${line.told} and ${line.deed} by ${line.by} does so before or not at all`, async () => {
        const ends = await playLine(create, line, { asksAgain: true });
        assert.ok(ends.committed > 0 && ends.refused > 0, `both ends were seen: ${JSON.stringify(ends)}`);
      });
    }

    test('schedule 11: were the right not asked for again after the counter, this would be seen', async () => {
      const line: Line = { ...present(lines[0]), deed: 'creates a user', by: 'key' };
      await assert.rejects(playLine(create, line, { asksAgain: false }), /the right ended at/);
    });

    test('schedule 11: two administrators who remove each other leave one of them', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      await using stage = await openStage(database.url ?? '');
      const players = [stage.player('one'), stage.player('other')] as const;
      for (let lead = 0, total = 1; lead <= total; lead += 1) {
        const pair = [
          await insertAdministrator(world, false),
          await insertAdministrator(world, false),
        ] as const;
        const acts = players.map((player, index) => {
          const end = (tx: Tx) =>
            deleteMember(tx, { accountId: world.accountId, id: present(pair[index]).memberId });
          const act = { accountId: world.accountId, actor: operator, authorize: NO_RIGHTS_ASKED };
          return player.play(() => commitAct(over(world.control, player), act, end));
        });
        await interleave(players, { lead, reply: 1000 });
        total = players[0].statements;
        const outcomes = await Promise.all(acts);
        const refused = outcomes.filter((outcome) => 'error' in outcome);
        assert.equal(refused.length, 1, 'one of the two is the last and stays');
        assert.match(String(refused[0]?.error), /last Super Administrator/);
        await world.database.write((tx) => tx.query.deleteFrom('members').execute());
      }
    });
  });
}

async function playLine(
  create: () => Promise<TestDatabase>,
  line: Line,
  { asksAgain }: { asksAgain: boolean },
): Promise<{ committed: number; refused: number }> {
  await using database = await create();
  await using world = await createWorld(database);
  await using stage = await openStage(database.url ?? '');
  const players = [stage.player('deed'), stage.player('ending')] as const;
  await insertAdministrator(world, false);
  const ends = { committed: 0, refused: 0 };
  for (const endingLeads of [false, true]) {
    for (let lead = 0, total = 1; lead <= total; lead += 1) {
      const of = await insertAdministrator(world, line.throughGroup ?? false);
      const outcome = await compete(world, players, { line, of, endingLeads, lead, asksAgain });
      total = outcome.leadOf;
      ends[outcome.deed] += 1;
      await assertEnded(world, { line, of });
    }
  }
  return ends;
}

function present<T>(value: T | undefined): T {
  assert.ok(value !== undefined);
  return value;
}

async function compete(
  world: World,
  [acting, ending]: readonly [Player, Player],
  {
    line,
    of,
    endingLeads,
    lead,
    asksAgain,
  }: {
    line: Line;
    of: Administrator;
    endingLeads: boolean;
    lead: number;
    asksAgain: boolean;
  },
) {
  const { accountId, control } = world;
  const principal = await authenticate(control, {
    rawHeaders: headersOf(of, line.by),
    ip: '127.0.0.1',
    id: 'test',
  });
  const { wanted, change } = deeds[line.deed];
  const right = wanted(accountId, of.id);
  // What the door does before the transaction: the right is asked for, and is there.
  assert.equal(await principal.permits(world.database.reader, right), true);
  const deed = { principal, accountId, now: timestamp(world.clock.now()) };
  const acted = acting.play(() =>
    commitAct<unknown>(
      over(control, acting),
      { ...actOf(accountId, principal, right), ...(asksAgain ? {} : { authorize: NO_RIGHTS_ASKED }) },
      (tx) => change(tx, deed),
    ),
  );
  const ended = ending.play(() =>
    commitAct<unknown>(
      over(control, ending),
      { accountId, actor: operator, authorize: NO_RIGHTS_ASKED },
      (tx) => line.ending(tx, accountId, of),
    ),
  );
  await interleave(endingLeads ? [ending, acting] : [acting, ending], { lead, reply: 1000 });
  assert.ok('value' in (await ended), 'the removal returned');
  const outcome = await acted;
  if ('error' in outcome) assert.ok(isRefusal(outcome.error), `a refusal, not ${outcome.error}`);
  return {
    deed: 'value' in outcome ? ('committed' as const) : ('refused' as const),
    leadOf: (endingLeads ? ending : acting).statements,
  };
}

/** Refused; or what it was about went away under it, which is answered with 503 and refused when repeated. */
function isRefusal(error: unknown): boolean {
  return error instanceof ApiError || failureOf(error) === 'foreign_key';
}

/** Nothing that the administrator did stands after the end of the right, and nothing of theirs works. */
async function assertEnded(world: World, { line, of }: { line: Line; of: Administrator }): Promise<void> {
  const { reader } = world.database;
  const entries = await reader.query
    .selectFrom('audit_entries')
    .select(['position', 'action', 'actor_id', 'metadata', 'resource_id'])
    .where('account_id', '=', world.accountId)
    .orderBy('position', 'desc')
    .limit(2)
    .execute();
  const removedAt = Math.max(
    ...entries.filter((entry) => entry.actor_id === null).map(({ position }) => position),
  );
  for (const entry of entries.filter(({ actor_id }) => actor_id === of.id)) {
    assert.ok(
      entry.position < removedAt,
      `${entry.action} at ${entry.position}, the right ended at ${removedAt}`,
    );
  }
  if (line.ending !== member) return;
  const tokens = await reader.query
    .selectFrom('api_tokens')
    .select('id')
    .where('administrator_id', '=', of.id)
    .execute();
  assert.deepEqual(tokens, [], 'no token of the person is left');
  for (const by of ['key', 'token'] as const) {
    const presented = { rawHeaders: headersOf(of, by), ip: '127.0.0.1', id: 'test' };
    await assert.rejects(authenticate(world.control, presented), { status: 401 });
  }
}

function over(control: Control, { database }: Player): Control {
  return { ...control, database };
}

/** The right as the door hands it to an act. */
function actOf(accountId: string, principal: Principal, wanted: Wanted): Act {
  return {
    accountId,
    actor: principal.actor,
    authorize: async (tx) => {
      if (!(await principal.permits(tx, wanted))) throw refusal('forbidden');
    },
  };
}

function tokenInput(accountId: string) {
  return { name: 'made in a race', policies: [allOf(accountId, 'Access: Users Read')] };
}
