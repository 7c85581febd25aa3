import { Command } from 'commander';
import { withDeviceCommands } from './cli/device-commands.ts';
import { withProbeFlags } from './cli/probe-flags.ts';
import { readProbe } from './cli/probe-options.ts';
import { type Config, deviceProfileFile, readConfig } from './config.ts';
import { readGateConfig } from './gate-config.ts';
import { gateSettings } from './gate-settings.ts';
import { ApiError } from './kernel/errors.ts';
import { StartError } from './server/start-error.ts';
import { readVersion } from './server/version.ts';
import { type Setting, settings } from './settings.ts';

const UNUSABLE = 2;

/** argv to command. Each loads what it needs and no more: a gate has no use for a database, nor a client for either. */
async function main(): Promise<void> {
  const program = new Command('portcullis')
    .description('A self-hosted access control plane that speaks the Cloudflare v4 API.')
    .version(readVersion())
    .exitOverride(({ exitCode }) => finish(exitCode === 0 ? 0 : UNUSABLE));
  withSettings(program.command('serve'), 'Run the control plane and the gate.').action(
    (_options, command: Command) =>
      run(command.args, async (config) => (await import('./cli/serve.ts')).serveCommand(config)),
  );
  withSettings(
    program.command('gate'),
    'Run a gate alone, without a database, that follows a control plane.',
    gateSettings,
  ).action((_options, command: Command) => gate(command.args));
  const credentials = program.command('credentials').description('Credentials for the API.');
  withSettings(
    credentials.command('reset'),
    'New credentials for the first Super Administrator and a new account token; the old ones end.',
  ).action((_options, command: Command) =>
    run(command.args, async (config) => (await import('./cli/credentials.ts')).resetCommand(config)),
  );
  withSettings(credentials.command('issue'), 'A new Global API Key for a member; an earlier one ends.')
    .requiredOption('--email <e-mail>', 'the member')
    .action(({ email }: { email: string }, command: Command) =>
      run(command.args, async (config) => (await import('./cli/credentials.ts')).issueCommand(config, email)),
    );
  withSettings(
    program.command('restored'),
    'Says that the database was restored from an earlier state: all sessions end, and nobody signs in until --approve.',
  )
    .option('--approve', 'an administrator has read what is different: people may sign in again')
    .action(({ approve }: { approve?: true }, command: Command) =>
      run(command.args, async (config) => {
        const { approveCommand, restoredCommand } = await import('./cli/restored.ts');
        return await (approve ? approveCommand : restoredCommand)(config);
      }),
    );
  withProbeFlags(program.command('probe'))
    .description('Finds out from outside whether a removal ends access, at once and at every gate.')
    .action((options, command: Command) => probe(readProbe(options, command.args)));
  withDeviceCommands(
    program,
    () => deviceProfileFile(),
    (work) => end(() => work(stopSignal())),
  );
  await program.parseAsync();
}

/**
 * Lists the settings in the help without declaring them: what commander does not know it passes on, and
 * config.ts reads it all, so that every problem is named at once.
 */
function withSettings(command: Command, description: string, own: readonly Setting[] = settings): Command {
  const lines = own.map(({ name, value, describe, usual }) => {
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

async function gate(args: readonly string[]): Promise<void> {
  const reading = readGateConfig(args);
  if (!reading.ok) return finish(UNUSABLE, reading.problems.join('\n'));
  await end(async () => (await import('./cli/gate.ts')).gateCommand(reading.config));
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
  const stop = stopSignal();
  const { probeCommand } = await import('./cli/probe.ts');
  await end(() => probeCommand(asked, stop));
}

/** Aborted when the process is told to end. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stop.abort());
  return stop.signal;
}

/** The only exit: whatever the process was asked for is done. */
function finish(code: number, message?: string): never {
  if (message) process.stderr.write(`${message}\n`);
  process.exit(code);
}

await main();
