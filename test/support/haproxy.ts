import { fileURLToPath } from 'node:url';
import { programIsMissing, runInForeground } from './foreground.ts';
import type { ProxyProgram } from './proxy.ts';

const pathOf = (name: string) => fileURLToPath(new URL(`../../docs/haproxy/${name}`, import.meta.url));

/** The real HAProxy with docs/haproxy/, which takes its values from the environment. */
export const haproxy: ProxyProgram = {
  name: 'HAProxy',
  isMissing: () => programIsMissing('haproxy', ['-v'], 'haproxy'),
  start: ({ port, team, application, applicationUpstream, gateUpstream }) =>
    runInForeground({
      program: 'haproxy',
      args: ['-db', '-f', pathOf('haproxy.cfg')],
      env: {
        ASK_SCRIPT: pathOf('portcullis.lua'),
        HTTP_LISTEN: `127.0.0.1:${port}`,
        TEAM_DOMAIN: `${team}:${port}`,
        APP_DOMAIN: `${application}:${port}`,
        APP_UPSTREAM: applicationUpstream,
        GATE_UPSTREAM: gateUpstream,
      },
      port,
    }),
};
