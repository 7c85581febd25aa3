import { existsSync, realpathSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { systemClock, systemStopwatch } from '../kernel/clock.ts';
import { randomSecret } from '../kernel/crypto.ts';
import { makeDeviceProof, PROOF_HEADER } from '../protocol/device-proof.ts';
import { askTeam, type DeviceClient, plain, Refused, toFailure, Unreachable } from './device-client.ts';
import { gather, thisMachine } from './device-facts.ts';
import { COULD_NOT, DeviceFailed, REFUSED } from './device-failed.ts';
import {
  type DeviceProfile,
  ensureProfile,
  needProfile,
  removeProfile,
  writeProfile,
} from './device-profile.ts';

/** Where the device keeps its key. */
export interface InProfile {
  readonly profile: string;
}

/** Runs a command to its end: the exit code, with why it failed on stderr in one line. */
export async function deviceCommand(work: () => Promise<void>): Promise<number> {
  try {
    await work();
    return 0;
  } catch (error) {
    const failure = toFailure(error);
    process.stderr.write(`${failure.message}\n`);
    return failure.code;
  }
}

/** Where the key is kept, if there is such a place; where a link leads, since the key is there. */
export function needPlace(file: string | null): string {
  if (file !== null) return existsSync(file) ? realpathSync(file) : file;
  throw new DeviceFailed('whoever runs this has no home: say with --profile where the key is to be kept');
}

/** `portcullis device enroll`: makes the key, has the person say yes in a browser, and waits for that. */
export async function enroll(
  options: InProfile & { team: string; name?: string; insecureHttp?: true },
  stop: AbortSignal,
): Promise<void> {
  const team = readTeam(options.team, options.insecureHttp === true);
  // The key is on disk before anybody hears of it.
  const profile = ensureProfile(options.profile, team);
  await signIn(options.profile, {
    profile,
    stop,
    ...(options.name === undefined ? {} : { name: options.name }),
  });
}

/** `portcullis device login`: the person signs in on this device again. */
export async function login({ profile: file }: InProfile, stop: AbortSignal): Promise<void> {
  await signIn(file, { profile: needProfile(file), stop });
}

interface SigningIn {
  readonly profile: DeviceProfile;
  readonly stop: AbortSignal;
  readonly name?: string;
}

async function signIn(file: string, { profile, stop, name: given }: SigningIn): Promise<void> {
  const client = clientOf(profile, stop);
  const { facts, hardwareId } = gather(thisMachine());
  // The name that it was given stays, until it is given another.
  const name = given ?? profile.name;
  const body = { name: name ?? hostname(), hardware_id: hardwareId, facts };
  const begun = readBegun(await askTeam(client, { method: 'POST', path: 'enrollments', body }));
  say(`Open this address, on whichever device, and sign in:\n\n    ${begun.address}\n`);
  say(`and compare the code:\n\n    ${begun.userCode}\n`);
  const told = await pollUntil(client, begun);
  writeProfile(file, {
    ...profile,
    name,
    registrationId: told.registration_id,
    email: told.email,
    sessionExpiresAt: told.session_expires_at,
  });
  say(
    `This device is enrolled for ${told.email} at ${profile.team}. You are signed in on it until ${told.session_expires_at}.`,
  );
}

interface Begun {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly address: string;
  /** Milliseconds. */
  readonly lasts: number;
  readonly interval: number;
}

function readBegun(answer: Record<string, unknown>): Begun {
  const { device_code, user_code, verification_uri_complete: address, expires_in, interval } = answer;
  const texts = [device_code, user_code, address];
  if (!texts.every((text) => typeof text === 'string') || typeof expires_in !== 'number')
    throw notUnderstood();
  const seconds = typeof interval === 'number' && interval >= 1 && interval <= 60 ? interval : 5;
  return {
    deviceCode: String(device_code),
    userCode: plain(String(user_code)),
    address: plain(String(address)),
    lasts: Math.min(expires_in, 3600) * 1000,
    interval: seconds * 1000,
  };
}

const SLOWER = 5000;
const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:device_code';

/** Asks until somebody has said yes or no, or the code has run out (RFC 8628 §3.5). */
async function pollUntil(
  client: DeviceClient,
  begun: Begun,
): Promise<Record<(typeof OF_TOKEN)[number], string>> {
  const body = { grant_type: GRANT_TYPE, device_code: begun.deviceCode };
  const until = systemStopwatch.elapsed() + begun.lasts;
  let interval = begun.interval;
  let away = false;
  // Once more after its end: an answer may have come in the last moment.
  for (let isLast = false; ; isLast = systemStopwatch.elapsed() >= until) {
    await pause(interval, client.stop);
    try {
      return texts(await askTeam(client, { method: 'POST', path: 'token', body }), OF_TOKEN);
    } catch (error) {
      if (client.stop.aborted) throw stopped();
      if (error instanceof Unreachable && !away) process.stderr.write(`${error.message}; trying on\n`);
      away = error instanceof Unreachable;
      const reason = error instanceof Refused ? error.reason : null;
      if (!away && reason !== 'pending' && reason !== 'too_fast') throw error;
      if (away || reason === 'too_fast') interval = Math.min(interval + SLOWER, 60_000);
      if (isLast) throw new DeviceFailed('nobody said yes in time: start again', REFUSED);
    }
  }
}

async function pause(milliseconds: number, stop: AbortSignal): Promise<void> {
  await wait(milliseconds, undefined, { signal: stop }).catch(() => {});
  if (stop.aborted) throw stopped();
}

function stopped(): DeviceFailed {
  return new DeviceFailed('stopped: this device was not enrolled; the same command starts again', REFUSED);
}

const OF_TOKEN = ['registration_id', 'email', 'session_expires_at'] as const;
const OF_SESSION = [...OF_TOKEN, 'team', 'device_name', 'device_id'] as const;

/** These texts of an answer, all of which have to be there. */
function texts<Name extends string>(
  answer: Record<string, unknown>,
  names: readonly Name[],
): Record<Name, string> {
  const pairs = names.map((name) => {
    const value = answer[name];
    if (typeof value !== 'string') throw notUnderstood();
    return [name, plain(value)];
  });
  return Object.fromEntries(pairs);
}

/** A 200 that is of something else says nothing. */
function notUnderstood(): DeviceFailed {
  return new DeviceFailed('the team domain answers what is not understood');
}

/** `portcullis device status`: who this device is, and until when. */
export async function status({ profile: file }: InProfile, stop: AbortSignal): Promise<void> {
  const profile = needProfile(file);
  const answer = await askTeam(clientOf(profile, stop), { method: 'GET', path: 'session' });
  if (typeof answer.signed_in !== 'boolean') throw notUnderstood();
  const told = texts(answer, OF_SESSION);
  const signedIn = answer.signed_in === true ? 'yes' : 'no: sign in again (portcullis device login)';
  say(
    [
      `team           ${profile.team} (${told.team})`,
      `person         ${told.email}`,
      `device         ${told.device_name} (${told.device_id})`,
      `registration   ${told.registration_id}`,
      `until          ${told.session_expires_at}`,
      `signed in      ${signedIn}`,
    ].join('\n'),
  );
}

/** `portcullis device report`: tells the team domain what this device is now. */
export async function report({ profile: file }: InProfile, stop: AbortSignal): Promise<void> {
  const profile = needProfile(file);
  const { facts } = gather(thisMachine());
  const asked = { method: 'POST', path: 'report', body: { facts } } as const;
  const { reported } = await askTeam(clientOf(profile, stop), asked);
  if (reported !== true) throw notUnderstood();
  say('Reported.');
}

/** `portcullis device proof METHOD URL`: a proof of one request, good for a minute and once. */
export async function proof(
  { profile: file, header }: InProfile & { header?: true },
  of: { method: string; url: string },
): Promise<void> {
  const { key } = needProfile(file);
  if (!/^[A-Z]{1,20}$/.test(of.method))
    throw new DeviceFailed('the method must be one such as GET, in capitals');
  const url = URL.canParse(of.url) ? new URL(of.url) : null;
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.username || url.password)
    throw new DeviceFailed('the URL must be a whole http or https URL without a password');
  const now = systemClock.now();
  const made = makeDeviceProof({
    privateJwk: key,
    method: of.method,
    url: url.href,
    now,
    jti: randomSecret(),
  });
  say(header ? `${PROOF_HEADER}: ${made}` : made);
}

