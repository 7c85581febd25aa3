import { closeSync, fchmodSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { randomHex } from '../kernel/crypto.ts';

/** Writes a file that its owner alone can read, whole or not at all, and on disk before this returns. */
export function writePrivately(file: string, text: string): void {
  // A name that nobody knows before, and no file that is there: a link that waits under it would lead elsewhere.
  const fresh = `${file}.${randomHex(8)}.new`;
  const handle = openSync(fresh, 'wx', 0o600);
  try {
    fill(handle, text);
    renameSync(fresh, file);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
  syncFolder(path.dirname(file));
}

function fill(handle: number, text: string): void {
  try {
    fchmodSync(handle, 0o600);
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** The same for a file that is written once: whoever comes second leaves it as whoever came first wrote it. */
export function writeFirst(file: string, text: string): void {
  const own = `${file}.${randomHex(8)}`;
  writePrivately(own, text);
  try {
    linkSync(own, file);
  } catch (error) {
    // Where there are no links, nobody else is there either: such a folder is no shared one.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') renameSync(own, file);
  } finally {
    rmSync(own, { force: true });
  }
  syncFolder(path.dirname(file));
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
