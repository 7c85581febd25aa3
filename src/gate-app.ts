import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { type Attendance, createAttendance } from './follower/attendance.ts';
import { createBackOff } from './follower/back-off.ts';
import { createControlPlane } from './follower/control-plane.ts';
import { createDecisions } from './follower/decisions.ts';
import { createEvents } from './follower/events.ts';
import { createFront } from './follower/front.ts';
import { openGateKey } from './follower/gate-key.ts';
import { createLeaseKeeper } from './follower/lease-keeper.ts';
import { createMemory, type Memory } from './follower/memory.ts';
import { createGateMetrics } from './follower/metrics.ts';
import { createHealthPages, createOtherHosts } from './follower/pages.ts';
import type { End } from './follower/stream.ts';
import { openTrust } from './follower/trust.ts';
import { createGateState } from './gate/state.ts';
import type { GateConfig } from './gate-config.ts';
import { type Clock, type Clocks, MINUTE, SECOND, systemClock, systemClocks } from './kernel/clock.ts';
import { newTag } from './kernel/ids.ts';
import { createLease, type Lease } from './protocol/lease.ts';
import { openExchanges } from './server/exchanges.ts';
import { readKeyPair } from './server/key-pair.ts';
import { listen, stopListening } from './server/listen.ts';
import { createLogger } from './server/logger.ts';
import { serveMetrics } from './server/metrics.ts';
import { repeat } from './server/repeat.ts';
import { followCertificate } from './server/served-certificate.ts';
import { alsoTelling, openTls } from './server/served-tls.ts';
import { openUpstreams } from './server/upstreams.ts';
import { readVersion } from './server/version.ts';

/** A gate that is listening, whether or not it has reached its control plane. */
export interface RemoteGate {
  /** New at every start (schedule 7). */
  readonly processId: string;
  /** Why it cannot decide now; null: it can. */
  unready(): string | null;
  /** Resolves when there is nothing to come back for: the credential is gone, or the two do not understand each other. */
  readonly over: Promise<End>;
  /** Reads the files of --tls-cert and --tls-key now. What cannot be served is logged, and the last pair stays. */
  reloadCertificate(): Promise<void>;
  /** Stops taking requests, lets those under way finish, and gives the lease back. */
  close(): Promise<void>;
}

export interface GateOptions {
  readonly clock?: Clock;
  /** By which the lease is measured. */
  readonly clocks?: Clocks;
  readonly logger?: Logger;
}

/**
 * Starts a gate that follows a control plane: its key, its listeners, and then the stream, which may take as long as
 * it likes. Throws a StartError for whatever the operator can mend; nothing is left running then.
 */
export async function startGate(config: GateConfig, options: GateOptions = {}): Promise<RemoteGate> {
  const clock = options.clock ?? systemClock;
  const clocks = options.clocks ?? systemClocks;
  const logger = options.logger ?? createLogger(config);
  const undo: (() => Promise<void>)[] = [];
  const giveBack = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const keyPair = config.tls && (await readKeyPair(config.tls, clock.now()));
    const tls = openTls({ keyPair, clock, logger });
    const key = await openGateKey(config.data);
    const processId = newTag();
    const state = createGateState({ ownHosts: ownHostsOf(config) });
    const lease = createLease(clocks);
    const metrics = createGateMetrics({ hasLease: () => lease.isLive() });
    const { onOutcome, onUnanswered, onTurn, ...events } = createEvents(logger, metrics);
    const exchanges = openExchanges({ state, clock, lease, logger, metrics });
    const memory = createMemory({ state: alsoTelling(state, tls.clients), exchanges });
    const upstreams = openUpstreams(config);
    undo.push(async () => upstreams.close());
    const remote = { origins: config.controlPlanes, token: config.token, trust: openTrust(config) };
    const controlPlane = createControlPlane(remote);
    undo.push(async () => controlPlane.close());
    const attendance = createAttendance({
      ...{ ...remote, ...events, memory },
      hello: { process: processId, host: placeOf(config), version: readVersion(), key: key.publicHalf },
      backOff: createBackOff(),
      createKeeper: ({ sync, abandon }) =>
        createLeaseKeeper({ lease, clocks, clock, exchanges, sync, onSilence: abandon, onTurn }),
      onWelcome: (welcome, origin) => {
        events.onWelcome(welcome, origin);
        front.serve(welcome.scheme);
      },
      onApplied: (what) => events.onApplied(what, memory),
      onRevoked: () => exchanges.cutAll('lease_ended'),
    });
    undo.push(() => attendance.leave());
    const deciding = {
      ...{ state, clock, clocks, lease, key, attendance, controlPlane, memory },
      ...{ onOutcome, onUnanswered },
    };
    const unready = () => whyUnready({ memory, lease, attendance });
    const pages = createHealthPages(unready);
    const front = createFront({
      ...{ config, state, clock, exchanges, upstreams, controlPlane, logger, metrics },
      tls: tls.side,
      otherHosts: createOtherHosts(pages, () => memory.applied !== null),
      admissionsFor: (scheme) => createDecisions(deciding, scheme),
    });
    const { server } = front;
    const listening = await listen(server, config.listen);
    undo.push(async () => {
      exchanges.cutUpgraded('stopping');
      await stopListening({ server, close: async () => {} }, listening, () => exchanges.cutAll('stopping'));
    });
    if (config.metricsListen) undo.push(await serveMetrics(metrics, config.metricsListen, pages));
    const certificate =
      config.tls &&
      keyPair &&
      tls.side &&
      followCertificate({ files: config.tls, keyPair, tls: tls.side, clock, logger, metrics });
    if (certificate) undo.push(() => certificate.stop());
    undo.push(repeat(logger, MINUTE, async () => state.sweep(clock.now())));
    undo.push(repeat(logger, SECOND, async () => exchanges.sweep()));
    attendance.begin();
    return {
      ...{ processId, unready, over: attendance.over },
      reloadCertificate: async () => await certificate?.check(),
      close: giveBack,
    };
  } catch (error) {
    await giveBack();
    throw error;
  }
}

/** By what an operator knows this process. */
function placeOf({ listen: { port } }: GateConfig): string {
  return `${hostname()
    .replaceAll(/[^!-~]/g, '?')
    .slice(0, 240)}:${port}`;
}

/** What is let through without an application must lead neither here nor to the control plane. */
function ownHostsOf({ listen, controlPlanes }: GateConfig): string[] {
  return [listen.host, 'localhost', '127.0.0.1', ...controlPlanes.map((origin) => new URL(origin).host)];
}

function whyUnready(gate: { memory: Memory; lease: Lease; attendance: Attendance }): string | null {
  const { memory, lease, attendance } = gate;
  if (memory.applied === null) return 'the control plane was not reached yet';
  if (!lease.isLive()) return attendance.node ? 'no lease' : 'no lease: the control plane is away';
  return attendance.keeper.isSkewed() ? "the clock is more than 30 s from the control plane's" : null;
}
