import { once } from 'node:events';
import { isIP } from 'node:net';
import type { End } from '../follower/stream.ts';
import { startGate } from '../gate-app.ts';
import type { GateConfig } from '../gate-config.ts';
import { forwardAuthLines } from '../server/forward-auth-lines.ts';
import { createLogger } from '../server/logger.ts';
import { readVersion } from '../server/version.ts';
import type { Listen } from '../setting-values.ts';

/** The credential is gone: another start with it would end the same way. */
const REVOKED = 1;
/** The two programs do not understand each other. */
const UNUSABLE = 2;

/** Runs a gate that follows a control plane until a signal; resolves with the exit code. */
export async function gateCommand(config: GateConfig): Promise<number> {
  const logger = createLogger(config);
  const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]).then(() => null);
  const gate = await startGate(config, { logger });
  // Without a certificate the signal ends the process, as it always does.
  if (config.tls) process.on('SIGHUP', () => void gate.reloadCertificate());
  greet(config);
  const end = await Promise.race([stopped, gate.over]);
  if (end) {
    logger.fatal({ why: end.why }, wordsFor(end));
    process.stderr.write(`${wordsFor(end)}: ${end.why}\n`);
    // Nothing is decided any more, so there is nothing to finish.
    return end.kind === 'revoked' ? REVOKED : UNUSABLE;
  }
  logger.info('draining');
  await gate.close();
  logger.info('stopped');
  return 0;
}

function wordsFor({ kind }: End): string {
  return kind === 'revoked'
    ? 'the control plane does not accept the credential of this gate (any more)'
    : 'the control plane speaks another version of the protocol of gates';
}

/** Where everything is. Never a secret. */
function greet(config: GateConfig): void {
  const origin = originOf(config.listen, config.tls ? 'https' : 'http');
  const { metricsListen } = config;
  const lines = [
    `Portcullis gate ${readVersion()} is running.`,
    `  applications  ${origin}`,
    `  follows       ${config.controlPlanes.join(', ')}`,
    `  metrics       ${metricsListen ? `${originOf(metricsListen, 'http')}/metrics, /readyz` : 'off'}`,
    ...forwardAuthLines({ ...config, publicUrl: origin }),
    `  key           in ${config.data}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function originOf({ host, port }: Listen, scheme: 'http' | 'https'): string {
  return `${scheme}://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}
