import type { Clock, Stopwatch } from '../kernel/clock.ts';
import { isObject } from '../kernel/result.ts';
import { type Api, createApi, listAll } from './api.ts';
import { startApplication } from './application.ts';
import { ProbeFailed } from './failed.ts';
import { clientOf, removeObjects } from './objects.ts';
import type { ProbeOptions } from './options.ts';
import { endpointsOf, startProvider } from './provider.ts';
import { type Report, reportOf } from './report.ts';
import { failureOf, type Parts, runProbe } from './run.ts';
import type { Dial } from './send.ts';

export interface Prober {
  /** One run. Whatever goes wrong is a report, never thrown. */
  run(signal: AbortSignal): Promise<Report>;
  close(): Promise<void>;
}

export interface Clocks {
  readonly clock: Clock;
  readonly stopwatch: Stopwatch;
}

/** The probe with its two listeners. Throws a StartError if one of their ports is taken. */
export async function startProber(options: ProbeOptions, { clock, stopwatch }: Clocks): Promise<Prober> {
  await using stack = new AsyncDisposableStack();
  const client = clientOf(options.token);
  const provider = await startProvider(options.providerListen, {
    issuer: options.providerUrl,
    client,
    clock,
  });
  stack.defer(() => provider.close());
  const application = await startApplication(options.upstreamListen, stopwatch);
  stack.defer(() => application.close());
  const { api, control } = reach(options);
  const gates = options.gates.map((url) => ({ name: url.origin, dial: { ...control, url } }));
  const { removal, timeout, watch } = options;
  const fixed = { api, control, gates, client, provider, application, stopwatch, removal, timeout, watch };
  const running = stack.move();
  return {
    run: async (signal) => {
      try {
        const parts: Parts = { ...fixed, ...(await findPlaces(api, options, signal)) };
        return reportOf(clock, await runProbe(parts, signal));
      } catch (error) {
        return reportOf(clock, { cause: signal.aborted ? 'it was told to stop' : failureOf(error) });
      }
    },
    close: () => running.disposeAsync(),
  };
}

function reach({ baseUrl, token, ca, timeout }: ProbeOptions): { api: Api; control: Dial } {
  const control: Dial = { url: new URL(baseUrl.origin), ca, timeout };
  return { api: createApi(control, { base: baseUrl, token }), control };
}

/** Removes what the probe made in the account; answers what that was. Throws ProbeFailed. */
export async function cleanUp(options: ProbeOptions, signal: AbortSignal): Promise<string[]> {
  const { api } = reach(options);
  return await removeObjects(api, await findAccount(api, options, signal), signal);
}

async function findPlaces(
  api: Api,
  options: ProbeOptions,
  signal: AbortSignal,
): Promise<Pick<Parts, 'account' | 'team' | 'places'>> {
  const account = await findAccount(api, options, signal);
  const { result } = await api.call('GET', `/accounts/${account}/access/organizations`, { signal });
  const team = isObject(result) && typeof result.auth_domain === 'string' ? result.auth_domain : null;
  if (team === null) throw new ProbeFailed('the account has no team domain');
  const host = options.host ?? `probe.${await findZone(api, account, signal)}`;
  return {
    account,
    team,
    places: { ...endpointsOf(options.providerUrl), upstream: options.upstreamUrl, host },
  };
}

async function findAccount(api: Api, { account }: ProbeOptions, signal: AbortSignal): Promise<string> {
  if (account !== null) return account;
  const [found, ...more] = await listAll(api, '/accounts', { signal });
  if (!found) throw new ProbeFailed('the token sees no account: name it with --account');
  if (more.length > 0) throw new ProbeFailed('the token sees several accounts: name one with --account');
  return String(found.id);
}

async function findZone(api: Api, account: string, signal: AbortSignal): Promise<string> {
  const [zone] = await listAll(api, `/zones?account.id=${account}&order=name`, { signal });
  if (!zone) throw new ProbeFailed('the token sees no zone of the account: name the application with --host');
  return String(zone.name);
}
