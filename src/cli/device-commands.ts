import type { Command } from 'commander';
import type { InProfile } from './device.ts';

/** Ends the process with what the work answers. */
type Run = (work: (stop: AbortSignal) => Promise<number>) => Promise<void>;

type Commands = typeof import('./device.ts');

interface Options {
  readonly profile?: string;
}

/**
 * Declares `portcullis device …`. What they need is loaded when one is run, and is no part of the server. `usual` is
 * where the key is kept unless --profile says; null if there is no such place.
 */
export function withDeviceCommands(program: Command, usual: () => string | null, run: Run): void {
  const device = program.command('device').description('This machine as a device of a person.');
  const command = (name: string, description: string) =>
    device
      .command(name)
      .description(description)
      .option(
        '--profile <file>',
        'where this device keeps its key (default: ~/.config/portcullis/device.json)',
      );
  const act = <T extends Options>(
    { profile, ...options }: T,
    work: (commands: Commands, options: Omit<T, 'profile'> & InProfile, stop: AbortSignal) => Promise<void>,
  ) =>
    run(async (stop) => {
      const commands = await import('./device.ts');
      return await commands.deviceCommand(() =>
        work(commands, { ...options, profile: commands.needPlace(profile ?? usual()) }, stop),
      );
    });
  command('enroll', 'Enrols this machine: makes a key, and has you sign in in a browser.')
    .requiredOption('--team <url>', 'the team domain, such as https://team.example.com')
    .option('--name <name>', 'what the device is called (default: the name of this machine)')
    .option('--insecure-http', 'allow http to another machine, for a test')
    .action((options: Options & { team: string; name?: string; insecureHttp?: true }) =>
      act(options, (commands, asked, stop) => commands.enroll(asked, stop)),
    );
  command('login', 'Signs you in on this device again.').action((options: Options) =>
    act(options, (commands, asked, stop) => commands.login(asked, stop)),
  );
  command('status', 'Says who this device is, and until when.').action((options: Options) =>
    act(options, (commands, asked, stop) => commands.status(asked, stop)),
  );
  command('report', 'Tells the team domain what this machine is now.').action((options: Options) =>
    act(options, (commands, asked, stop) => commands.report(asked, stop)),
  );
  command('proof <method> <url>', 'Prints a proof of one request, good for a minute and once.')
    .option('--header', 'with the name of its header, as curl -H takes it')
    .action((method: string, url: string, options: Options & { header?: true }) =>
      act(options, (commands, asked) => commands.proof(asked, { method, url })),
    );
  command('remove', 'Forgets the key of this device.').action((options: Options) =>
    act(options, (commands, asked) => commands.remove(asked)),
  );
}
