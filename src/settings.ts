/** One setting of the server: its flag, `PORTCULLIS_…` variable and key in the config file share its name. */
export interface Setting {
  readonly name: string;
  readonly value: string;
  readonly usual: string;
  readonly describe: string;
  /** May be given several times, or as a comma-separated list. */
  readonly many?: boolean;
  /** A switch: the flag alone means true. */
  readonly flag?: boolean;
  /** Can also be read from the file named by the same setting with `-file` (variable: `_FILE`). */
  readonly secret?: boolean;
}

/** Every setting, in the order of docs/configuration.md, which is generated from this list. */
export const settings = [
  {
    name: 'listen',
    value: 'host:port',
    usual: '127.0.0.1:8787',
    describe: 'Where the API, sign-in and forward-auth are served.',
  },
  {
    name: 'tls-cert',
    value: 'file',
    usual: 'none: plain HTTP',
    describe:
      'PEM file of a certificate and the chain above it. With --tls-key, --listen speaks HTTPS alone: HTTP/2 and HTTP/1.1. Read again whenever it changes, and after SIGHUP.',
  },
  {
    name: 'tls-key',
    value: 'file',
    usual: 'none',
    describe: 'PEM file of the private key of --tls-cert, not encrypted.',
  },
  {
    name: 'data',
    value: 'folder',
    usual: './data',
    describe: 'Folder of the embedded database, the credentials file and the master key. Made if absent.',
  },
  {
    name: 'database-url',
    value: 'url',
    usual: 'the SQLite file portcullis.db in the data folder',
    describe: 'A postgres:// URL switches to PostgreSQL.',
    secret: true,
  },
  {
    name: 'team-domain',
    value: 'host[:port]',
    usual: 'team.localhost with the port of --listen',
    describe:
      'Team domain of the first account, where people sign in. Used at the first start; afterwards the database rules and a differing value is an error.',
  },
  {
    name: 'public-url',
    value: 'url',
    usual: 'http://, or with --tls-cert https://, and --listen',
    describe:
      'Origin under which API clients reach this server. Its scheme is also that of the team domains.',
  },
  {
    name: 'admin-email',
    value: 'e-mail',
    usual: 'admin@example.com',
    describe: 'E-mail of the first Super Administrator. Used at the first start only.',
  },
  {
    name: 'zone',
    value: 'name',
    usual: 'localhost',
    describe: 'Name of the first zone. Used at the first start only.',
  },
  {
    name: 'master-key-file',
    value: 'file',
    usual: 'master.key in the data folder',
    describe:
      'The key that encrypts signing keys and provider secrets in the database. Made at the first start.',
  },
  {
    name: 'trusted-proxy',
    value: 'CIDR',
    usual: 'none',
    describe: 'Address of a proxy whose X-Forwarded-* headers are believed. Nobody is by default.',
    many: true,
  },
  {
    name: 'forward-auth-secret',
    value: 'text',
    usual: 'none',
    describe:
      'A secret that a proxy may send as X-Portcullis-Forward-Auth-Secret to use forward-auth from any address. At least 32 characters.',
    secret: true,
  },
  {
    name: 'smtp',
    value: 'url',
    usual: 'none: no one-time PINs',
    describe:
      'Mail server for one-time PINs: `smtp://user@host:587`, which must offer STARTTLS unless it is on loopback, or `smtps://user@host:465`. Needs --mail-from.',
  },
  {
    name: 'smtp-password',
    value: 'text',
    usual: 'none',
    describe: 'The password of the user that --smtp names.',
    secret: true,
  },
  {
    name: 'mail-from',
    value: 'e-mail',
    usual: 'none',
    describe: 'Sender of the mails, an address that --smtp may send from.',
  },
  {
    name: 'upstream-ca-file',
    value: 'file',
    usual: 'none',
    describe:
      'Certificates, in PEM, of authorities that are trusted for https upstreams beside those of the system.',
  },
  {
    name: 'upstream-timeout',
    value: 'seconds',
    usual: '60',
    describe: 'How long an application may take to begin its answer.',
  },
  {
    name: 'idle-timeout',
    value: 'seconds',
    usual: '3600',
    describe:
      'How long a request, answer, stream or upgraded connection of the built-in proxy may rest with nothing passing either way.',
  },
  {
    name: 'insecure-http',
    value: '',
    usual: 'false',
    describe: 'Allows --listen beyond loopback without --tls-cert or a trusted proxy that ends TLS.',
    flag: true,
  },
  {
    name: 'lease',
    value: 'seconds',
    usual: '5',
    describe:
      'How long a node, or a gate, may decide without a word from the database, or from its node; from 1 to 60. A removal waits at most a fifth longer for one that is gone.',
  },
  {
    name: 'notifications',
    value: 'on|off',
    usual: 'on',
    describe:
      'Whether nodes on one PostgreSQL wake each other with LISTEN and NOTIFY. Off for connection poolers that cannot: they poll instead.',
  },
  {
    name: 'metrics-listen',
    value: 'host:port',
    usual: '127.0.0.1:9464',
    describe: 'Where /metrics is served; `off` for nowhere.',
  },
  {
    name: 'rate-limit',
    value: 'requests',
    usual: '1200',
    describe: 'API requests per five minutes and credential; `off` for no limit.',
  },
  {
    name: 'request-log-days',
    value: 'days',
    usual: '30',
    describe: 'How long the request log keeps a line; at most 9999.',
  },
  {
    name: 'request-log-lines',
    value: 'lines',
    usual: '1000000',
    describe:
      'How many lines the request log keeps for an account: so many of visitors who proved to be somebody, and so many of all others. The oldest go.',
  },
  {
    name: 'log-level',
    value: 'level',
    usual: 'info',
    describe: 'fatal, error, warn, info, debug, trace or silent.',
  },
] as const satisfies readonly Setting[];

export type SettingName = (typeof settings)[number]['name'];
