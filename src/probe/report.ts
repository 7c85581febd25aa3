import { type Clock, timestamp } from '../kernel/clock.ts';
import type { Finding } from './recorder.ts';
import type { Outcome } from './run.ts';

/** What is told of a run: what it found, or why it could not find out. */
export type Report = { readonly at: string } & (
  | Outcome
  | { readonly verdict: 'failed'; readonly cause: string }
);

export function reportOf(clock: Clock, told: Outcome | { cause: string }): Report {
  const at = timestamp(clock.now());
  return 'cause' in told ? { at, verdict: 'failed', ...told } : { at, ...told };
}

/** The exit code of a run: 0 the promise was kept, 1 it was broken, 2 that is not known. */
export function exitCodeOf({ verdict }: Report): number {
  return { kept: 0, BROKEN: 1, unknown: 2, failed: 2 }[verdict];
}

/** A report for people: a table, what is wrong in words, and the verdict as the last line. */
export function toText(report: Report): string {
  if (report.verdict === 'failed') return `could not probe: ${report.cause}\n`;
  const { verdict, removal, removal_ms: took, findings, left_behind: left } = report;
  const lines = [
    `${report.at}  ${removal} returned after ${milliseconds(took)}; times are from its return`,
    ...table(findings),
    ...findings.flatMap(wordsOf),
    ...(left === null ? [] : [`the test person is still in the account, for --clean to remove: ${left}`]),
    verdict === 'unknown' ? 'unknown: nothing was admitted, but not every channel was refused' : verdict,
  ];
  return `${lines.join('\n')}\n`;
}

const HEAD = ['gate', 'channel', 'first refusal', 'cut', 'admitted after'];

function table(findings: readonly Finding[]): string[] {
  const rows = findings.map((one) => [
    one.gate,
    one.channel,
    one.first_refusal_ms === null ? 'none' : milliseconds(one.first_refusal_ms),
    cutOf(one),
    String(one.admitted_after),
  ]);
  const all = [HEAD, ...rows];
  const widths = HEAD.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function cutOf({ channel, left_open: isOpen, cut_ms: cut }: Finding): string {
  if (channel === 'requests') return '-';
  return isOpen ? 'open' : cut === null ? 'none' : milliseconds(cut);
}

function milliseconds(value: number): string {
  return `${value.toFixed(1)} ms`;
}

/** What is wrong with one channel of one gate, a line each. */
function wordsOf(finding: Finding): string[] {
  const { gate, channel, begun_after: begun, reached_after: reached, carried_after: carried, late } = finding;
  const what = channel === 'requests' ? 'requests' : 'connections';
  const said = [
    [begun, `${what} that began after the return were admitted`],
    [reached, `${what} that began after the return reached the application`],
    [carried, 'messages that were sent after the return arrived'],
    [late, 'messages arrived later than the network explains'],
    [finding.left_open ? 1 : 0, 'connection was never cut'],
    [
      finding.refused_after ? 0 : 1,
      `channel without a refusal after the return (${finding.fault ?? 'no answer'})`,
    ],
  ] as const;
  return said.filter(([count]) => count > 0).map(([count, words]) => `${gate} ${channel}: ${count} ${words}`);
}
