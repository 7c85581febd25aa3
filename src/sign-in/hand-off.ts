import type { Tx } from '../database/database.ts';
import type { HandOffRow } from '../database/tables.ts';
import { timestamp } from '../kernel/clock.ts';
import { equalInConstantTime, randomSecret, sha256 } from '../kernel/crypto.ts';
import type { TokenClaims } from '../protocol/claims.ts';
import type { Head, Rev } from '../protocol/rev.ts';
import { toClaim } from '../protocol/rev.ts';
import { beginMint, parentStands } from '../removal/mint.ts';
import { revOf, subjectsOf } from './lineage.ts';
import { SignInRefused } from './refused.ts';
import {
  findHandOff,
  insertHandOff,
  lockApplication,
  lockLineage,
  noteApplication,
  type SessionLineage,
  takeHandOff,
} from './store.ts';

/** The code is on its way through one redirect. */
const HAND_OFF_FOR = 60_000;

export interface HandOffInput {
  readonly accountId: string;
  readonly sessionNonce: string;
  readonly applicationId: string;
  /** SHA-256 of the secret in the browser's cookie on the application's host. */
  readonly browserHash: string;
  readonly returnTo: string;
  readonly now: number;
}

/**
 * Mints the one-time code that carries a session to an application's host. It inherits the session's `rev`;
 * only for the application does it take its own reading.
 */
export async function createHandOff(tx: Tx, input: HandOffInput): Promise<string> {
  const head = await beginMint(tx, input.accountId);
  const session = await standing(tx, input, head);
  if (!(await lockApplication(tx, input.accountId, input.applicationId)))
    throw new SignInRefused('hand_off_invalid');
  const code = randomSecret();
  const row = {
    id: sha256(code),
    account_id: input.accountId,
    session_nonce: session.nonce,
    application_id: input.applicationId,
    ...revOf(session),
    application_epoch: head.epoch,
    application_position: head.position,
    browser_hash: input.browserHash,
    return_to: input.returnTo,
    expires_at: timestamp(input.now + HAND_OFF_FOR),
  };
  await insertHandOff(tx, row, timestamp(input.now));
  return code;
}

/** A redeemed code: what the application token is signed from, and where the browser goes on. */
export interface Redeemed {
  readonly session: SessionLineage;
  readonly applicationId: string;
  readonly applicationRev: Rev;
  readonly returnTo: string;
}

/**
 * Redeems a code once, in the browser it was made for, if its lineage and the application still stand. What the
 * code hangs on is locked before the code itself, in the order of a removal, so that neither is in the other's way.
 */
export async function redeemHandOff(
  tx: Tx,
  input: { accountId: string; code: string; browserHash: string; now: number },
): Promise<Redeemed> {
  const { accountId } = input;
  const head = await beginMint(tx, accountId);
  const found = await usableHandOff(tx, input);
  const session = await standing(tx, { ...input, sessionNonce: found.session_nonce }, head);
  const exists = await lockApplication(tx, accountId, found.application_id);
  if (!exists || !(await takeHandOff(tx, found.id))) throw new SignInRefused('hand_off_invalid');
  const applicationRev = { epoch: found.application_epoch, position: found.application_position };
  const application = { type: 'application' as const, id: found.application_id };
  if (!(await parentStands(tx, { accountId, rev: applicationRev, head, subjects: [application] })))
    throw new SignInRefused('superseded');
  await noteApplication(tx, {
    session_nonce: session.nonce,
    application_id: found.application_id,
    at: timestamp(input.now),
  });
  return { session, applicationId: found.application_id, applicationRev, returnTo: found.return_to };
}

async function usableHandOff(
  tx: Tx,
  {
    accountId,
    code,
    browserHash,
    now,
  }: { accountId: string; code: string; browserHash: string; now: number },
): Promise<HandOffRow> {
  const found = await findHandOff(tx, sha256(code));
  const isUsable =
    found?.account_id === accountId &&
    found.expires_at > timestamp(now) &&
    equalInConstantTime(found.browser_hash, browserHash);
  if (!found || !isUsable) throw new SignInRefused('hand_off_invalid');
  return found;
}

/** The session, if it exists, has not expired and its lineage stands at this reading. */
async function standing(
  tx: Tx,
  { accountId, sessionNonce, now }: { accountId: string; sessionNonce: string; now: number },
  head: Head,
): Promise<SessionLineage> {
  const session = await lockLineage(tx, accountId, sessionNonce);
  if (!session || session.expires_at <= timestamp(now)) throw new SignInRefused('session_ended');
  const parent = { accountId, rev: revOf(session), head, subjects: subjectsOf(session) };
  if (!(await parentStands(tx, parent))) throw new SignInRefused('session_ended');
  return session;
}

/** Claims of the global session token of the team domain (reference §5). */
export function sessionClaims(
  session: SessionLineage,
  { issuer, now }: { issuer: string; now: number },
): TokenClaims {
  return {
    ...commonClaims(session, issuer, now),
    type: 'org',
    aud: [issuer],
    exp: seconds(Date.parse(session.expires_at)),
  };
}

/**
 * Claims of an application token: it ends with its session, or earlier if the application says so. With a
 * `binding`, the value of a cookie of its own, it counts in the company of that cookie alone.
 */
export function applicationClaims(
  { session, applicationRev }: Redeemed,
  {
    issuer,
    audience,
    duration,
    binding,
    now,
  }: { issuer: string; audience: string; duration: number; binding: string | null; now: number },
): TokenClaims {
  const expires = Math.min(Date.parse(session.expires_at), now + duration);
  return {
    ...commonClaims(session, issuer, now),
    type: 'app',
    aud: [audience],
    exp: seconds(expires),
    app_rev: toClaim(applicationRev),
    ...(binding === null ? {} : { binding: sha256(binding) }),
  };
}

function commonClaims(session: SessionLineage, issuer: string, now: number) {
  return {
    iss: issuer,
    sub: session.user_id,
    email: session.email_key,
    identity_nonce: session.nonce,
    iat: seconds(now),
    nbf: seconds(now),
    rev: toClaim(revOf(session)),
  };
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
