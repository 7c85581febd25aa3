import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import type { Cores } from './cores.ts';

/** Where the numbers were made. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memory_gb: number;
  readonly system: string;
  readonly pinning: string;
}

export function describeMachine(cores: Cores): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memory_gb: Math.round(totalmem() / 1e9),
    system: `${type()} ${release()}`,
    pinning: cores.says,
  };
}

/** Of what is always there; a bench adds its peers. */
export function ownVersions(): Record<string, string> {
  return {
    portcullis: versionIn(new URL('../../package.json', import.meta.url)),
    node: process.versions.node,
    sqlite: process.versions.sqlite ?? 'unknown',
  };
}

/** The version of an installed package, from its manifest. */
export function packageVersion(name: string): string {
  return versionIn(new URL(`../../node_modules/${name}/package.json`, import.meta.url));
}

function versionIn(file: URL): string {
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
