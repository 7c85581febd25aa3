import type { Command } from 'commander';

/** One option of `portcullis probe`. */
export interface ProbeFlag {
  readonly name: string;
  /** Empty: a switch. */
  readonly value: string;
  readonly usual: string;
  readonly describe: string;
  readonly many?: boolean;
}

/** Every option, in the order of docs/probe.md. */
export const probeFlags: readonly ProbeFlag[] = [
  {
    name: 'token-file',
    value: 'file',
    usual: 'none; needed',
    describe: 'File with the API token, and nothing else.',
  },
  {
    name: 'base-url',
    value: 'url',
    usual: 'http://127.0.0.1:8787/client/v4',
    describe:
      'Address of the API, as `base_url` of the credentials file. The team domain is dialled there too.',
  },
  {
    name: 'account',
    value: 'id',
    usual: 'the only one that the token sees',
    describe: 'The account.',
  },
  {
    name: 'gate',
    value: 'url',
    usual: 'the control plane',
    describe: 'Origin of a gate, dialled by this address. May be given several times.',
    many: true,
  },
  {
    name: 'host',
    value: 'name',
    usual: 'probe. and the first zone of the account',
    describe: 'Host name of the probed application; no other application may have it.',
  },
  {
    name: 'ca-file',
    value: 'file',
    usual: 'the authorities of the system',
    describe: 'Certificates, in PEM, of the authorities of control plane and gates.',
  },
  {
    name: 'removal',
    value: 'delete|revoke',
    usual: 'delete',
    describe: 'What is probed: deleting a user, or revoking all of their tokens.',
  },
  {
    name: 'every',
    value: 'duration',
    usual: 'once',
    describe: 'Probes again and again, from start to start; such as `60s`, at least `1s`.',
  },
  {
    name: 'metrics-listen',
    value: 'host:port',
    usual: '127.0.0.1:9465',
    describe: 'Where /metrics is served, with --every; `off` for nowhere.',
  },
  {
    name: 'provider-listen',
    value: 'host:port',
    usual: '127.0.0.1:9471',
    describe: 'Where the probe listens as the identity provider.',
  },
  {
    name: 'provider-url',
    value: 'url',
    usual: 'http:// and --provider-listen',
    describe: 'Origin under which the control plane reaches it; beyond loopback it has to be https.',
  },
  {
    name: 'upstream-listen',
    value: 'host:port',
    usual: '127.0.0.1:9472',
    describe: 'Where the probe listens as the application.',
  },
  {
    name: 'upstream-url',
    value: 'url',
    usual: 'http:// and --upstream-listen',
    describe: 'Origin under which the gates reach it.',
  },
  {
    name: 'timeout',
    value: 'seconds',
    usual: '10',
    describe: 'How long each step before the removal may take.',
  },
  {
    name: 'watch',
    value: 'seconds',
    usual: '10',
    describe: 'How long after the removal an open connection is waited for to be cut; at least 2.',
  },
  { name: 'json', value: '', usual: 'a table', describe: 'Prints one JSON object for each run.' },
  {
    name: 'keep',
    value: '',
    usual: 'off',
    describe: 'Leaves application and identity provider in the account when it ends.',
  },
  {
    name: 'clean',
    value: '',
    usual: 'off',
    describe: 'Removes what the probe has made in the account, and probes nothing.',
  },
];

/** Declares the options; what commander does not know is left for readProbe to name. */
export function withProbeFlags(command: Command): Command {
  for (const { name, value, usual, describe, many } of probeFlags) {
    const flag = `--${name}${value ? ` <${value}>` : ''}`;
    const text = `${describe} Default: ${usual}.`;
    if (many) command.option(flag, text, (one: string, before: string[] = []) => [...before, one]);
    else command.option(flag, text);
  }
  return command.allowUnknownOption().allowExcessArguments();
}
