import type { Logger } from 'pino';
import { admittedUntil } from '../gate/admission.ts';
import { createExchanges, type Exchanges } from '../gate/exchanges.ts';
import type { GateState } from '../gate/state.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Lease } from '../protocol/lease.ts';
import type { Follower } from '../removal/feed.ts';
import { type DecisionMetrics, showOpenExchanges } from './metrics.ts';

/** The registry of what is open, told to the log and the metrics. */
export function openExchanges({
  state,
  clock,
  lease,
  logger,
  metrics,
}: {
  state: GateState;
  clock: Clock;
  lease: Lease;
  logger: Logger;
  metrics: DecisionMetrics;
}): Exchanges {
  const exchanges = createExchanges({
    admittedUntil: (question, admitted) => admittedUntil({ state, clock }, question, admitted),
    clock,
    lease,
    onCut: ({ admitted: { destination } }, reason) => {
      metrics.cuts.inc({ reason });
      const { application, account } = destination;
      logger.info({ reason, accountId: account.accountId, applicationId: application.id }, 'exchange cut');
    },
    onFault: (error) => logger.error({ err: error }, 'an exchange could not be ended as it should'),
  });
  showOpenExchanges(metrics, () => exchanges.size);
  return exchanges;
}

/** What is open is ended in the turn in which the memory changed, before the change counts as applied. */
export function following(exchanges: Exchanges): Follower {
  return {
    load: ({ accountId }) => exchanges.reload(accountId),
    apply: (batch) => exchanges.apply(batch),
  };
}
