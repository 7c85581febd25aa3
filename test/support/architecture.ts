import { posix } from 'node:path';
import {
  FILE_NAME,
  FOLDER_NAME,
  FOLDERS,
  KINDS,
  type Kind,
  RESERVED,
  type Reserved,
  type ReservedRule,
  ROOT_FILES,
  ROOT_FILES_FOR,
  SLICES,
} from './architecture-rules.ts';
import { codeOf, type Import, importsOf, isAtTopLevel, lineAt } from './source-text.ts';

export type Rule =
  | 'place'
  | 'folder'
  | 'layer'
  | 'order'
  | 'outside'
  | 'computed'
  | 'circle'
  | 'default-export'
  | 'mutable-state'
  | 'barrel'
  | 'name'
  | ReservedRule;

/** A source file; its path is relative to the checkout, with forward slashes: `src/kernel/ids.ts`. */
export interface SourceFile {
  path: string;
  source: string;
}

export interface Violation {
  rule: Rule;
  path: string;
  line: number;
  says: string;
}

type Finding = Omit<Violation, 'path'>;
type Problem = Omit<Finding, 'line'>;

/** Where a file stands: in a slice, as one of its kinds; in another folder; or directly in src. */
interface Place {
  unit: string;
  kind: Kind | null;
}

interface Parsed {
  path: string;
  /** The path below src. */
  inner: string;
  code: string;
  imports: readonly Import[];
}

/** Every violation of the rules in these files. Tests are held to the rules on names and exports alone. */
export function checkArchitecture(files: readonly SourceFile[]): Violation[] {
  const parsed = files.map(parse);
  const found = parsed.flatMap((file) =>
    findingsIn(file).map((finding) => ({ path: file.path, ...finding })),
  );
  return [...found, ...circlesAmong(parsed)];
}

