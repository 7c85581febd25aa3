import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;
const NANOSECONDS = 1e9;

/**
 * The processor time that a process has taken so far, in seconds: user and system, all of its threads. Linux
 * only. Threads that have ended are missing from the fine count, so no server that is measured may end any.
 */
export function cpuSeconds(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const taken = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8'));
    return taken.reduce((sum, line) => sum + Number(line.split(' ', 1)[0]), 0) / NANOSECONDS;
  } catch {
    return cpuTicks(pid) / TICKS_PER_SECOND;
  }
}

/** The coarse count, where the kernel keeps no other. */
function cpuTicks(pid: number): number {
  const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [user, system] = line
    .slice(line.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return Number(user) + Number(system);
}

/** Resident memory of a process in megabytes (10⁶ bytes): now, and the most that it ever had. */
export function residentMegabytes(pid: number): { now: number; most: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const megabytes = (name: string) =>
    (Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024) / 1e6;
  return { now: megabytes('VmRSS'), most: megabytes('VmHWM') };
}
