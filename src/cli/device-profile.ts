import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { generateP256KeyPair } from '../kernel/crypto.ts';
import { isObject } from '../kernel/result.ts';
import { type DevicePrivateJwk, readJwk } from '../protocol/device-proof.ts';
import { writeFirst, writePrivately } from '../server/private-file.ts';
import { DeviceFailed } from './device-failed.ts';

/** What this device knows of its enrolment. The key is made here and is told to nobody. */
export interface DeviceProfile {
  /** Origin of the team domain. */
  readonly team: string;
  readonly key: DevicePrivateJwk;
  /** What the person called the device; null: it has the name of the machine. */
  readonly name: string | null;
  /** null: not enrolled yet, as far as this device knows. */
  readonly registrationId: string | null;
  readonly email: string | null;
  /** RFC 3339; when the last sign-in on this device runs out. */
  readonly sessionExpiresAt: string | null;
}

/** The profile of a file; null if there is no such file. Throws DeviceFailed for one that cannot be used. */
function readProfile(file: string): DeviceProfile | null {
  if (!existsSync(file)) return null;
  try {
    refuseOpen(file);
    const profile = toProfile(JSON.parse(readFileSync(file, 'utf8')));
    if (profile) return profile;
  } catch (error) {
    if (error instanceof DeviceFailed) throw error;
    throw new DeviceFailed(`${file} cannot be read: ${(error as Error).message}`);
  }
  throw new DeviceFailed(`${file} is no profile of a device`);
}

/** The same where there has to be one. */
export function needProfile(file: string): DeviceProfile {
  const profile = readProfile(file);
  if (profile) return profile;
  throw new DeviceFailed(`this device is not enrolled: there is no ${file}`);
}

/**
 * The profile of this device at this team domain, with a new key if it has none. It is on disk before this returns:
 * whatever is lost later, the key is not. Of two at once both get the same.
 */
export function ensureProfile(file: string, team: string): DeviceProfile {
  const known = readProfile(file);
  if (!known) {
    const { privateJwk: key } = generateP256KeyPair();
    makeFolder(path.dirname(file));
    writeFirst(
      file,
      toText({ team, key, name: null, registrationId: null, email: null, sessionExpiresAt: null }),
    );
  }
  const profile = known ?? needProfile(file);
  if (profile.team === team) return profile;
  throw new DeviceFailed(
    `this device is enrolled at ${profile.team}: remove that first (portcullis device remove), or give another --profile`,
  );
}

export function writeProfile(file: string, profile: DeviceProfile): void {
  try {
    writePrivately(file, toText(profile));
  } catch (error) {
    throw new DeviceFailed(`${file} cannot be written: ${(error as Error).message}`);
  }
}

/** Forgets the key. */
export function removeProfile(file: string): void {
  rmSync(file);
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new DeviceFailed(`${folder} cannot be made: ${(error as Error).message}`);
  }
}

/** A key that others can read is nobody's. */
function refuseOpen(file: string): void {
  const { mode } = statSync(file);
  if (path.sep === '/' && (mode & 0o077) !== 0)
    throw new DeviceFailed(`${file} can be read by others: chmod 600 it, or remove it and enrol again`);
}

function toText(profile: DeviceProfile): string {
  const { team, key, name, registrationId, email, sessionExpiresAt } = profile;
  const file = {
    ...{
      version: 1,
      team,
      name,
      registration_id: registrationId,
      email,
      session_expires_at: sessionExpiresAt,
    },
    key,
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

function toProfile(value: unknown): DeviceProfile | null {
  if (!isObject(value) || value.version !== 1) return null;
  const { team, key } = value;
  if (typeof team !== 'string' || !URL.canParse(team) || new URL(team).origin !== team) return null;
  if (!isObject(key)) return null;
  const { d, ...half } = key;
  const jwk = readJwk(half);
  if (!jwk || typeof d !== 'string' || d === '') return null;
  const text = (name: string) => (typeof value[name] === 'string' ? (value[name] as string) : null);
  return {
    team,
    key: { ...jwk, d },
    name: text('name'),
    registrationId: text('registration_id'),
    email: text('email'),
    sessionExpiresAt: text('session_expires_at'),
  };
}
