/** Why a device was not enrolled, as the person at the browser is told, and as the log has it. */
export type ApprovalReason =
  | 'code_unknown'
  | 'too_many_codes'
  | 'form_invalid'
  | 'session_ended'
  | 'sign_in_again'
  | 'device_of_another'
  | 'device_revoked'
  | 'too_many_devices'
  | 'seat_limit';

/** A device that was not enrolled; whatever was begun for it is undone. */
export class ApprovalRefused extends Error {
  readonly reason: ApprovalReason;

  constructor(reason: ApprovalReason, cause?: unknown) {
    super(reason, cause === undefined ? {} : { cause });
    this.name = 'ApprovalRefused';
    this.reason = reason;
  }
}
