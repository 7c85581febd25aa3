import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const CONFIGURATION = fileURLToPath(new URL('../../docs/caddy/Caddyfile', import.meta.url));

/** Why the tests with Caddy cannot run here, or false. */
export function caddyIsMissing(): string | false {
  const found = spawnSync('caddy', ['version']).status === 0;
  return found ? false : 'caddy is not installed (Debian: apt-get install caddy)';
}

/** A running Caddy. */
export interface Caddy extends AsyncDisposable {
  stop(): Promise<void>;
}

export interface CaddyOptions {
  /** Caddy's own files, so that it touches nobody else's. */
  folder: string;
  /** The placeholders of the configuration. */
  values: Readonly<Record<'TEAM_DOMAIN' | 'APP_DOMAIN' | 'APP_UPSTREAM' | 'GATE_UPSTREAM', string>>;
}

/** Runs the real Caddy with the configuration that docs/ publishes; returns when it serves. */
export async function startCaddy({ folder, values }: CaddyOptions): Promise<Caddy> {
  const places = { HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder, CADDY_ADMIN: 'off' };
  const child = spawn('caddy', ['run', '--adapter', 'caddyfile', '--config', CONFIGURATION], {
    env: { ...process.env, ...places, ...values },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'exit');
  const lines: string[] = [];
  const serving = new Promise<void>((resolve) => {
    createInterface(child.stderr).on('line', (line) => {
      lines.push(line);
      if (line.includes('serving initial configuration')) resolve();
    });
  });
  const failed = ended.then(() => Promise.reject(new Error(`caddy does not start:\n${lines.join('\n')}`)));
  await Promise.race([serving, failed]);
  failed.catch(() => {});
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  return { stop, [Symbol.asyncDispose]: stop };
}
