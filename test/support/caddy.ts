import { fileURLToPath } from 'node:url';
import { programIsMissing, runInForeground } from './foreground.ts';
import type { ProxyProgram } from './proxy.ts';

const CONFIGURATION = fileURLToPath(new URL('../../docs/caddy/Caddyfile', import.meta.url));

/** The real Caddy with docs/caddy/Caddyfile, which takes its values from the environment. */
export const caddy: ProxyProgram = {
  name: 'Caddy',
  isMissing: () => programIsMissing('caddy', ['version'], 'caddy'),
  start: ({ folder, port, team, application, applicationUpstream, gateUpstream }) =>
    runInForeground({
      program: 'caddy',
      args: ['run', '--adapter', 'caddyfile', '--config', CONFIGURATION],
      env: {
        HOME: folder,
        XDG_CONFIG_HOME: folder,
        XDG_DATA_HOME: folder,
        CADDY_ADMIN: 'off',
        TEAM_DOMAIN: `http://${team}:${port}`,
        APP_DOMAIN: `http://${application}:${port}`,
        APP_UPSTREAM: applicationUpstream,
        GATE_UPSTREAM: gateUpstream,
      },
      port,
    }),
};
