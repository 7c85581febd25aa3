import { setImmediate } from 'node:timers/promises';
import type { Static } from 'typebox';
import type { Reader, Tx } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import type { PolicyTestRow, PolicyTestUserRow } from '../../database/tables.ts';
import { DAY, MINUTE, timestamp } from '../../kernel/clock.ts';
import { refusal } from '../../kernel/errors.ts';
import { newUuid } from '../../kernel/ids.ts';
import type { Policy } from '../../policy/rules.ts';
import type { Change, Control } from '../../removal/act.ts';
import type { PolicyTest, PolicyTestUser } from './contract.ts';
import { checkPerson } from './persons.ts';
import { type RuleWorld, readRuleWorld } from './rule-world.ts';
import {
  countResults,
  countTests,
  findTest,
  insertResults,
  insertTest,
  isTesting,
  listResults,
  listSeenUsers,
  updateTest,
} from './store.ts';

/** Tests of an account are kept for a day, this many of them. */
const MOST_TESTS = 20;
const KEPT_FOR = DAY;
/** A test that takes longer is given up, and says so. */
const TIME_LIMIT = 5 * MINUTE;
const AT_ONCE = 200;
/** Of how many policies it is kept why they did not decide. */
const FEW = 5;

/** A new test of these policies, which begins with `runPolicyTest`. */
export async function createPolicyTest(
  tx: Tx,
  { accountId, policies, now }: { accountId: string; policies: readonly Policy[]; now: number },
): Promise<Change<{ id: string; status: 'success' }>> {
  const row: PolicyTestRow = {
    id: newUuid(),
    account_id: accountId,
    status: 'processing',
    policies: JSON.stringify(policies),
    ...{ total: 0, approved: 0, blocked: 0, errored: 0 },
    created_at: timestamp(now),
    expires_at: timestamp(now + KEPT_FOR),
  };
  if (await isTesting(tx, accountId, timestamp(now - TIME_LIMIT - MINUTE))) throw busy();
  await insertTest(tx, row);
  if ((await countTests(tx, accountId)) > MOST_TESTS) throw tooMany();
  return {
    result: { id: row.id, status: 'success' },
    audit: {
      action: 'policy_test.create',
      resource: { type: 'policy_test', id: row.id },
      metadata: { policies: policies.length },
    },
  };
}

/**
 * Judges every user of the account, some at a time, and keeps what came out. Never rejects: whatever goes wrong is
 * told to `onFault`, and the test ends as one that took too long.
 */
export async function runPolicyTest(
  control: Pick<Control, 'database' | 'clock'>,
  { accountId, id, onFault }: { accountId: string; id: string; onFault: (error: unknown) => void },
): Promise<void> {
  const { database, clock } = control;
  try {
    const row = await findTest(database.reader, accountId, id);
    if (!row) return;
    const policies = JSON.parse(row.policies) as Policy[];
    const world = await database.snapshot((snapshot) => readRuleWorld(snapshot, accountId));
    const isWhole = await judgeAll(control, { row, policies, world, until: clock.now() + TIME_LIMIT });
    const status = isWhole ? 'complete' : 'exceeded time';
    await database.write((tx) => updateTest(tx, row, { status }));
  } catch (error) {
    onFault(error);
    const gone = { id, account_id: accountId };
    await database.write((tx) => updateTest(tx, gone, { status: 'exceeded time' })).catch(onFault);
  }
}

/** False if the time was over first. */
async function judgeAll(
  { database, clock }: Pick<Control, 'database' | 'clock'>,
  {
    row,
    policies,
    world,
    until,
  }: { row: PolicyTestRow; policies: readonly Policy[]; world: RuleWorld; until: number },
): Promise<boolean> {
  const counts = { total: 0, approved: 0, blocked: 0, errored: 0 };
  let after: string | null = null;
  while (clock.now() < until) {
    const users = await listSeenUsers(database.reader, row.account_id, { after, limit: AT_ONCE });
    if (users.length === 0) return true;
    const results: PolicyTestUserRow[] = [];
    for (const [index, user] of users.entries()) {
      // One at a time: the process has requests to answer.
      await setImmediate();
      const { status, evaluation, policies: explained } = checkPerson(policies, user, world, FEW);
      counts[status === 'error' ? 'errored' : status] += 1;
      const { verdict, reason, policy } = evaluation;
      const explanation = JSON.stringify({ verdict, reason, policy, policies: explained });
      const { id: user_id, email, name } = user;
      const ordinal = counts.total + index;
      results.push({ test_id: row.id, ordinal, user_id, email, name, status, explanation });
    }
    counts.total += users.length;
    after = users.at(-1)?.email_key ?? after;
    await database.write(async (tx) => {
      await insertResults(tx, results);
      await updateTest(tx, row, { ...counts });
    });
  }
  return false;
}

/** How far a test is, and what came out so far. */
export async function getPolicyTest(
  reader: Reader,
  { accountId, id, users, now }: { accountId: string; id: string; users: number; now: number },
): Promise<Static<typeof PolicyTest>> {
  const row = await theTest(reader, accountId, id);
  const { total, approved, blocked, errored } = row;
  // The process that ran it may be gone.
  const isLost = row.status === 'processing' && now > Date.parse(row.created_at) + TIME_LIMIT + MINUTE;
  const status = isLost ? 'exceeded time' : row.status;
  const percent = (part: number, of: number) => (of === 0 ? 0 : Math.round((100 * part) / of));
  return {
    id,
    status,
    percent_approved: percent(approved, total),
    percent_blocked: percent(blocked, total),
    percent_errored: percent(errored, total),
    percent_users_processed: status === 'complete' ? 100 : percent(total, Math.max(users, total)),
    total_users: status === 'complete' ? total : Math.max(users, total),
    users_approved: approved,
    users_blocked: blocked,
    users_errored: errored,
  };
}

const STATUSES = { success: 'approved', fail: 'blocked', error: 'error' } as const;

/** The users of a test that were judged so far, as a list to be paged. */
export async function policyTestUsers(
  reader: Reader,
  { accountId, id, status }: { accountId: string; id: string; status?: keyof typeof STATUSES },
): Promise<KeyedList<PolicyTestUserRow>> {
  await theTest(reader, accountId, id);
  const of = { testId: id, status: status === undefined ? null : STATUSES[status] };
  return {
    fetch: (start) => listResults(reader, of, start),
    keyOf: (row) => [row.ordinal],
    total: () => countResults(reader, of),
  };
}

export function presentResult(row: PolicyTestUserRow): Static<typeof PolicyTestUser> {
  const explanation = JSON.parse(row.explanation) as Static<typeof PolicyTestUser>['explanation'];
  return { id: row.user_id, email: row.email, name: row.name, status: row.status, explanation };
}

async function theTest(reader: Reader, accountId: string, id: string): Promise<PolicyTestRow> {
  const row = await findTest(reader, accountId, id);
  if (!row) throw refusal('notFoundAccess', { detail: 'policy test not found' });
  return row;
}

function busy() {
  return refusal('invalidAccess', { detail: 'another policy test of the account is still running' });
}

function tooMany() {
  return refusal('invalidAccess', { detail: `an account has at most ${MOST_TESTS} policy tests a day` });
}
