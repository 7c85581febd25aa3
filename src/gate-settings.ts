import { type Setting, type SettingName, settings } from './settings.ts';

/** What `portcullis gate` has in common with `portcullis serve`, word for word. */
const SHARED = [
  'tls-cert',
  'tls-key',
  'trusted-proxy',
  'forward-auth-secret',
  'upstream-ca-file',
  'upstream-timeout',
  'idle-timeout',
  'log-level',
] as const satisfies readonly SettingName[];

const OWN = [
  {
    name: 'control-plane',
    value: 'url',
    usual: 'none: it has to be given',
    describe:
      'Origin of the control plane, as https://access.example.com. Of several the gate follows one, and goes on to the next when that one fails.',
    many: true,
  },
  {
    name: 'token',
    value: 'text',
    usual: 'none: it has to be given',
    describe: 'The credential of this gate, as the control plane issued it.',
    secret: true,
  },
  {
    name: 'control-plane-ca-file',
    value: 'file',
    usual: 'none',
    describe:
      'Certificates, in PEM, of authorities that are trusted for the control plane beside those of the system.',
  },
  {
    name: 'listen',
    value: 'host:port',
    usual: '127.0.0.1:8788',
    describe: 'Where applications and forward-auth are served.',
  },
  {
    name: 'data',
    value: 'folder',
    usual: './gate-data',
    describe: "Folder of the gate's own signing key. Made if absent.",
  },
  {
    name: 'insecure-http',
    value: '',
    usual: 'false',
    describe:
      'Allows --listen beyond loopback without --tls-cert or a trusted proxy that ends TLS, and a --control-plane beyond loopback by http.',
    flag: true,
  },
  {
    name: 'metrics-listen',
    value: 'host:port',
    usual: '127.0.0.1:9465',
    describe: 'Where /metrics, /healthz and /readyz are served; `off` for nowhere.',
  },
] as const satisfies readonly Setting[];

export type GateSettingName = (typeof SHARED)[number] | (typeof OWN)[number]['name'];

type Named = Setting & { readonly name: GateSettingName };

/** Every setting of `portcullis gate`, in the order of docs/configuration.md, which is generated from this list. */
export const gateSettings: readonly Named[] = [
  ...OWN,
  ...SHARED.flatMap((name) => settings.filter((one): one is Named & typeof one => one.name === name)),
];
