import { setTimeout as pause } from 'node:timers/promises';
import type { Way } from './cable.ts';
import type { ClusterNode, Estate, RemoteGate } from './estate.ts';
import type { History } from './history.ts';
import type { Managed } from './processes.ts';
import type { Random } from './random.ts';

/** Something that goes wrong, and is put right again. */
export interface Fault {
  readonly name: string;
  /** Who may answer badly because of it. */
  readonly touches: readonly string[];
  strike(): Promise<void> | void;
  heal(): Promise<void> | void;
}

export type FaultKind =
  | 'kill node'
  | 'freeze node'
  | 'part node from database'
  | 'slow database'
  | 'kill gate'
  | 'freeze gate'
  | 'part gate'
  | 'slow gate'
  | 'kill database'
  | 'fail over'
  | 'node clock'
  | 'gate clock';

/** Those that can be done to this estate again and again. */
export function possibleFaults({ gates, nodes }: Estate): FaultKind[] {
  const ofGates = ['kill gate', 'freeze gate', 'part gate', 'slow gate'] as const;
  return [
    ...(['kill node', 'freeze node', 'part node from database', 'slow database', 'kill database'] as const),
    ...(gates.length > 0 ? ofGates : []),
    ...(nodes.some(({ clock }) => clock) ? (['node clock'] as const) : []),
    ...(gates.some(({ clock }) => clock) ? (['gate clock'] as const) : []),
  ];
}

const WAYS: readonly (readonly Way[])[] = [['there', 'back'], ['there'], ['back']];

/** One fault of that kind, its target chosen by chance. */
export function makeFault(estate: Estate, random: Random, kind: FaultKind): Fault {
  const node = random.pick(estate.nodes);
  switch (kind) {
    case 'kill node':
      return killing(node.process, touchedBy(estate, node));
    case 'freeze node':
      return freezing(node.process, touchedBy(estate, node));
    case 'part node from database':
      return partingNode(node, random.pick(WAYS), touchedBy(estate, node));
    case 'slow database':
      return slowing('slow database', [node.cable], [node.name]);
    case 'kill database':
      return killing(estate.database.primary, ['database']);
    case 'fail over':
      return failingOver(estate);
    case 'node clock':
      return settingClock(clocked(estate.nodes), random);
    case 'gate clock':
      return settingClock(clocked(estate.gates), random);
    default:
      return ofGate(kind, random.pick(estate.gates), random);
  }
}

function ofGate(kind: FaultKind, gate: RemoteGate, random: Random): Fault {
  switch (kind) {
    case 'kill gate':
      return killing(gate.process, [gate.name]);
    case 'freeze gate':
      return freezing(gate.process, [gate.name]);
    case 'slow gate':
      return slowing('slow gate', gate.cables, [gate.name]);
    default:
      return partingGate(gate, random.pick(WAYS));
  }
}

/** A gate that follows this node may have to find another one first. */
function touchedBy({ gates }: Estate, { name }: ClusterNode): string[] {
  return gates.length > 0 ? [name, 'all gates'] : [name];
}

/** SIGKILL; started again with the same settings. */
export function killing(process: Managed, touches: readonly string[]): Fault {
  return {
    name: `kill ${process.name}`,
    touches,
    strike: () => process.kill(),
    heal: () => process.start(),
  };
}

/** SIGSTOP, and SIGCONT. */
export function freezing(process: Managed, touches: readonly string[]): Fault {
  return {
    name: `freeze ${process.name}`,
    touches,
    strike: () => process.freeze(),
    heal: () => process.thaw(),
  };
}

function partingNode({ name, cable }: ClusterNode, ways: readonly Way[], touches: readonly string[]): Fault {
  return {
    name: `part ${name} from the database (${ways.join(' and ')})`,
    touches,
    strike: () => cable.block(...ways),
    heal: () => cable.heal(),
  };
}

/** From all nodes. */
export function partingGate({ name, cables }: RemoteGate, ways: readonly Way[]): Fault {
  return {
    name: `part ${name} from all nodes (${ways.join(' and ')})`,
    touches: [name],
    strike: () => {
      for (const cable of cables) cable.block(...ways);
    },
    heal: () => {
      for (const cable of cables) cable.heal();
    },
  };
}

/** Milliseconds, each way. */
const SLOWER = 20;

function slowing(
  name: string,
  cables: ClusterNode['cable'][] | RemoteGate['cables'],
  touches: string[],
): Fault {
  return {
    name: `${name} of ${touches[0]}`,
    touches,
    strike: () => {
      for (const cable of cables) cable.delay(SLOWER);
    },
    heal: () => {
      for (const cable of cables) cable.heal();
    },
  };
}

function clocked<T extends { readonly clock: unknown }>(doors: readonly T[]): T {
  const found = doors.find(({ clock }) => clock !== null);
  if (!found) throw new TypeError('there is no clock that can be set');
  return found;
}

/** A step of up to twenty seconds, or a rate that is wrong by up to a half. The monotonic clock stays right. */
function settingClock({ name, clock }: ClusterNode | RemoteGate, random: Random): Fault {
  const isStep = random.chance(0.5);
  const step = Math.round(random.between(-20, 20));
  const rate = Number(random.between(0.5, 1.5).toFixed(2));
  return {
    name: isStep ? `step the clock of ${name} by ${step} s` : `run the clock of ${name} at ${rate}`,
    touches: [name],
    strike: () => clock?.set(isStep ? step : 0, isStep ? 1 : rate),
    heal: () => clock?.set(0),
  };
}

/** The primary dies for good, and the standby takes over. It heals as soon as it has struck. */
export function failingOver(estate: Estate): Fault {
  return {
    name: 'fail over to the standby',
    touches: ['database'],
    strike: async () => {
      const port = await estate.database.failOver();
      for (const { cable } of estate.nodes) cable.lead(port);
    },
    heal: () => {},
  };
}

/** Strikes, waits so many milliseconds, heals, and tells the history. Heals however it ends. */
export async function suffer(history: History, fault: Fault, milliseconds: number): Promise<void> {
  const begin = history.now();
  try {
    await fault.strike();
    await pause(milliseconds);
  } finally {
    await fault.heal();
    const { name, touches } = fault;
    history.add({ kind: 'fault', name, touches, begin, healed: history.now() });
  }
}
