import { environment } from './config.ts';
import { type GateSettingName, gateSettings } from './gate-settings.ts';
import type { Cidr } from './kernel/address.ts';
import { isSecret } from './kernel/ids.ts';
import {
  isLoopback,
  type KeyPairFiles,
  LEVELS,
  type Listen,
  readCidrs,
  readKeyPair,
  readLevel,
  readListen,
  readLongSecret,
  readOptionalListen,
  readOptionalPath,
  readOrigin,
  readPath,
  readSeconds,
  refuseOpenHttp,
} from './setting-values.ts';
import { type Given, type Interpreting, type Reading, readSettings } from './settings-reader.ts';

/** Everything a remote gate is told from outside, checked and frozen. */
export interface GateConfig {
  /** Origins, at least one. */
  readonly controlPlanes: readonly string[];
  readonly token: string;
  readonly controlPlaneCaFile: string | null;
  readonly listen: Listen;
  /** null: plain HTTP. */
  readonly tls: KeyPairFiles | null;
  readonly data: string;
  readonly trustedProxies: readonly Cidr[];
  readonly forwardAuthSecret: string | null;
  readonly upstreamCaFile: string | null;
  /** Milliseconds. */
  readonly upstreamTimeout: number;
  /** Milliseconds. */
  readonly idleTimeout: number;
  readonly metricsListen: Listen | null;
  readonly logLevel: string;
}

/** Reads the settings of `portcullis gate`. */
export function readGateConfig(argv: readonly string[], env = environment()): Reading<GateConfig> {
  return readSettings(gateSettings, { argv, env }, interpret);
}

const LISTEN: Listen = { host: '127.0.0.1', port: 8788 };

function interpret({ given, ask, problems }: Interpreting<GateSettingName>): GateConfig {
  const listen = ask('listen', `${LISTEN.host}:${LISTEN.port}`, readListen, 'must be host:port') ?? LISTEN;
  const trustedProxies = ask('trusted-proxy', '', readCidrs, 'must be addresses or CIDR blocks') ?? [];
  refuseOpenHttp(given, { listen, trustedProxies }, problems);
  const seconds = 'must be seconds, from 1 to 86400';
  return {
    controlPlanes: readControlPlanes(given, problems),
    token: readToken(given, problems),
    controlPlaneCaFile: ask('control-plane-ca-file', 'none', readOptionalPath, 'must be a file') || null,
    listen,
    tls: readKeyPair(given, problems),
    data: ask('data', './gate-data', readPath, 'must be a folder'),
    trustedProxies,
    forwardAuthSecret:
      ask('forward-auth-secret', '', readLongSecret, 'must have at least 32 characters') || null,
    upstreamCaFile: ask('upstream-ca-file', 'none', readOptionalPath, 'must be a file') || null,
    upstreamTimeout: ask('upstream-timeout', '60', readSeconds, seconds),
    idleTimeout: ask('idle-timeout', '3600', readSeconds, seconds),
    metricsListen:
      ask('metrics-listen', '127.0.0.1:9465', readOptionalListen, 'must be host:port or off') || null,
    logLevel: ask('log-level', 'info', readLevel, `must be one of ${LEVELS.join(', ')}`),
  };
}

/** Whoever reads the stream reads every session, and whoever writes it admits whom they like. */
function readControlPlanes(given: Given, problems: string[]): string[] {
  const entry = given.get('control-plane');
  const texts = (entry?.value ?? '').split(',').map((text) => text.trim());
  const isOpen = given.get('insecure-http')?.value === 'true';
  return texts.flatMap((text) => {
    const origin = readOrigin(text);
    const problem =
      origin === null
        ? 'must be an http or https origin without a path'
        : isSafe(origin) || isOpen
          ? null
          : 'http is for loopback alone: give an https origin, or say --insecure-http';
    if (problem !== null) problems.push(`${entry?.from ?? '--control-plane'}: ${problem}`);
    return origin === null ? [] : [origin];
  });
}

function isSafe(origin: string): boolean {
  const { protocol, hostname } = new URL(origin);
  return protocol === 'https:' || isLoopback(hostname.replace(/^\[|\]$/g, ''));
}

/** Whether it is one that lives, the control plane knows. */
function readToken(given: Given, problems: string[]): string {
  const entry = given.get('token');
  const token = entry?.value ?? '';
  if (!entry) problems.push('--token: give the credential of this gate, or its file by --token-file');
  else if (!isSecret(token, ['pcg'])) problems.push(`${entry.from}: is not the credential of a gate`);
  return token;
}
