import type { Config } from '../config.ts';

/**
 * The hosts under which this server itself is called, which no application can have: its public address, and
 * the listener's by the names it has on this machine.
 */
export function ownHosts({ listen, publicUrl }: Pick<Config, 'listen' | 'publicUrl'>): string[] {
  return [new URL(publicUrl).host, listen.host, 'localhost', '127.0.0.1'];
}
