/** Whoever acts: for the audit entry, and to be asked again whether they still may (design §4.1). */
export interface Actor {
  readonly type: 'member' | 'account_token' | 'user_token' | 'user' | 'gate' | 'operator' | 'system';
  readonly id: string | null;
  readonly email: string | null;
  readonly tokenId: string | null;
  /** What the token was called when it was used. */
  readonly tokenName?: string;
  readonly ip: string | null;
  readonly requestId: string | null;
  readonly interface: 'API' | 'CLI' | 'sign-in' | 'gate' | 'system';
}

/** The operator at the machine itself, whose right is the access to the database. */
export const operator: Actor = {
  type: 'operator',
  id: null,
  email: null,
  tokenId: null,
  ip: null,
  requestId: null,
  interface: 'CLI',
};

/** The server itself, by a timer of its own. */
export const system: Actor = {
  type: 'system',
  id: null,
  email: null,
  tokenId: null,
  ip: null,
  requestId: null,
  interface: 'system',
};