/** `portcullis device remove`: forgets the key. What the server knows of the device an administrator deletes. */
export async function remove({ profile: file }: InProfile): Promise<void> {
  const { team, registrationId } = needProfile(file);
  removeProfile(file);
  const which =
    registrationId === null ? 'its registration, if there is one' : `the registration ${registrationId}`;
  say(`The key is gone. Have an administrator of ${team} delete ${which}: it stays there until then.`);
}

function clientOf({ team, key }: DeviceProfile, stop: AbortSignal): DeviceClient {
  return { team, key, stop, now: () => systemClock.now() };
}

/** The origin of a team domain, over TLS unless it is this machine or somebody insists. */
function readTeam(text: string, allowsHttp: boolean): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isOrigin = url !== null && url.pathname === '/' && !url.search && !url.hash && !url.username;
  if (!isOrigin || !['http:', 'https:'].includes(url.protocol))
    throw new DeviceFailed('--team: must be an https origin, such as https://team.example.com', COULD_NOT);
  const isHere = /(?:^|\.)localhost$|^127(?:\.\d{1,3}){3}$|^\[::1\]$/.test(url.hostname);
  if (url.protocol === 'http:' && !isHere && !allowsHttp)
    throw new DeviceFailed(
      '--team: http is for this machine alone; use https, or --insecure-http for a test',
    );
  return url.origin;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
