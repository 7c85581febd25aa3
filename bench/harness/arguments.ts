import { parseArgs } from 'node:util';

/** What a call of `npm run bench` asks for. */
export interface BenchRequest {
  /** In the order in which they are run; never empty. */
  readonly names: readonly string[];
  /** Smaller sizes, within 50 seconds. */
  readonly quick: boolean;
  /** One JSON object as the last line instead of a table. */
  readonly json: boolean;
}

export type Reading = { readonly request: BenchRequest } | { readonly problem: string };

/**
 * Reads `NAME… [--quick] [--json]`. No name means all of them; a name twice counts once. Whatever is not known
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
  return { request: { names, quick: parsed.quick, json: parsed.json } };
}

function parse(args: readonly string[]): BenchRequest | { problem: string } {
  try {
    const { positionals, values } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
    });
    return { names: positionals, quick: values.quick, json: values.json };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

function usage(known: readonly string[]): string {
  return `usage: npm run bench -- [NAME…] [--quick] [--json]\nbenches: ${known.join(', ')}`;
}
