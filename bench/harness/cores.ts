import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/** Where processes run: servers on one core, alone, and what asks them on another. */
export interface Cores {
  /** null: not pinned. */
  readonly server: number | null;
  readonly load: number | null;
  readonly says: string;
}

/** The last core for servers and the first for load; nothing is pinned where that cannot be had. */
export function chooseCores(): Cores {
  const allowed = allowedCores();
  const hasTaskset = spawnSync('taskset', ['--version'], { stdio: 'ignore' }).status === 0;
  const [load, ...others] = allowed;
  const server = others.at(-1);
  if (!hasTaskset || load === undefined || server === undefined) {
    const why = hasTaskset ? 'there is only one core' : 'there is no taskset';
    return { server: null, load: null, says: `not pinned: ${why}` };
  }
  return { server, load, says: `servers on core ${server}, load on core ${load}` };
}

/**
 * Keeps a process, all of its threads and those that they start, on one core. Done when it listens and not before:
 * what it takes to start is nobody's measurement, and is quicker on all of them.
 */
export function pin(pid: number, core: number | null): void {
  if (core === null) return;
  const { status, stderr } = spawnSync('taskset', ['-a', '-c', '-p', String(core), String(pid)]);
  if (status !== 0) throw new Error(`process ${pid} cannot be pinned: ${stderr}`);
}

/** `0-2,5` as the kernel writes it. */
function allowedCores(): number[] {
  if (!existsSync('/proc/self/status')) return [];
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  return list.split(',').flatMap((part) => {
    const [from = 0, to = from] = part.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, at) => from + at);
  });
}
