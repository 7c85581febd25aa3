import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { type Clock, SECOND } from '../kernel/clock.ts';
import { CHANNELS } from './recorder.ts';
import type { Report } from './report.ts';

export type ProbeMetrics = ReturnType<typeof createProbeMetrics>;

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const labelNames = ['gate', 'channel'] as const;

/**
 * What a continuous probe tells Prometheus. What happened before the removal returned is counted as 0 seconds.
 * Every series that an alert needs exists from the start, so that its first increase is seen.
 */
export function createProbeMetrics(gates: readonly string[], clock: Clock) {
  const register = new Registry();
  const registers = [register];
  const metrics = {
    register,
    firstRefusal: new Histogram({
      name: 'portcullis_probe_first_refusal_seconds',
      help: 'From the return of the removal to the first refusal, by gate and channel.',
      labelNames,
      buckets: SECONDS,
      registers,
    }),
    cut: new Histogram({
      name: 'portcullis_probe_cut_seconds',
      help: 'From the return of the removal to the end of the open connection, by gate and channel.',
      labelNames,
      buckets: SECONDS,
      registers,
    }),
    removal: new Histogram({
      name: 'portcullis_probe_removal_seconds',
      help: 'How long the removal call took.',
      buckets: SECONDS,
      registers,
    }),
    admittedAfter: new Counter({
      name: 'portcullis_probe_admitted_after_total',
      help: 'What was admitted after the removal had returned, by gate and channel. Any increase is a broken promise.',
      labelNames,
      registers,
    }),
    leftOpen: new Counter({
      name: 'portcullis_probe_left_open_total',
      help: 'Connections that were never cut, by gate and channel. Any increase is a broken promise.',
      labelNames,
      registers,
    }),
    runs: new Counter({
      name: 'portcullis_probe_runs_total',
      help: 'Runs by verdict: kept, broken, unknown, failed.',
      labelNames: ['verdict'],
      registers,
    }),
    lastRun: new Gauge({
      name: 'portcullis_probe_last_run_timestamp_seconds',
      help: 'When the newest run ended, in seconds since the epoch; 0 before the first.',
      registers,
    }),
  };
  for (const gate of gates) {
    for (const channel of CHANNELS) {
      metrics.admittedAfter.inc({ gate, channel }, 0);
      if (channel !== 'requests') metrics.leftOpen.inc({ gate, channel }, 0);
    }
  }
  for (const verdict of ['kept', 'broken', 'unknown', 'failed']) metrics.runs.inc({ verdict }, 0);
  return { ...metrics, note: (report: Report) => note(metrics, report, clock) };
}

type Parts = Omit<ProbeMetrics, 'note'>;

function note(metrics: Parts, report: Report, clock: Clock): void {
  metrics.runs.inc({ verdict: report.verdict.toLowerCase() });
  metrics.lastRun.set(clock.now() / SECOND);
  if (report.verdict === 'failed') return;
  metrics.removal.observe(report.removal_ms / SECOND);
  for (const { gate, channel, ...found } of report.findings) {
    const labels = { gate, channel };
    if (found.first_refusal_ms !== null)
      metrics.firstRefusal.observe(labels, Math.max(0, found.first_refusal_ms) / SECOND);
    if (found.cut_ms !== null) metrics.cut.observe(labels, Math.max(0, found.cut_ms) / SECOND);
    metrics.admittedAfter.inc(labels, found.admitted_after);
    if (found.left_open) metrics.leftOpen.inc(labels);
  }
}
