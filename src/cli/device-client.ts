import { randomSecret } from '../kernel/crypto.ts';
import { isObject } from '../kernel/result.ts';
import { type Answered, send } from '../probe/send.ts';
import { type DevicePrivateJwk, makeDeviceProof, PROOF_HEADER } from '../protocol/device-proof.ts';
import { COULD_NOT, DeviceFailed, REFUSED } from './device-failed.ts';

/** What a device asks with: its key, at a team domain. */
export interface DeviceClient {
  /** Origin. */
  readonly team: string;
  readonly key: DevicePrivateJwk;
  /** Milliseconds since the epoch, by the clock of this device. */
  readonly now: () => number;
  readonly stop: AbortSignal;
}

/** What the team domain said no with. */
export class Refused extends Error {
  readonly reason: string;
  readonly description: string;

  constructor(reason: string, description: string) {
    super(reason);
    this.name = 'Refused';
    this.reason = reason;
    this.description = description;
  }
}

/** Nothing was answered, or that now is not the time: it may help to ask again. */
export class Unreachable extends Error {}

const ANSWER_WITHIN = 15_000;

/**
 * Asks an endpoint of devices, with a proof of this request. Throws Refused with the server's reason, Unreachable, or
 * DeviceFailed for what is no answer of a team domain.
 */
export async function askTeam(
  client: DeviceClient,
  { method, path, body }: { method: 'GET' | 'POST'; path: string; body?: object },
): Promise<Record<string, unknown>> {
  const { team, key, now, stop } = client;
  const url = new URL(`/cdn-cgi/access/device/${path}`, team);
  const proof = makeDeviceProof({ privateJwk: key, method, url: url.href, now: now(), jti: randomSecret() });
  const headers = {
    [PROOF_HEADER]: proof,
    accept: 'application/json',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const sending = { method, path: url.pathname, host: url.host, headers, signal: stop };
  const answer = await sendTo(url, body === undefined ? sending : { ...sending, body: JSON.stringify(body) });
  return read(client, answer);
}

async function sendTo(url: URL, sending: Parameters<typeof send>[1]): Promise<Answered> {
  const dial = { url: dialled(url), ca: null, timeout: ANSWER_WITHIN };
  try {
    return await send(dial, sending);
  } catch (error) {
    throw new Unreachable(`${url.origin} cannot be reached: ${(error as Error).message}`, { cause: error });
  }
}

/** Names below `localhost` are this machine; not every system's resolver knows. */
function dialled(url: URL): URL {
  const dialled = new URL(url);
  if (/(?:^|\.)localhost$/.test(url.hostname)) dialled.hostname = '127.0.0.1';
  return dialled;
}

function read(client: DeviceClient, answer: Answered): Record<string, unknown> {
  const value = parse(answer.text);
  if (answer.status === 200 && value) return value;
  if (answer.status >= 500) throw new Unreachable(`${client.team} answers ${answer.status}: try again later`);
  const { reason, error_description: description } = value ?? {};
  if (typeof reason !== 'string' || typeof description !== 'string')
    throw new DeviceFailed(
      `${client.team} is no team domain of Portcullis, or enrols no devices (it answers ${answer.status})`,
    );
  refuseSkew(client, { reason, answer });
  throw new Refused(plain(reason), plain(description));
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** Proofs are good for a minute: a clock that is wrong by more makes none. */
function refuseSkew({ now }: DeviceClient, { reason, answer }: { reason: string; answer: Answered }): void {
  if (reason !== 'proof_too_old' && reason !== 'proof_from_the_future') return;
  const there = Date.parse(answer.headers.date ?? '');
  const seconds = Math.round(Math.abs(now() - there) / 1000);
  const by = Number.isNaN(there) ? '' : ` by ${seconds} s`;
  const how = reason === 'proof_too_old' ? 'slow' : 'fast';
  throw new DeviceFailed(`the clock of this device is ${how}${by}: set it and try again`);
}

/** What a server says reaches the terminal as text alone. */
export function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]/gu, ' ').slice(0, 500);
}

/** What helps, by the server's reason. */
const WAY_ON: ReadonlyMap<string, string> = new Map([
  ['session_ended', 'portcullis device login'],
  ['device_unknown', 'portcullis device enroll'],
]);

/** The end of a command for whatever asking threw. */
export function toFailure(error: unknown): DeviceFailed {
  if (error instanceof DeviceFailed) return error;
  if (error instanceof Unreachable) return new DeviceFailed(error.message, COULD_NOT, error);
  if (error instanceof Refused) {
    const wayOn = WAY_ON.get(error.reason);
    return new DeviceFailed(wayOn ? `${error.description}: ${wayOn}` : error.description, REFUSED, error);
  }
  throw error;
}
