import type { Logger } from 'pino';
import type { Rev } from '../protocol/rev.ts';
import type { Control } from '../removal/act.ts';
import { proofOfLostCommit } from '../removal/epochs.ts';

/**
 * For whoever finds a genuine reading beyond everything that is committed, in a token or in what was applied: begins
 * an epoch as after a restore, once, however often it is told (design §4.9). Returns at once; a fault is logged, and
 * the next to find one tries again.
 */
export function createLostCommits(
  { database, feed, clock }: Pick<Control, 'database' | 'feed' | 'clock'>,
  logger: Logger,
): (accountId: string, rev: Rev) => void {
  let isRunning = false;

  const answer = async (accountId: string, rev: Rev) => {
    const begun = await proofOfLostCommit({ database, clock }, { accountId, rev });
    if (!begun) return;
    await feed.poll();
    logger.fatal(
      { account: accountId, ...rev, accounts: begun.length },
      'the database lost a commit: all sessions have ended, and nobody signs in until `portcullis restored --approve`',
    );
  };

  return (accountId, rev) => {
    if (isRunning) return;
    isRunning = true;
    answer(accountId, rev)
      .catch((error: unknown) => logger.error({ err: error }, 'a lost commit could not be answered'))
      .finally(() => {
        isRunning = false;
      });
  };
}
