import path from 'node:path';
import type { BenchContext } from '../harness/bench.ts';
import { APPLICATION_HOST, buildEstate, copyEstate, type Estate, PROXIED_HOST } from '../harness/estate.ts';
import { type Load, startLoad } from '../harness/load.ts';
import { buildProgram, SOURCE_PROGRAM } from '../harness/program.ts';
import { BROWSER, type HeaderLine, toRequest } from '../harness/requests.ts';
import { type Fill, fillEstate } from '../harness/seed.ts';
import { type Server, startPeer } from '../harness/servers.ts';
import { signTokens } from '../harness/tokens.ts';
import { type Sizes, sizesOf } from './sizes.ts';

/** All that the measurements of the gate have in common. */
export interface World {
  readonly sizes: Sizes;
  /** Compiled, as the package has it; in a quick run from source, as a checkout has it. */
  readonly program: string;
  readonly load: Load;
  /** The application behind the proxies. */
  readonly upstream: Server;
  readonly usual: Estate;
  /** One question a session of the usual world; the first ones are good in the other worlds as well. */
  readonly questions: readonly string[];
  /** A new world of that size. */
  fill(name: string, fill: Fill): Promise<Estate>;
  /** Requests through the built-in proxy, one a session of the usual world. */
  proxied(target: string): readonly string[];
}

export async function prepareWorld(context: BenchContext): Promise<World> {
  const { stack, cores, folder, quick, say } = context;
  const sizes = sizesOf(context);
  const load = stack.use(startLoad(cores.load));
  const file = new URL('./peers/upstream.ts', import.meta.url);
  const upstream = stack.use(await startPeer(file, { core: cores.load, setup: {} }));
  say(quick ? 'signing the first person in' : 'building the program, and signing the first person in');
  const [program, base] = await Promise.all([
    quick ? SOURCE_PROGRAM : buildProgram(path.join(folder, 'program')),
    buildEstate(path.join(folder, 'base'), { upstream: upstream.port }),
  ]);
  say('filling the first world');
  const usual = await copyEstate(base, path.join(folder, 'usual'));
  const template = await fillEstate(usual, sizes.usual);
  const tokens = signTokens(usual, { template, count: sizes.usual.sessions });
  const proxiedTokens = signTokens(usual, { template, count: sizes.asked, aud: usual.proxiedAud });
  return {
    sizes,
    program,
    load,
    upstream,
    usual,
    questions: tokens.map(toQuestion),
    fill: async (name, fill) => {
      say(`filling the world ${name}: ${JSON.stringify(fill)}`);
      const estate = await copyEstate(base, path.join(folder, name));
      await fillEstate(estate, fill);
      return estate;
    },
    proxied: (target) =>
      proxiedTokens.map((token) =>
        toRequest({ target, headers: [['host', PROXIED_HOST], ...BROWSER, cookieOf(token)] }),
      ),
  };
}

/** What Caddy asks of a navigation on the application's host. */
export function toQuestion(token: string): string {
  const headers: HeaderLine[] = [
    ['host', 'portcullis.internal'],
    ...BROWSER,
    cookieOf(token),
    ['x-forwarded-for', '192.0.2.7'],
    ['x-forwarded-host', APPLICATION_HOST],
    ['x-forwarded-method', 'GET'],
    ['x-forwarded-proto', 'http'],
    ['x-forwarded-uri', '/projects/portcullis/issues?state=open'],
  ];
  return toRequest({ target: '/portcullis/forward-auth', headers });
}

function cookieOf(token: string): HeaderLine {
  return ['cookie', `theme=dark; CF_Authorization=${token}; language=en`];
}
