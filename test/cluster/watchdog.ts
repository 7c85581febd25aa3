/**
 * Ends what its starter started, and removes its folders, when its standard input closes: the operating system does
 * that however the starter ended, kill -9 included. Reads lines: `+PID`, `-PID`, `/FOLDER`.
 */
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

const pids = new Set<number>();
const folders: string[] = [];

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
for await (const line of createInterface(process.stdin)) {
  if (line.startsWith('+')) pids.add(Number(line.slice(1)));
  else if (line.startsWith('-')) pids.delete(Number(line.slice(1)));
  else if (line.startsWith('/')) folders.push(line);
}
for (const pid of pids) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
