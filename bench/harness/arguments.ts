import { parseArgs } from 'node:util';

/** What a call of `npm run bench` asks for. */
export interface BenchRequest {
  /** In the order in which they are run; never empty. */
  readonly names: readonly string[];
  /** Smaller sizes, within 50 seconds. */
  readonly quick: boolean;
  /** One JSON object as the last line instead of a table. */
  readonly json: boolean;
  /** What chance follows from in benches that have some, so that a call can be repeated. */
  readonly seed?: number;
}

export type Reading = { readonly request: BenchRequest } | { readonly problem: string };

/**
 * Reads `NAME… [--quick] [--json] [--seed N]`. No name means all of them; a name twice counts once. Whatever is not known
 * is a problem whose text names all that there is.
 */
export function readArguments(args: readonly string[], known: readonly string[]): Reading {
  const parsed = parse(args);
  if ('problem' in parsed) return { problem: `${parsed.problem}\n${usage(known)}` };
  const unknown = parsed.names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    return { problem: `there is no bench named ${unknown.join(', ')}\n${usage(known)}` };
  }
  const names = parsed.names.length === 0 ? known : [...new Set(parsed.names)];
  return { request: { ...parsed, names } };
}

function parse(args: readonly string[]): BenchRequest | { problem: string } {
  try {
    const { positionals, values } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        seed: { type: 'string' },
      },
    });
    const { quick, json, seed } = values;
    if (seed === undefined) return { names: positionals, quick, json };
    if (!/^\d{1,9}$/.test(seed)) return { problem: '--seed must be a whole number' };
    return { names: positionals, quick, json, seed: Number(seed) };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

function usage(known: readonly string[]): string {
  return `usage: npm run bench -- [NAME…] [--quick] [--json] [--seed N]\nbenches: ${known.join(', ')}`;
}
