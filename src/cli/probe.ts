import { setTimeout as wait } from 'node:timers/promises';
import { SECOND, systemClock, systemStopwatch } from '../kernel/clock.ts';
import { ProbeFailed } from '../probe/failed.ts';
import type { ProbeOptions } from '../probe/options.ts';
import { cleanUp, type Prober, startProber } from '../probe/prober.ts';
import { exitCodeOf, type Report, toText } from '../probe/report.ts';
import { serveMetrics } from '../server/metrics.ts';
import type { ProbeAsked } from './probe-options.ts';

type Asked = Extract<ProbeAsked, { ok: true }>;

const COULD_NOT = 2;

/**
 * `portcullis probe`: whether a removal ends access, found out from outside. Answers the exit code: 0 it does,
 * 1 it does not, 2 that could not be found out. With --every it runs until the signal and answers 0.
 */
export async function probeCommand(asked: Asked, stop: AbortSignal): Promise<number> {
  if (asked.clean) return await clean(asked.options, stop);
  const clocks = { clock: systemClock, stopwatch: systemStopwatch };
  const prober = await startProber(asked.options, clocks);
  const last: { report?: Report } = {};
  try {
    const { every } = asked.options;
    if (every !== null) return await probeForEver(prober, { asked, every, stop, last });
    last.report = await prober.run(stop);
    tell(last.report, asked.json);
    return exitCodeOf(last.report);
  } finally {
    await prober.close();
    if (!asked.keep) await leaveNothing(asked.options, last.report);
  }
}

const TIDY_WITHIN = 10 * SECOND;

/** An identity provider that nobody watches is one that somebody else could stand in for. */
async function leaveNothing(options: ProbeOptions, last: Report | undefined): Promise<void> {
  try {
    await cleanUp(options, AbortSignal.timeout(TIDY_WITHIN));
  } catch (error) {
    // Why the run failed was told already, and is why this does.
    if (last?.verdict === 'failed' || !(error instanceof ProbeFailed)) return;
    process.stderr.write(`could not clean: ${error.message}\n`);
  }
}

async function clean(options: ProbeOptions, stop: AbortSignal): Promise<number> {
  try {
    const removed = await cleanUp(options, stop);
    const lines =
      removed.length > 0 ? removed.map((one) => `removed ${one}`) : ['nothing of the probe is there'];
    process.stdout.write(`${lines.join('\n')}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof ProbeFailed)) throw error;
    process.stderr.write(`could not clean: ${error.message}\n`);
    return COULD_NOT;
  }
}

async function probeForEver(
  prober: Prober,
  { asked, every, stop, last }: { asked: Asked; every: number; stop: AbortSignal; last: { report?: Report } },
): Promise<number> {
  const { metricsListen, gates } = asked.options;
  // Not for a single run, which has nobody to tell.
  const { createProbeMetrics } = await import('../probe/metrics.ts');
  const metrics = createProbeMetrics(
    gates.map(({ origin }) => origin),
    systemClock,
  );
  const closeMetrics = metricsListen ? await serveMetrics(metrics, metricsListen) : async () => {};
  try {
    while (!stop.aborted) {
      const begun = systemStopwatch.elapsed();
      const report = await prober.run(stop);
      if (stop.aborted) break;
      last.report = report;
      metrics.note(report);
      tell(report, asked.json);
      const left = Math.max(0, begun + every - systemStopwatch.elapsed());
      await wait(left, undefined, { signal: stop }).catch(() => {});
    }
    return 0;
  } finally {
    await closeMetrics();
  }
}

/** The report to stdout; a cause for which there is none to stderr, as every command does. */
function tell(report: Report, json: boolean): void {
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else (report.verdict === 'failed' ? process.stderr : process.stdout).write(toText(report));
}
