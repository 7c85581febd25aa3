import { Counter, Gauge } from 'prom-client';
import { createDecisionMetrics, type DecisionMetrics } from '../server/metrics.ts';

export interface GateMetrics extends DecisionMetrics {
  readonly readThrough: Counter<'outcome'>;
  readonly attempts: Counter<'end'>;
  readonly attached: Gauge<'node'>;
}

/** What /metrics of a gate tells beside what every gate tells: its lease, its node, its questions to the control plane. */
export function createGateMetrics({ hasLease }: { hasLease: () => boolean }): GateMetrics {
  const metrics = createDecisionMetrics();
  const registers = [metrics.register];
  new Gauge({
    name: 'portcullis_gate_lease_live',
    help: 'Whether this gate may decide by itself at this moment.',
    registers,
    collect() {
      this.set(hasLease() ? 1 : 0);
    },
  });
  return {
    ...metrics,
    readThrough: new Counter({
      name: 'portcullis_gate_read_through_total',
      help: 'Questions that were to be asked of the control plane for want of a lease, by what came of it.',
      labelNames: ['outcome'],
      registers,
    }),
    attempts: new Counter({
      name: 'portcullis_gate_streams_ended_total',
      help: 'Streams to the control plane that ended or could not be opened, by how.',
      labelNames: ['end'],
      registers,
    }),
    attached: new Gauge({
      name: 'portcullis_gate_attached',
      help: '1 for the node that this gate is attached to.',
      labelNames: ['node'],
      registers,
    }),
  };
}