function parse({ path, source }: SourceFile): Parsed {
  const code = codeOf(source);
  return { path, code, inner: path.replace(/^src\//, ''), imports: importsOf(source, code) };
}

function findingsIn(file: Parsed): Finding[] {
  const always = [...nameFindings(file), ...defaultExports(file)];
  if (file.path.endsWith('.test.ts')) return always;
  return [
    ...always,
    ...mutableState(file),
    ...barrels(file),
    ...importFindings(file),
    ...reservedFindings(file),
  ];
}

function nameFindings({ inner }: Parsed): Finding[] {
  const folders = inner.split('/');
  const name = folders.pop() ?? '';
  if (FILE_NAME.test(name) && folders.every((folder) => FOLDER_NAME.test(folder))) return [];
  return [{ rule: 'name', line: 1, says: `${inner} is not in kebab-case` }];
}

function defaultExports({ code }: Parsed): Finding[] {
  const lines = linesOf(code, /\bexport\s+default\b|\bas\s+default\b/g);
  return lines.map((line) => ({
    rule: 'default-export',
    line,
    says: 'has a default export; exports have names',
  }));
}

const VARIABLE = /\b(?:let|var)\b/g;
const EMPTY_COLLECTION =
  /\bconst\s[^;]*?=\s*(?:new\s+(?:Map|Set|WeakMap|WeakSet|Array)\b[^;()]*\(\s*\)|\[\s*\]|\{\s*\})\s*;/g;

function mutableState({ code }: Parsed): Finding[] {
  return [VARIABLE, EMPTY_COLLECTION].flatMap((pattern) =>
    linesOf(code, pattern, (offset) => isAtTopLevel(code, offset)).map((line) => ({
      rule: 'mutable-state',
      line,
      says: 'keeps mutable state in a module; make it where the app is put together',
    })),
  );
}

const PASSING_ON =
  /\b(?:import|export)\s+(?:type\s+)?[\w$*{}\s,]*?(?:\bfrom\s*)?(?:'[^']*'|"[^"]*")\s*;?|\bexport\s*\{[^}]*\}\s*;?/g;

function barrels({ code }: Parsed): Finding[] {
  const isBarrel = /\bexport\b/.test(code) && code.replace(PASSING_ON, '').trim() === '';
  return isBarrel ? [{ rule: 'barrel', line: 1, says: 'only passes on what other files export' }] : [];
}

function importFindings(file: Parsed): Finding[] {
  const place = placeOf(file.inner);
  if (place === null) return [{ line: 1, ...unknownPlace(file.inner) }];
  return file.imports.flatMap(({ specifier, line }) => {
    const problem = importProblem(file, place, specifier);
    return problem === null ? [] : [{ line, ...problem }];
  });
}

function importProblem({ path }: Parsed, from: Place, specifier: string | null): Problem | null {
  if (specifier === null) return { rule: 'computed', says: 'imports a module whose name it computes' };
  if (!specifier.startsWith('.')) return null;
  const target = resolve(path, specifier);
  if (!target.startsWith('src/'))
    return { rule: 'outside', says: `imports ${target}, which is not below src` };
  const to = placeOf(target.slice('src/'.length));
  if (to === null) return unknownPlace(target.slice('src/'.length));
  if (target.endsWith('.test.ts')) return { rule: 'folder', says: `imports the test ${target}` };
  if (from.kind === null) return folderProblem(from.unit, to.unit);
  return to.kind === null
    ? sliceToFolderProblem(from.unit, from.kind, to.unit)
    : sliceProblem(from, from.kind, to);
}

function unknownPlace(inner: string): Problem {
  return { rule: 'place', says: `${inner} lies in no folder that test/support/architecture-rules.ts names` };
}

function folderProblem(from: string, to: string): Problem | null {
  const may = FOLDERS[from] ?? ROOT_FILES[from] ?? [];
  if (from === to || may.includes(to)) return null;
  return {
    rule: 'folder',
    says: `${from} imports ${to}; of ours it may import ${may.join(', ') || 'nothing'}`,
  };
}

function sliceToFolderProblem(slice: string, kind: Kind, to: string): Problem | null {
  const may = [...KINDS[kind].folders, ...(ROOT_FILES_FOR[slice] ?? [])];
  if (may.includes(to)) return null;
  return {
    rule: 'folder',
    says: `a ${kind} file imports ${to}; of the folders it may import ${may.join(', ')}`,
  };
}

function sliceProblem(from: Place, kind: Kind, to: Place): Problem | null {
  const { own, otherNouns } = KINDS[kind];
  const says = `a ${kind} file of ${from.unit} imports a ${to.kind ?? 'plain'} file of ${to.unit}`;
  if (from.unit === to.unit) {
    if (to.kind !== null && own.includes(to.kind)) return null;
    return { rule: 'layer', says: `${says}; of its slice it may import ${own.join(', ')}` };
  }
  if (!otherNouns || to.kind !== 'noun') {
    return { rule: 'layer', says: `${says}; between slices only routes and nouns import, and only nouns` };
  }
  if (SLICES.indexOf(to.unit) < SLICES.indexOf(from.unit)) return null;
  return { rule: 'order', says: `${says}, which stands below it in the list of slices` };
}

function placeOf(inner: string): Place | null {
  const slice = SLICES.find((one) => inner.startsWith(`${one}/`));
  if (slice !== undefined) return { unit: slice, kind: kindOf(inner) };
  const unit = inner.split('/')[0] ?? '';
  const isKnown = inner.includes('/') ? unit in FOLDERS : unit in ROOT_FILES;
  return isKnown ? { unit, kind: null } : null;
}

function kindOf(inner: string): Kind {
  const ending = /[/-](contract|routes|store)\.ts$/.exec(inner)?.[1];
  return ending === 'contract' || ending === 'routes' || ending === 'store' ? ending : 'noun';
}

function reservedFindings({ inner, code, imports }: Parsed): Finding[] {
  return (Object.keys(RESERVED) as ReservedRule[]).flatMap((rule) => {
    const { says, allowed, pattern, modules } = RESERVED[rule];
    if (allowed.some((path) => path.test(inner))) return [];
    const byImport = imports.filter((one) => takesReserved(one, modules)).map(({ line }) => line);
    const byCode = pattern === undefined ? [] : linesOf(code, pattern);
    return [...byImport, ...byCode].map((line) => ({ rule, line, says }));
  });
}

function takesReserved({ specifier, names, whole }: Import, modules: Reserved['modules']): boolean {
  const module = Object.keys(modules).find((one) => specifier === one || specifier?.startsWith(`${one}/`));
  const reserved = module === undefined ? [] : (modules[module] ?? []);
  return (
    reserved === '*' || names.some((name) => reserved.includes(name)) || (whole && reserved.includes('whole'))
  );
}

/** Circles of imports that are still there when the program runs, each told once, at the import that closes it. */
function circlesAmong(files: readonly Parsed[]): Violation[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const circles: Violation[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    for (const { next, line } of done.has(path) ? [] : valueImports(byPath.get(path))) {
      if (trail.includes(next)) circles.push(circle(path, line, [...trail.slice(trail.indexOf(next)), next]));
      else walk(next, [...trail, next]);
    }
    done.add(path);
  };
  for (const { path } of files) walk(path, [path]);
  return circles;
}

function valueImports(file: Parsed | undefined): { next: string; line: number }[] {
  if (file === undefined) return [];
  return file.imports.flatMap(({ specifier, typeOnly, line }) =>
    typeOnly || !specifier?.startsWith('.') ? [] : [{ next: resolve(file.path, specifier), line }],
  );
}

function circle(path: string, line: number, trail: readonly string[]): Violation {
  return { rule: 'circle', path, line, says: `closes a circle of imports: ${trail.join(' → ')}` };
}

function resolve(path: string, specifier: string): string {
  return posix.join(posix.dirname(path), specifier);
}

function linesOf(code: string, pattern: RegExp, counts: (offset: number) => boolean = () => true): number[] {
  const matches = [...code.matchAll(pattern)].filter(({ index }) => counts(index));
  return matches.map(({ index }) => lineAt(code, index));
}
