import { median, ratios, spreadOf } from './rounds.ts';

/** What has to be reached, by the value itself or by its ratio to the peer's. */
export interface Goal {
  readonly of: 'value' | 'ratio';
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** What a bench measured: one value per round, and the peer's of the same rounds. */
export interface Measurement {
  readonly name: string;
  readonly unit: string;
  readonly values: readonly number[];
  /** `values` is null if the peer is not on this machine. */
  readonly versus?: { readonly name: string; readonly values: readonly number[] | null };
  readonly goal?: Goal;
}

/** A line of the report. With a peer, `ratio` is the median of the rounds' ratios, and `spread` is theirs. */
export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly versus: { readonly name: string; readonly value: number | null } | null;
  readonly ratio: number | null;
  readonly spread: readonly [least: number, most: number];
  readonly goal: string | null;
  /** null: the row has no goal. */
  readonly holds: boolean | null;
}

export function toRow({ name, unit, values, versus, goal }: Measurement): Row {
  const compared = versus?.values ? ratios(values, versus.values) : null;
  const value = median(values);
  const ratio = compared && median(compared);
  const [least, most] = spreadOf(compared ?? values);
  return {
    name,
    value: rounded(value),
    unit,
    versus: versus ? { name: versus.name, value: versus.values && rounded(median(versus.values)) } : null,
    ratio: ratio === null ? null : rounded(ratio),
    spread: [rounded(least), rounded(most)],
    goal: goal ? goalText(goal, unit) : null,
    holds: goal ? reaches(goal, goal.of === 'value' ? value : ratio) : null,
  };
}

/** Four digits: more would promise what no machine keeps. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

/** Without a peer to compare with, a goal of the ratio is not reached. */
function reaches({ atLeast = -Infinity, atMost = Infinity }: Goal, reached: number | null): boolean {
  return reached !== null && reached >= atLeast && reached <= atMost;
}

function goalText({ of, atLeast, atMost }: Goal, unit: string): string {
  const bound = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`;
  return of === 'ratio' ? `${bound} ×` : `${bound} ${unit}`;
}

/** The rows for people: one line each, columns aligned. */
export function toTable(rows: readonly Row[]): string {
  const lines = [HEADINGS, ...rows.map(toCells)];
  const widths = HEADINGS.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const HEADINGS: readonly string[] = ['what', 'value', 'beside', 'ratio', 'spread', 'goal', ''];

function toCells({ name, value, unit, versus, ratio, spread, goal, holds }: Row): string[] {
  const beside = versus ? `${versus.name}: ${versus.value ?? 'absent'}` : '';
  const verdict = holds === null ? '' : holds ? 'holds' : 'MISSED';
  const range = `${spread[0]} – ${spread[1]}`;
  return [name, `${value} ${unit}`, beside, ratio === null ? '' : `${ratio} ×`, range, goal ?? '', verdict];
}
