import { existsSync, writeFileSync } from 'node:fs';

/** The wall clock of one process, which can be set while it runs. Its monotonic clock is left alone. */
export interface FakeClock {
  readonly env: Readonly<Record<string, string>>;
  /** Moves it by so many seconds from the true time, and lets it run at this rate. */
  set(seconds: number, rate?: number): void;
}

const LIBRARIES = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1',
];

/** Why clocks cannot be set here, or false. */
export function clocksCannotBeSet(): string | false {
  return LIBRARIES.some(existsSync)
    ? false
    : 'libfaketime is not installed (Debian: apt-get install faketime)';
}

/** Uses this file to tell the process what time it is; null where that cannot be done. */
export function clockOf(file: string): FakeClock | null {
  const library = LIBRARIES.find(existsSync);
  if (library === undefined) return null;
  const made = performance.now();
  const set = (seconds: number, rate = 1) => {
    // The library counts a rate from the start of the process: that it begins now alone is the offset's doing.
    const offset = seconds + ((performance.now() - made) / 1000) * (1 - rate);
    writeFileSync(file, `${offset < 0 ? '' : '+'}${offset.toFixed(3)} x${rate}\n`);
  };
  set(0);
  return {
    set,
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: '1',
      DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
  };
}
