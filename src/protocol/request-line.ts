/**
 * What the request log is told, by whoever decided: one request at the gate, or one sign-in. It names no path, no
 * query and no credential, and its host is one of a known application.
 */
export interface RequestEvent {
  readonly action: 'request' | 'login';
  /** Under which the visitor knows the answer. */
  readonly requestId: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly via: 'proxy' | 'forward_auth' | 'sign_in';
  readonly verdict: 'allow' | 'sign_in' | 'deny';
  readonly reason: string;
  readonly method: string | null;
  readonly host: string | null;
  readonly ip: string | null;
  readonly accountId: string;
  readonly applicationId: string | null;
  readonly userId: string | null;
  readonly email: string | null;
  /** Type and id of the provider at which the person signed in. */
  readonly connection: string | null;
  readonly providerId: string | null;
  readonly serviceTokenId: string | null;
  /** The device of the person that it was proven to come from. */
  readonly registrationId: string | null;
}

/** One line of the request log: the event, or the first of several that are alike. */
export interface RequestLine extends RequestEvent {
  /** 32 lower-case hex. */
  readonly id: string;
  /** How many events the line stands for, as far as is known now. */
  readonly count: number;
  /** False: the line was handed over before, with a smaller count. */
  readonly isNew: boolean;
  /** Whether the visitor proved to be somebody: lines of the others never take the place of these. */
  readonly isKnown: boolean;
}
