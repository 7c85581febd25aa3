import { type Answer, json } from './answers.ts';

/**
 * Why a device is not told what it asked for: the error as RFC 6749 §5.2 and RFC 8628 §3.5 have it, and a reason from
 * a closed list for programs. docs/devices.md names them all.
 */
export const deviceProblems = {
  proof_missing: [401, 'invalid_device_proof', 'a device proof is needed'],
  proof_malformed: [401, 'invalid_device_proof', 'this is no device proof'],
  proof_key: [401, 'invalid_device_proof', 'the key of the device proof is no public key on P-256'],
  proof_signature: [401, 'invalid_device_proof', 'the signature of the device proof is wrong'],
  proof_method: [401, 'invalid_device_proof', 'the device proof is of another method'],
  proof_url: [401, 'invalid_device_proof', 'the device proof is of another URL'],
  proof_too_old: [
    401,
    'invalid_device_proof',
    'the device proof is too old, or the clock of the device is slow',
  ],
  proof_from_the_future: [
    401,
    'invalid_device_proof',
    'the device proof is from the future: the clock of the device is fast',
  ],
  proof_used: [401, 'invalid_device_proof', 'this device proof was used before'],
  invalid_request: [400, 'invalid_request', 'the request is not understood'],
  unsupported_grant_type: [400, 'unsupported_grant_type', 'only device codes are taken here'],
  too_many: [
    429,
    'temporarily_unavailable',
    'too many devices ask from here; try again in a quarter of an hour',
  ],
  pending: [400, 'authorization_pending', 'nobody has said yes or no yet'],
  too_fast: [400, 'slow_down', 'ask less often'],
  refused: [400, 'access_denied', 'the person refused to enrol this device'],
  taken_back: [400, 'access_denied', 'the device was enrolled, and that was taken back'],
  code_expired: [400, 'expired_token', 'nobody said yes in time'],
  code_unknown: [400, 'invalid_grant', 'this device code is not known, or not of this key'],
  device_refused: [403, 'access_denied', 'an administrator has revoked this device'],
  device_unknown: [401, 'invalid_token', 'this device is not enrolled'],
  device_revoked: [401, 'invalid_token', 'an administrator has revoked this device'],
  session_ended: [401, 'invalid_token', 'the person has to sign in on this device again'],
} as const satisfies Record<string, readonly [status: number, error: string, description: string]>;

export type DeviceReason = keyof typeof deviceProblems;

/** A refusal of what a device asked; whatever it had begun is undone. */
export class DeviceProblem extends Error {
  readonly reason: DeviceReason;
  /** In the place of the usual words. */
  readonly detail: string | null;

  constructor(reason: DeviceReason, detail: string | null = null) {
    super(reason);
    this.name = 'DeviceProblem';
    this.reason = reason;
    this.detail = detail;
  }
}

/** The refusal as a device is told it. */
export function problemAnswer({ reason, detail }: DeviceProblem): Answer {
  const [status, error, description] = deviceProblems[reason];
  const answer = json(status, { error, error_description: detail ?? description, reason });
  if (status === 429) return { ...answer, headers: { ...answer.headers, 'retry-after': '900' } };
  if (status !== 401) return answer;
  return {
    ...answer,
    headers: { ...answer.headers, 'www-authenticate': `Portcullis-Device error="${error}"` },
  };
}
