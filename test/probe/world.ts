import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net';
import { systemClock, systemStopwatch } from '../../src/kernel/clock.ts';
import type { ProbeOptions } from '../../src/probe/options.ts';
import { startProber } from '../../src/probe/prober.ts';
import type { Channel, Finding } from '../../src/probe/recorder.ts';
import type { Report } from '../../src/probe/report.ts';
import type { TestApp } from '../support/app.ts';
import { freePort } from '../support/free-port.ts';

const NEVER = new AbortController().signal;

/** Options of a probe of this server, on free ports, with little patience. */
export async function optionsFor(app: TestApp, more: Partial<ProbeOptions> = {}): Promise<ProbeOptions> {
  const [provider, upstream] = [await freePort(), await freePort()];
  return {
    baseUrl: new URL(`${app.origin}/client/v4`),
    token: app.credentials.api_token,
    account: null,
    host: null,
    gates: [new URL(app.origin)],
    ca: null,
    providerListen: { host: '127.0.0.1', port: provider },
    providerUrl: `http://127.0.0.1:${provider}`,
    upstreamListen: { host: '127.0.0.1', port: upstream },
    upstreamUrl: `http://127.0.0.1:${upstream}`,
    removal: 'delete',
    every: null,
    metricsListen: null,
    timeout: 5000,
    watch: 2500,
    ...more,
  };
}

/** One run of a probe of its own, in this process. */
export async function probeOnce(options: ProbeOptions, signal: AbortSignal = NEVER): Promise<Report> {
  const prober = await startProber(options, { clock: systemClock, stopwatch: systemStopwatch });
  try {
    return await prober.run(signal);
  } finally {
    await prober.close();
  }
}

/** Why a run could not find out; fails if it did. */
export function causeOf(report: Report): string {
  assert.equal(report.verdict, 'failed', JSON.stringify(report));
  return report.verdict === 'failed' ? report.cause : '';
}

/** What a run found; fails if it could not find out. */
export function findingsOf(report: Report): readonly Finding[] {
  return report.verdict === 'failed' ? assert.fail(report.cause) : report.findings;
}

export function findingOf(report: Report, gate: URL, channel: Channel): Finding {
  const found = findingsOf(report).find((one) => one.gate === gate.origin && one.channel === channel);
  return found ?? assert.fail(`nothing was found of ${channel} at ${gate.origin}`);
}

/** People of the probe that the account has. */
export async function peopleLeft(app: TestApp): Promise<string[]> {
  const path = `/accounts/${app.credentials.account_id}/access/users?search=probe.invalid`;
  const { body } = await app.api('GET', path);
  return (body.result as { email: string }[]).map(({ email }) => email);
}

/** A place on loopback that can be dialled. */
export interface Listener extends AsyncDisposable {
  readonly port: number;
  readonly url: URL;
}

/** Listens on a free port; its connections end with it. */
export async function listening(server: Server): Promise<Listener> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: new URL(`http://127.0.0.1:${port}`),
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/**
 * Another address of the same server: an honest gate that passes on every byte, and every reset. With `dies` it
 * is gone for good at the first reset.
 */
export function startRelay(to: number, { dies = false } = {}): Promise<Listener> {
  const dead = new AbortController();
  return listening(
    createTcpServer({ allowHalfOpen: true }, (socket) => {
      if (dead.signal.aborted) return void socket.destroy();
      dead.signal.addEventListener('abort', () => socket.destroy());
      const far = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true });
      socket.pipe(far);
      far.pipe(socket);
      far.on('error', () => {
        if (dies) dead.abort();
        socket.resetAndDestroy();
      });
      socket.on('error', () => far.resetAndDestroy());
      far.once('close', () => socket.destroy());
      socket.once('close', () => far.destroy());
    }),
  );
}

/** Takes connections and requests, and never says anything. */
export function startSilence(): Promise<Listener> {
  return listening(createServer(() => {}));
}
