/** Where in the request the fault lies: an RFC 6901 pointer into the body, or `/query/…`, `/path/…`. */
export interface Fault {
  readonly code: number;
  readonly message: string;
  readonly pointer?: string;
}

/**
 * An expected refusal. `faults` are public words, shown to the caller; `cause` is private and goes to the
 * log alone. One place (http/failures.ts) turns it into an answer.
 */
export class ApiError extends Error {
  readonly status: number;
  readonly faults: readonly Fault[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    faults: readonly Fault[],
    options: { headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(
      faults.map((fault) => fault.message).join('; '),
      options.cause === undefined ? {} : { cause: options.cause },
    );
    this.name = 'ApiError';
    this.status = status;
    this.faults = faults;
    this.headers = options.headers ?? {};
  }
}

/** A retry cannot help: the official SDK repeats 409 and 429 for every method unless told not to (reference §1.2). */
const FINAL = { 'x-should-retry': 'false' };

/** Every refusal the API can give, once. docs/errors.md is generated from it and tested against it. */
export const catalogue = {
  noCredential: {
    status: 400,
    code: 9106,
    message: 'Missing X-Auth-Key, X-Auth-Email or Authorization headers',
  },
  malformedCredential: { status: 400, code: 6003, message: 'Invalid request headers' },
  authentication: { status: 401, code: 10000, message: 'Authentication error' },
  invalidToken: { status: 401, code: 1000, message: 'Invalid API Token' },
  forbidden: { status: 403, code: 10000, message: 'Forbidden' },
  unknownRoute: {
    status: 404,
    code: 7003,
    message: 'Could not route to the path, perhaps your object identifier is invalid?',
  },
  unknownMethod: { status: 405, code: 10405, message: 'Method not allowed for this path' },
  invalid: { status: 400, code: 1001, message: 'Invalid request' },
  invalidAccess: { status: 400, code: 12130, message: 'access.api.error.invalid_request' },
  seatExpiration: {
    status: 400,
    code: 12139,
    message: 'access.api.error.user_seat_expiration_invalid_time',
  },
  notSupported: { status: 400, code: 1002, message: 'Not supported by Portcullis' },
  notFound: { status: 404, code: 1003, message: 'Not found' },
  notFoundAccess: { status: 404, code: 12135, message: 'access.api.error.not_found' },
  notFoundGroup: { status: 404, code: 12152, message: 'access.api.error.not_found' },
  conflict: { status: 409, code: 1004, message: 'Conflict' },
  conflictAccess: { status: 409, code: 12132, message: 'access.api.error.conflict' },
  organizationExists: {
    status: 409,
    code: 11002,
    message: 'access.api.error.conflict: the account has its organization already',
  },
  lastSuperAdministrator: {
    status: 400,
    code: 1005,
    message: 'The access of the last Super Administrator of an account cannot be removed',
  },
  exceedsAuthority: {
    status: 403,
    code: 1006,
    message: 'Nobody can grant a permission that they do not hold',
  },
  bodyTooLarge: { status: 413, code: 1007, message: 'Request body is too large' },
  unsupportedMediaType: { status: 415, code: 1008, message: 'The body must be application/json' },
  malformedJson: { status: 400, code: 1009, message: 'The body is not valid JSON' },
  malformedRequest: { status: 400, code: 1010, message: 'Malformed request' },
  uriTooLong: { status: 414, code: 1011, message: 'The request target is too long' },
  headersTooLarge: { status: 431, code: 1012, message: 'The request headers are too large' },
  rateLimited: { status: 429, code: 10429, message: 'Rate limit exceeded' },
  internal: { status: 500, code: 10001, message: 'Internal server error' },
  unavailable: { status: 503, code: 10503, message: 'Temporarily unavailable, try again' },
} as const satisfies Record<string, { status: number; code: number; message: string }>;

export type ErrorName = keyof typeof catalogue;

interface Detail {
  readonly detail?: string;
  readonly pointer?: string;
  readonly cause?: unknown;
  readonly headers?: Record<string, string>;
}

/** The refusal of that name; `detail` is appended to its public words. */
export function refusal(name: ErrorName, { detail, pointer, cause, headers }: Detail = {}): ApiError {
  const { status, code, message } = catalogue[name];
  const fault = {
    code,
    message: detail ? `${message}: ${detail}` : message,
    ...(pointer ? { pointer } : {}),
  };
  const retry = status === 409 || name === 'lastSuperAdministrator' ? FINAL : {};
  return new ApiError(status, [fault], { headers: { ...retry, ...headers }, cause });
}

/** A 400 that names every fault of the input at once. */
export function invalidInput(
  problems: readonly { pointer: string; message: string }[],
  name: ErrorName = 'invalid',
): ApiError {
  const { status, code, message } = catalogue[name];
  return new ApiError(
    status,
    problems.map((problem) => ({
      code,
      message: `${message}: ${problem.message}`,
      pointer: problem.pointer,
    })),
  );
}
