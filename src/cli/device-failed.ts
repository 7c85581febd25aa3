/** Why a command about this device ends, in one line for the person who typed it, and its exit code. */
export class DeviceFailed extends Error {
  readonly code: number;

  constructor(message: string, code: number = COULD_NOT, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.name = 'DeviceFailed';
    this.code = code;
  }
}

/** The server, or the person, has said no. */
export const REFUSED = 1;

/** It could not be found out: nothing there, not reachable, not understood. */
export const COULD_NOT = 2;
