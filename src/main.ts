import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { type App, createLogger, startApp } from './app.ts';
import { issueCommand, resetCommand } from './cli/credentials.ts';
import { withProbeFlags } from './cli/probe-flags.ts';
import { readProbe } from './cli/probe-options.ts';
import { approveCommand, restoredCommand } from './cli/restored.ts';
import { type Config, readConfig } from './config.ts';
import { ApiError } from './kernel/errors.ts';
import { forwardAuthLines } from './server/forward-auth-lines.ts';
import { StartError } from './server/start-error.ts';
import { settings } from './settings.ts';

const UNUSABLE = 2;

/** argv to command. */
async function main(): Promise<void> {
  const program = new Command('portcullis')
    .description('A self-hosted access control plane that speaks the Cloudflare v4 API.')
    .version(version())
    .exitOverride(({ exitCode }) => finish(exitCode === 0 ? 0 : UNUSABLE));
  withSettings(program.command('serve'), 'Run the control plane and the gate.').action(
    (_options, command: Command) => run(command.args, serve),
  );
  const credentials = program.command('credentials').description('Credentials for the API.');
  withSettings(
    credentials.command('reset'),
    'New credentials for the first Super Administrator and a new account token; the old ones end.',
  ).action((_options, command: Command) => run(command.args, resetCommand));
  withSettings(credentials.command('issue'), 'A new Global API Key for a member; an earlier one ends.')
    .requiredOption('--email <e-mail>', 'the member')
    .action(({ email }: { email: string }, command: Command) =>
      run(command.args, (config) => issueCommand(config, email)),
    );
  withSettings(
    program.command('restored'),
    'Says that the database was restored from an earlier state: all sessions end, and nobody signs in until --approve.',
  )
    .option('--approve', 'an administrator has read what is different: people may sign in again')
    .action(({ approve }: { approve?: true }, command: Command) =>
      run(command.args, approve ? approveCommand : restoredCommand),
    );
  withProbeFlags(program.command('probe'))
    .description('Finds out from outside whether a removal ends access, at once and at every gate.')
    .action((options, command: Command) => probe(readProbe(options, command.args)));
  await program.parseAsync();
}

/**
 * Lists the settings in the help without declaring them: what commander does not know it passes on, and
 * config.ts reads it all, so that every problem is named at once.
 */
function withSettings(command: Command, description: string): Command {
  const lines = settings.map(({ name, value, describe, usual }) => {
    const flag = `--${name}${value ? ` <${value}>` : ''}`;
    return `  ${flag}\n      ${describe} Default: ${usual}.`;
  });
  return command
    .description(description)
    .allowUnknownOption()
    .allowExcessArguments()
    .passThroughOptions(false)
    .addHelpText(
      'after',
      `\nSettings, also as PORTCULLIS_… in the environment and as keys of the JSON file named by --config:\n${lines.join('\n')}`,
    );
}

async function run(args: readonly string[], work: (config: Config) => Promise<number>): Promise<void> {
  const reading = readConfig(args);
  if (!reading.ok) return finish(UNUSABLE, reading.problems.join('\n'));
  await end(() => work(reading.config));
}

/** Runs a command to its end; why one cannot start is told as it is. */
async function end(command: () => Promise<number>): Promise<void> {
  try {
    finish(await command());
  } catch (error) {
    if (!(error instanceof StartError) && !(error instanceof ApiError)) throw error;
    finish(UNUSABLE, error.message);
  }
}

async function probe(asked: ReturnType<typeof readProbe>): Promise<void> {
  if (!asked.ok) return finish(UNUSABLE, asked.problems.join('\n'));
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stop.abort());
  // It is a client, and needs other modules than a server.
  const { probeCommand } = await import('./cli/probe.ts');
  await end(() => probeCommand(asked, stop.signal));
}

/** The only exit: whatever the process was asked for is done. */
function finish(code: number, message?: string): never {
  if (message) process.stderr.write(`${message}\n`);
  process.exit(code);
}

async function serve(config: Config): Promise<number> {
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
    `Portcullis ${version()} is ready.`,
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

function version(): string {
  const file = new URL('../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

await main();
