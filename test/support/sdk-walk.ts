import Cloudflare from 'cloudflare';

/** The resources of the SDK whose every method the coverage table has to know. */
export const SDK_PREFIXES = [
  'accounts',
  'memberships',
  'user',
  'auditLogs',
  'iam',
  'zones',
  'zeroTrust',
] as const;

/** A method of the SDK and what it sends. */
export interface SdkMethod {
  /** As a program writes it: `zeroTrust.access.users.list`. */
  readonly name: string;
  readonly method: string;
  /** One path, or that of an account and that of a zone; parameters as `{account_id}`. */
  readonly paths: readonly string[];
}

type Callable = (...values: unknown[]) => PromiseLike<unknown>;

/**
 * Every method below these resources of the installed SDK, in the order of the names. Each is called against a `fetch`
 * that answers nothing, with its own parameters' names as values, so what it sends tells its route.
 */
export async function walkSdk(prefixes: readonly string[] = SDK_PREFIXES): Promise<SdkMethod[]> {
  const sent: Sent[] = [];
  const client = recordingClient(sent);
  const found: SdkMethod[] = [];
  for (const { name, resource, key } of methodsBelow(client, prefixes)) {
    found.push(await describeMethod(name, { resource, key, sent }));
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

interface Sent {
  readonly method: string;
  readonly path: string;
}

function recordingClient(sent: Sent[]): Cloudflare {
  return new Cloudflare({
    baseURL: 'http://127.0.0.1:1',
    apiToken: 'none',
    apiEmail: null,
    apiKey: null,
    maxRetries: 0,
    fetch: async (input, init) => {
      const { pathname } = new URL(String(input instanceof Request ? input.url : input));
      sent.push({ method: init?.method?.toUpperCase() ?? 'GET', path: decodeURIComponent(pathname) });
      return new Response('{"success":true,"result":null}', {
        headers: { 'content-type': 'application/json' },
      });
    },
  });
}

interface Place {
  readonly name: string;
  readonly resource: object;
  readonly key: string;
}

function* methodsBelow(client: Cloudflare, prefixes: readonly string[]): Generator<Place> {
  for (const prefix of prefixes) {
    const resource = (client as unknown as Record<string, unknown>)[prefix];
    if (!isResource(resource)) throw new Error(`the SDK has no resource ${prefix}`);
    yield* methodsOf(resource, prefix);
  }
}

function* methodsOf(resource: object, at: string): Generator<Place> {
  for (const key of methodNames(resource)) yield { name: `${at}.${key}`, resource, key };
  for (const [key, value] of Object.entries(resource)) {
    if (key !== '_client' && isResource(value)) yield* methodsOf(value, `${at}.${key}`);
  }
}

function isResource(value: unknown): value is object {
  return typeof value === 'object' && value !== null && '_client' in value;
}

/** What is callable in the classes of a resource; each has one of its own above the one that all of them share. */
function methodNames(resource: object): string[] {
  const names = new Set<string>();
  let layer: object = Object.getPrototypeOf(resource);
  while (layer !== Object.prototype) {
    for (const [key, { value }] of Object.entries(Object.getOwnPropertyDescriptors(layer))) {
      if (key !== 'constructor' && !key.startsWith('_') && typeof value === 'function') names.add(key);
    }
    layer = Object.getPrototypeOf(layer);
  }
  return [...names];
}

async function describeMethod(
  name: string,
  { resource, key, sent }: { resource: object; key: string; sent: Sent[] },
): Promise<SdkMethod> {
  const call = (resource as Record<string, Callable>)[key] as Callable;
  const found: Sent[] = [];
  for (const scope of ['account_id', 'zone_id']) {
    sent.length = 0;
    const values = parametersOf(call).map((parameter) => valueFor(parameter, scope));
    // What the SDK makes of the empty answer is not asked; neither is a scope that it does not take.
    await Promise.resolve()
      .then(() => call.apply(resource, values))
      .catch(() => {});
    const [first] = sent;
    if (first && isComplete(first)) found.push(first);
  }
  const methods = new Set(found.map(({ method }) => method));
  if (methods.size !== 1) throw new Error(`it is not known what ${name} sends`);
  return { name, method: [...methods].join(), paths: [...new Set(found.map(({ path }) => bracketed(path)))] };
}

/** The names of what a function takes, as its source has them; the options of a request are not among them. */
function parametersOf(call: Callable): string[] {
  const source = call.toString();
  const list = source.slice(source.indexOf('(') + 1, source.indexOf(')'));
  return list
    .split(',')
    .map((parameter) => parameter.split('=')[0]?.trim() ?? '')
    .filter((parameter) => parameter !== '' && parameter !== 'options');
}

/** A text that names the parameter; for the object of parameters, one whose every property names itself. */
function valueFor(parameter: string, scope: string): unknown {
  if (!['params', 'query', 'body'].includes(parameter)) return `:${snakeCase(parameter)}`;
  const other = scope === 'account_id' ? 'zone_id' : 'account_id';
  return new Proxy(
    {},
    { get: (_, name) => (typeof name === 'symbol' || name === other ? undefined : `:${name}`) },
  );
}

function snakeCase(text: string): string {
  return text
    .replaceAll(/([a-z\d])([A-Z])/g, '$1_$2')
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .toLowerCase();
}

function isComplete({ path }: Sent): boolean {
  return !path.includes('undefined');
}

function bracketed(path: string): string {
  return path.replaceAll(/:(\w+)/g, '{$1}');
}
