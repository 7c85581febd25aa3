/**
 * Writes what the documents say of settings, error codes and routes, from the code itself. Whoever changes one
 * of these runs `npm run docs`; test/docs.test.ts fails while a document says something else.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readConfig } from '../src/config.ts';
import { gateSettings } from '../src/gate-settings.ts';
import type { Route } from '../src/http/route.ts';
import { API_PREFIX, prefixesOf } from '../src/http/server.ts';
import { catalogue, type ErrorName } from '../src/kernel/errors.ts';
import { listRoutes } from '../src/routes.ts';
import { type Setting, settings } from '../src/settings.ts';
import { coverageText } from './coverage.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ROUTES_BEGIN = '<!-- routes: written by npm run docs -->';
const ROUTES_END = '<!-- end of routes -->';
const COVERAGE_BEGIN = '<!-- coverage: written by npm run docs -->';
const COVERAGE_END = '<!-- end of coverage -->';

/** A document with the text that it must have, relative to the root of the repository. */
export interface Document {
  readonly file: string;
  readonly text: string;
}

/** Every document that is generated, in whole or in part. */
export async function generateDocuments(): Promise<Document[]> {
  return [
    { file: 'docs/configuration.md', text: configuration() },
    { file: 'docs/errors.md', text: errors() },
    { file: 'docs/compatibility.md', text: await compatibility() },
  ];
}

export function readText(file: string): string {
  return readFileSync(`${ROOT}/${file}`, 'utf8');
}

function configuration(): string {
  return `# Configuration

<!-- Written by npm run docs from src/settings.ts. Change it there. -->

A setting can be given as a flag, as a variable of the environment, or in a JSON file. The flag wins over the
variable, the variable over the file.

\`\`\`sh
portcullis serve --listen 127.0.0.1:9000
PORTCULLIS_LISTEN=127.0.0.1:9000 portcullis serve
portcullis serve --config portcullis.json    # {"listen": "127.0.0.1:9000"}
\`\`\`

In a checkout, \`npm start -- --listen 127.0.0.1:9000\` does the same. The file is named by \`--config\` or
\`PORTCULLIS_CONFIG\`; its keys are the names of the flags without the two hyphens.

A secret can also be read from a file: \`--forward-auth-secret-file\` or \`PORTCULLIS_FORWARD_AUTH_SECRET_FILE\`
name the file, and one newline at its end is dropped. Giving a secret both ways is an error.

Every setting is checked before anything starts. Each problem is named, unknown settings and unknown
\`PORTCULLIS_…\` variables included, and the exit code is 2. The same code ends a start that cannot succeed:
a port that is taken, a database that another server holds, a master key that is missing.

Two commands have settings: \`portcullis serve\`, with the commands beside it, and [\`portcullis gate\`](#settings-of-a-gate).
What one of them does not know it refuses.

## Settings of the server
${settings.map(describeSetting).join('')}
## Settings of a gate

A gate that runs by itself ([gates.md](gates.md)).

| Setting | Default | What it is |
|---|---|---|
${gateSettings.map(describeGateSetting).join('\n')}

## Commands

| Command | What it does |
|---|---|
| \`portcullis serve\` | Runs the control plane and the gate until SIGTERM or SIGINT; requests under way have ten seconds to finish. |
| \`portcullis gate\` | Runs a gate alone, without a database, that follows a control plane: [gates.md](gates.md). Exits with 1 when its credential is gone. |
| \`portcullis credentials reset\` | New key and account token for the first Super Administrator, in \`credentials.json\` of the data folder; the old ones end. |
| \`portcullis credentials issue --email E\` | A new Global API Key for a member, in \`credentials-E.json\` of the data folder; an earlier key of theirs ends. |
| \`portcullis restored\` | Says that the database was restored from an earlier state: all sessions end, nobody signs in and no service token is accepted until \`portcullis restored --approve\` ([cluster.md](cluster.md#after-a-restore)). |
| \`portcullis probe\` | Finds out from outside whether a removal ends access, once or all the time; [probe.md](probe.md) has its options. |
| \`portcullis device …\` | Enrols this machine as a device of a person, and proves its requests: [devices.md](devices.md). |

All of them but the gate, the probe and the device take the settings of the server. The two commands for credentials may run while the server runs.
`;
}

function describeSetting({ name, value, usual, describe, many, secret }: Setting): string {
  const variable = `PORTCULLIS_${name.toUpperCase().replaceAll('-', '_')}`;
  const notes = [
    ...(many ? ['May be given several times, or as a comma-separated list; in the file, as an array.'] : []),
    ...(secret ? [`Or from a file: \`--${name}-file\`, \`${variable}_FILE\`.`] : []),
  ];
  return `
### \`--${name}${value ? ` <${value}>` : ''}\`

\`${variable}\` · default: ${usual}

${[describe, ...notes].join(' ')}
`;
}

/** What has the same name for the server means the same here, and is explained there. */
function describeGateSetting({ name, value, usual, describe, many, secret }: Setting): string {
  const notes = [
    ...(many ? ['May be given several times.'] : []),
    ...(secret ? [`Or \`--${name}-file\`.`] : []),
  ];
  return `| \`--${name}${value ? ` <${value}>` : ''}\` | ${usual} | ${[describe, ...notes].join(' ')} |`;
}

