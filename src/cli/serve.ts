import { once } from 'node:events';
import { type App, startApp } from '../app.ts';
import type { Config } from '../config.ts';
import { forwardAuthLines } from '../server/forward-auth-lines.ts';
import { createLogger } from '../server/logger.ts';
import { readVersion } from '../server/version.ts';

/** Runs the control plane and the gate in it until a signal; resolves with the exit code. */
export async function serveCommand(config: Config): Promise<number> {
  const logger = createLogger(config);
  const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  const app = await startApp(config, { logger });
  // Without a certificate the signal ends the process, as it always does.
  if (config.tls) process.on('SIGHUP', () => void app.reloadCertificate());
  greet(config, app);
  await stopped;
  logger.info('draining');
  await app.close();
  logger.info('stopped');
  return 0;
}

/** Where everything is. Never a secret. */
function greet(config: Config, app: App): void {
  const scheme = config.scheme;
  const lines = [
    `Portcullis ${readVersion()} is ready.`,
    `  API           ${config.publicUrl}/client/v4`,
    `  sign-in       ${scheme}://${app.teamDomain}`,
    `  keys          ${scheme}://${app.teamDomain}/cdn-cgi/access/certs`,
    `  metrics       ${config.metricsListen ? `http://${config.metricsListen.host}:${config.metricsListen.port}/metrics` : 'off'}`,
    ...forwardAuthLines(config),
    `  database      ${config.databaseUrl ? 'PostgreSQL' : `SQLite in ${config.data}`}`,
    `  credentials   ${app.credentialsFile}${app.isFirstStart ? ' (just made)' : ''}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
