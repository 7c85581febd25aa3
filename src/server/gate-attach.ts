import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import type { GateProcessRow } from '../database/tables.ts';
import { type Attach, createAttach } from '../gates/attach.ts';
import { type AttachMessage, type GateCredential, serveAttachment } from '../gates/attachment.ts';
import type { Intercept } from '../http/listener.ts';
import { timestamp } from '../kernel/clock.ts';
import {
  dropProcess,
  findGateBySecret,
  gateLives,
  noteProcess,
  publishGateKey,
} from '../portcullis/gates/gates.ts';
import type { Control } from '../removal/act.ts';
import type { StateSource } from '../removal/feed.ts';
import type { Cluster } from './cluster.ts';

export interface GateAttachOptions {
  readonly config: Config;
  readonly control: Control;
  readonly cluster: Cluster;
  readonly nodeId: string;
  readonly sources: readonly StateSource[];
  readonly logger: Logger;
}

/** The door through which remote gates attach to this node. */
export function createGateAttach(options: GateAttachOptions): Attach {
  const { config, control, cluster, nodeId, sources, logger } = options;
  const { database, feed, clock } = control;
  const onFault = (error: unknown) => logger.warn({ err: error }, 'a gate could not be served');

  // By the message itself: a process that comes back before it was missed has said another one.
  const rows = new Map<AttachMessage, GateProcessRow>();

  const onAttaching = async (gate: GateCredential, said: AttachMessage) => {
    const { process: id, host, version, key } = said;
    await publishGateKey(control, gate, key);
    await cluster.nodeLease.ensureRow();
    const of = { gate_id: gate.id, account_id: gate.accountId, node_id: nodeId };
    const row = { id, ...of, kid: key.kid, host, version, attached_at: timestamp(clock.now()) };
    await database.write((tx) => noteProcess(tx, row));
    rows.set(said, row);
    logger.info({ gateId: gate.id, gate: gate.name, processId: id, host }, 'gate attached');
  };

  const onDetached = (said: AttachMessage) => {
    const row = rows.get(said);
    rows.delete(said);
    logger.info({ processId: said.process }, 'gate detached');
    if (row) database.write((tx) => dropProcess(tx, row)).catch(onFault);
  };

  // With a row that was gone, those of its gates were.
  cluster.onNewRow(() => {
    for (const row of rows.values()) database.write((tx) => noteProcess(tx, row)).catch(onFault);
  });

  return createAttach({
    isLive: () => cluster.lease.isLive(),
    authenticate: (secret) => findGateBySecret(database.reader, secret),
    onAttached: (socket, gate) =>
      serveAttachment(socket, gate, {
        ...{ hub: cluster.hub, database, feed, sources, clock, nodeId, onAttaching, onDetached, onFault },
        scheme: config.scheme,
        length: config.lease,
        lives: (snapshot, { id }) => gateLives(snapshot, id),
      }),
    onFault,
  });
}

/** The gates' door beside the hosts of applications. */
export function besideGates(intercept: Intercept, attach: Attach): Intercept {
  return {
    request: intercept.request,
    wantsUpgrade: (request) => intercept.wantsUpgrade(request) || attach.wantsUpgrade(request),
    upgrade: (request, socket, head) =>
      intercept.wantsUpgrade(request)
        ? intercept.upgrade(request, socket, head)
        : attach.upgrade(request, socket, head),
  };
}