/** When each refusal is given and what to do about it. A new one does not compile until it is explained. */
const EXPLANATIONS: Readonly<Record<ErrorName, string>> = {
  noCredential: 'The request carries no credential, or only one of `X-Auth-Email` and `X-Auth-Key`.',
  malformedCredential:
    'A credential is not of a known form, is sent twice, or is an `X-Auth-User-Service-Key`, which is not supported.',
  authentication:
    'The credential is unknown, expired, disabled, not yet valid, or used from an address that its condition excludes; or two credentials are not of one person. Which of these is not said.',
  invalidToken:
    'A token is asked to be verified at the path of the other kind, or a key where a token is wanted.',
  forbidden:
    'The credential has none of the permission groups that the route accepts, or the account or zone of the path is not one that it may see, existing or not.',
  unknownRoute: 'There is no such path.',
  unknownMethod: 'The path exists, the method does not. The `Allow` header lists those that do.',
  invalid: 'The request breaks the shape of the route. Each fault has its own entry with a pointer.',
  invalidAccess: 'The same, below `/access`.',
  seatExpiration:
    'The inactivity after which unused seats are given back is neither off nor a duration from 730h to 8760h.',
  notSupported: 'The request asks for something that Portcullis does not do. It is refused, not ignored.',
  notFound: 'No object of this account has that id.',
  notFoundAccess: 'The same, below `/access`.',
  notFoundGroup: 'The same, of Access groups.',
  conflict: 'An object with that name or key exists already. A retry cannot help.',
  conflictAccess: 'The same, below `/access`.',
  organizationExists: 'Every account has its Zero Trust organization from the start; it can be updated.',
  lastSuperAdministrator: 'Nobody could manage the account any more. Make another Super Administrator first.',
  exceedsAuthority:
    'A token, member or group would be given something that the caller does not hold. The pointer names it.',
  bodyTooLarge: 'More than 1 MiB.',
  unsupportedMediaType: 'The body has another content type than JSON.',
  malformedJson: 'The body does not parse, is nested too deeply, or has a `__proto__` or `constructor` key.',
  malformedRequest: 'A NUL character, a bad escape in the path, or something that is not HTTP.',
  uriTooLong: 'More than 8 KiB of path and query.',
  headersTooLarge: 'More than 32 KiB of headers.',
  rateLimited:
    'The credential has used up its requests of this window, or the address has failed to authenticate too often. `Retry-After` says for how many seconds.',
  internal: 'A fault of Portcullis. The log has it under the request id.',
  unavailable:
    'The database cannot be reached or written, or another change came in between. `Retry-After` says when to try again.',
};

function errors(): string {
  const rows = Object.entries(catalogue).map(([name, { code, status, message }]) => {
    return `| \`${code}\` | ${status} | ${message} | ${EXPLANATIONS[name as ErrorName]} |`;
  });
  return `# Errors

<!-- Written by npm run docs from src/kernel/errors.ts. Change it there. -->

A refusal of the API has a status and this body:

\`\`\`json
{
  "success": false,
  "errors": [
    {
      "code": ${catalogue.invalidAccess.code},
      "message": "${catalogue.invalidAccess.message}: is required",
      "documentation_url": "http://127.0.0.1:8787/portcullis/errors#${catalogue.invalidAccess.code}",
      "source": { "pointer": "/email" }
    }
  ],
  "messages": [],
  "result": null
}
\`\`\`

\`errors\` has one entry for each fault, up to twenty. \`source.pointer\` is an RFC 6901 pointer into the body
(\`/email\`, also when it is missing), or names a parameter (\`/query/page\`, \`/path/user_id\`). A message may go
on after a colon with what is wrong here; programs should read the code and the pointer. The running server
explains the same codes at \`/portcullis/errors\`.

Every answer has an \`X-Request-Id\`; the log has the cause under it. Answers of the status 409, and the refusal
to remove the last Super Administrator, carry \`X-Should-Retry: false\`, since the official SDK would otherwise
repeat them.

| Code | Status | Message | When |
|---|---|---|---|
${rows.join('\n')}
`;
}

async function compatibility(): Promise<string> {
  const text = between(readText('docs/compatibility.md'), [ROUTES_BEGIN, ROUTES_END], routeTable());
  return between(text, [COVERAGE_BEGIN, COVERAGE_END], await coverageText(allRoutes()));
}

/** The text with what stands between two of its lines replaced. */
function between(text: string, [first, last]: readonly [string, string], body: string): string {
  const begin = text.indexOf(first);
  const end = text.indexOf(last);
  if (begin < 0 || end < begin) throw new Error(`docs/compatibility.md has lost its line ${first}`);
  return `${text.slice(0, begin)}${first}\n\n${body}\n\n${text.slice(end)}`;
}

function routeTable(): string {
  const rows = allRoutes().map((route) => {
    const path = `${prefixOf(route)}${route.path}`.replaceAll(/:([a-z_]+)/g, '{$1}');
    const permission = route.permission.join('<br>');
    return `| ${route.method} | \`${path}\` | ${route.operation} | ${permission} | ${route.status} |`;
  });
  const head =
    '| Method | Path | Operation | Permission groups, any one of them | Status |\n|---|---|---|---|---|';
  return `All paths are below \`${API_PREFIX}\`.\n\n${head}\n${rows.join('\n')}`;
}

/** The two forms of a path in one, as Cloudflare writes them. */
function prefixOf(route: Route): string {
  const [prefix = '', other] = prefixesOf(route);
  return other === undefined ? prefix : '/:accounts_or_zones/:account_or_zone_id';
}

/** Every route. They are declared without touching the database or the vault, so there are none to give them. */
export function allRoutes(): Route[] {
  const reading = readConfig([], {});
  if (!reading.ok) throw new Error(reading.problems.join('\n'));
  const parts = { config: reading.config, control: { database: {} } };
  return listRoutes(parts as unknown as Parameters<typeof listRoutes>[0]);
}

if (import.meta.main) {
  for (const { file, text } of await generateDocuments()) writeFileSync(`${ROOT}/${file}`, text);
  console.log('written: what the documents say of settings, errors, routes and the SDK');
}
