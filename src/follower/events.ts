import type { Logger } from 'pino';
import { unanswered } from '../server/unanswered.ts';
import type { AttendanceOptions } from './attendance.ts';
import type { DecisionsOptions } from './decisions.ts';
import type { Memory } from './memory.ts';
import type { GateMetrics } from './metrics.ts';
import type { ReadThroughOptions } from './read-through.ts';

type Events = Pick<AttendanceOptions, 'onWelcome' | 'onEnd' | 'onFault'> &
  Pick<ReadThroughOptions, 'onOutcome'> &
  Pick<DecisionsOptions, 'onUnanswered'> & {
    readonly onApplied: (what: 'snapshot' | 'batch', memory: Pick<Memory, 'accountId' | 'applied'>) => void;
    readonly onTurn: (isLive: boolean) => void;
  };

/** Tells log and metrics what happens between this gate and its control plane. Never a secret. */
export function createEvents(logger: Logger, metrics: GateMetrics): Events {
  let said = '';

  return {
    onWelcome: (welcome, origin) => {
      said = '';
      metrics.attached.reset();
      metrics.attached.set({ node: welcome.node }, 1);
      const { name: gate, id: gateId } = welcome.gate;
      logger.info({ node: welcome.node, origin, gate, gateId }, 'attached to the control plane');
    },
    onEnd: (end, origin) => {
      metrics.attached.reset();
      metrics.attempts.inc({ end: end.kind });
      // The same words every two seconds help nobody.
      const level = end.why === said ? 'debug' : 'warn';
      said = end.why;
      logger[level]({ origin, why: end.why }, 'not attached to the control plane: trying again');
    },
    onApplied: (what, { accountId, applied }) => {
      if (!accountId || !applied) return;
      const { epoch, position } = applied;
      metrics.position.set({ account: accountId }, position);
      if (what === 'snapshot') logger.info({ epoch, position }, 'the whole memory was loaded');
    },
    onFault: (error) => logger.error({ err: error }, 'what the control plane sent cannot be used'),
    onTurn: (isLive) =>
      logger[isLive ? 'info' : 'warn'](
        isLive ? 'deciding by a lease' : 'the lease has ended: open connections are held',
      ),
    onUnanswered: unanswered(logger),
    onOutcome: (outcome, error) => {
      metrics.readThrough.inc({ outcome });
      if (error !== undefined) logger.debug({ err: error }, 'the control plane could not be asked');
    },
  };
}
