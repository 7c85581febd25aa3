/** The coverage table of docs/compatibility.md: every method of the official SDK, what it calls here, and what differs. */
import type { Route } from '../src/http/route.ts';
import { prefixesOf } from '../src/http/server.ts';
import { type SdkMethod, walkSdk } from '../test/support/sdk-walk.ts';
import { IN_SCOPE, OUT, WORKS } from './coverage-table.ts';

/** One method of the SDK, and what Portcullis has of it. */
export interface Coverage {
  readonly method: SdkMethod;
  readonly status: 'works' | 'differs' | 'out';
  /** What differs, or why it is out; empty for what works. */
  readonly note: string;
  /** The routes that it calls; none if it is out. */
  readonly routes: readonly Route[];
}

/** What is wrong with the table, in one sentence each: nothing, or it may not be published. */
export interface CoverageReading {
  readonly rows: readonly Coverage[];
  readonly problems: readonly string[];
}

/** Holds the table against the installed SDK and the routes. */
export async function readCoverage(routes: readonly Route[]): Promise<CoverageReading> {
  const methods = await walkSdk();
  const byShape = routesByShape(routes);
  const rows = methods.map((method) => cover(method, byShape));
  const names = new Set(methods.map(({ name }) => name));
  const problems = [
    ...rows.flatMap((row) => [...problemsOf(row)]),
    ...Object.keys(IN_SCOPE)
      .filter((name) => !names.has(name))
      .map((name) => `${name} is in the table and not in the SDK`),
    ...Object.keys(OUT)
      .filter(
        (prefix) => !rows.some(({ method, status }) => status === 'out' && prefixFor(method.name) === prefix),
      )
      .map((prefix) => `${prefix} is out in the table, and no method of the SDK is out by it`),
  ];
  return { rows, problems };
}

function cover(method: SdkMethod, byShape: ReadonlyMap<string, Route>): Coverage {
  const routes = method.paths.flatMap((path) => byShape.get(shapeOf(method.method, path)) ?? []);
  const said = Object.hasOwn(IN_SCOPE, method.name) ? IN_SCOPE[method.name] : undefined;
  if (said === undefined) {
    return { method, status: 'out', note: OUT[prefixFor(method.name)] ?? '', routes };
  }
  return said === WORKS
    ? { method, status: 'works', note: '', routes }
    : { method, status: 'differs', note: said, routes };
}

function* problemsOf({ method: { name, paths }, status, note, routes }: Coverage): Generator<string> {
  if (status === 'out') {
    if (note === '') yield `${name} is in the SDK and not in the table (scripts/coverage-table.ts)`;
    if (routes.length > 0) yield `${name} is out in the table, and has a route`;
  } else if (routes.length !== paths.length) {
    yield `${name} is in the table, and a path of it has no route: ${paths.join(' ')}`;
  }
}

/** The longest prefix of a name that is out; empty if there is none. */
function prefixFor(name: string): string {
  const prefixes = Object.keys(OUT).filter((prefix) => name.startsWith(`${prefix}.`));
  return prefixes.sort((a, b) => b.length - a.length)[0] ?? '';
}

function routesByShape(routes: readonly Route[]): ReadonlyMap<string, Route> {
  return new Map(
    routes.flatMap((route) =>
      prefixesOf(route).map((prefix) => [shapeOf(route.method, prefix + route.path), route] as const),
    ),
  );
}

/** Method and path without the names of the parameters. */
function shapeOf(method: string, path: string): string {
  return `${method} ${path.replaceAll(/:\w+|\{\w+\}/g, '{}')}`;
}

/** The table as it stands in docs/compatibility.md. That it is whole is for test/contract/coverage.test.ts to say. */
export async function coverageText(routes: readonly Route[]): Promise<string> {
  const { rows } = await readCoverage(routes);
  const inScope = rows.filter(({ status }) => status !== 'out');
  const count = (status: string) => rows.filter((row) => row.status === status).length;
  return [
    `Of ${rows.length} methods, ${count('works')} work as documented, ${count('differs')} differ, ${count('out')} are out.`,
    ...[...Map.groupBy(inScope, ({ method }) => familyOf(method.name))].map(familyText),
    outText(rows),
  ].join('\n\n');
}

/** The name of a resource, of those below `zeroTrust` two parts deep. */
function familyOf(name: string): string {
  const parts = name.split('.');
  const depth = parts[0] === 'zeroTrust' ? (parts[1] === 'access' ? 3 : 2) : parts[0] === 'iam' ? 2 : 1;
  return parts.slice(0, Math.min(depth, parts.length - 1)).join('.');
}

function familyText([family, rows]: [string, Coverage[]]): string {
  const lines = rows.map(({ method, status, note, routes }) => {
    const permission = [...new Set(routes.flatMap((route) => route.permission))].join('<br>');
    const name = method.name.slice(family.length + 1);
    return `| \`${name}\` | \`${method.method} ${pathOf(method)}\` | ${permission} | ${status} | ${note} |`;
  });
  const head =
    '| Method | Route | Permission groups, any one of them | Status | Difference |\n|---|---|---|---|---|';
  return `### ${family}\n\n${head}\n${lines.join('\n')}`;
}

/** The two forms of a path in one, as Cloudflare writes them. */
function pathOf({ paths: [first = '', second] }: SdkMethod): string {
  if (second === undefined) return first;
  return first.replace('/accounts/{account_id}', '/{accounts_or_zones}/{account_or_zone_id}');
}

/** What is out, in one line for each resource. */
function outText(rows: readonly Coverage[]): string {
  const out = rows.filter(({ status }) => status === 'out');
  const lines = [...Map.groupBy(out, ({ method }) => parentOf(method.name))].map(([resource, members]) => {
    const names = members.map(({ method }) => `\`${method.name.slice(resource.length + 1)}\``).join(', ');
    return `| \`${resource}\` | ${names} | ${members[0]?.note} |`;
  });
  return `### Out\n\nThey are a 404, or a 405 where the path has another method.\n\n| Resource | Methods | Why |\n|---|---|---|\n${lines.join('\n')}`;
}

function parentOf(name: string): string {
  return name.slice(0, name.lastIndexOf('.'));
}
