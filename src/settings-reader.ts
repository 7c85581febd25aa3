import { readFileSync } from 'node:fs';
import type { Setting } from './settings.ts';

/** The settings that were given, by name, each with where it came from. */
export type Given = Map<string, { value: string; from: string }>;

/** What came of reading the settings of a command. */
export type Reading<T> =
  | { readonly ok: true; readonly config: T }
  | { readonly ok: false; readonly problems: readonly string[] };

/** What a command is told from outside. */
export interface Outside {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** One setting as a value: read from what was given, or from `usual`; null from `read` is the problem `hint`. */
export type Ask<N extends string> = <T>(
  name: N,
  usual: string,
  read: (text: string) => T | null,
  hint: string,
) => T;

/** What a command's settings are interpreted with. */
export interface Interpreting<N extends string> {
  readonly given: Given;
  readonly ask: Ask<N>;
  readonly problems: string[];
}

type Known = ReadonlyMap<string, Setting>;

/**
 * Reads flags, environment and the --config file, in that order of precedence, and reports every problem at
 * once, unknown settings included. What `interpret` answers counts only if it found no problem either.
 */
export function readSettings<N extends string, T extends object>(
  settings: readonly (Setting & { readonly name: N })[],
  { argv, env }: Outside,
  interpret: (reading: Interpreting<N>) => T,
): Reading<T> {
  const problems: string[] = [];
  const known: Known = new Map(settings.map((setting) => [setting.name, setting]));
  const flags = readFlags(known, argv, problems);
  const variables = readEnvironment(known, env, problems);
  const file = readFile(known, flags.get('config') ?? variables.get('config'), problems);
  const given: Given = new Map([...file, ...variables, ...flags]);
  readSecretFiles(known, given, problems);
  const config = interpret({ given, problems, ask: createAsk(given, problems) });
  return problems.length > 0 ? { ok: false, problems } : { ok: true, config: Object.freeze(config) };
}

function createAsk(given: Given, problems: string[]): Ask<string> {
  return (name, usual, read, hint) => {
    const entry = given.get(name);
    const value = read(entry?.value ?? usual);
    // A problem ends the start, so what stands in its place is never used.
    if (value === null) problems.push(`${entry?.from ?? `--${name}`}: ${hint}`);
    return value as Exclude<typeof value, null>;
  };
}

function isKnown(known: Known, name: string): boolean {
  return (
    known.has(name) ||
    name === 'config' ||
    (name.endsWith('-file') && known.get(name.slice(0, -5))?.secret === true)
  );
}

function readFlags(known: Known, argv: readonly string[], problems: string[]): Given {
  const given: Given = new Map();
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] ?? '';
    const match = /^--([a-z][a-z-]*)(?:=(.*))?$/s.exec(argument);
    const name = match?.[1];
    if (!name || !isKnown(known, name)) {
      problems.push(`${argument.split('=', 1)[0]}: unknown setting`);
      if (!match?.[2] && argv[at + 1]?.startsWith('--') === false) at++;
      continue;
    }
    const isSwitch = known.get(name)?.flag === true;
    const value = match[2] ?? (isSwitch ? 'true' : argv[++at]);
    if (value === undefined) problems.push(`--${name}: a value is missing`);
    else give(known, given, name, { value, from: `--${name}` });
  }
  return given;
}

function give(known: Known, given: Given, name: string, entry: { value: string; from: string }): void {
  const before = given.get(name);
  const value = before && known.get(name)?.many ? `${before.value},${entry.value}` : entry.value;
  given.set(name, { ...entry, value });
}

const PREFIX = 'PORTCULLIS_';

function readEnvironment(known: Known, env: Outside['env'], problems: string[]): Given {
  const given: Given = new Map();
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith(PREFIX) || value === undefined) continue;
    const name = variable.slice(PREFIX.length).toLowerCase().replaceAll('_', '-');
    if (!isKnown(known, name)) problems.push(`${variable}: unknown setting`);
    else given.set(name, { value, from: variable });
  }
  return given;
}

function readFile(known: Known, file: { value: string } | undefined, problems: string[]): Given {
  const given: Given = new Map();
  if (!file) return given;
  const parsed = readJsonFile(file.value, problems);
  for (const [name, value] of Object.entries(parsed ?? {})) {
    const from = `${name} in ${file.value}`;
    const text = Array.isArray(value) ? value.join(',') : value;
    if (!isKnown(known, name) || name === 'config') problems.push(`${from}: unknown setting`);
    else if (!['string', 'number', 'boolean'].includes(typeof text))
      problems.push(`${from}: must be a text, number or boolean`);
    else given.set(name, { value: String(text), from });
  }
  return given;
}

function readJsonFile(file: string, problems: string[]): object | null {
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed;
    problems.push(`--config ${file}: must be a JSON object`);
  } catch (error) {
    problems.push(`--config ${file}: ${(error as Error).message}`);
  }
  return null;
}

/** `x-file` gives `x` the content of a file, without the newline at its end. */
function readSecretFiles(known: Known, given: Given, problems: string[]): void {
  for (const { name } of [...known.values()].filter((setting) => setting.secret)) {
    const file = given.get(`${name}-file`);
    if (!file) continue;
    if (given.has(name)) {
      problems.push(`${file.from}: ${name} is given directly as well`);
      continue;
    }
    try {
      given.set(name, { value: readFileSync(file.value, 'utf8').replace(/\r?\n$/, ''), from: file.from });
    } catch (error) {
      problems.push(`${file.from}: ${(error as Error).message}`);
    }
  }
}
