import type { OpenedProvider } from '../access/identity-providers/opened.ts';
import { findUserIdByEmail } from '../access/users/users.ts';
import type { Tx } from '../database/database.ts';
import type { SignInPinRow, SignInStateRow } from '../database/tables.ts';
import { networkOf } from '../kernel/address.ts';
import { DAY, MINUTE, timestamp } from '../kernel/clock.ts';
import { randomDigits, type Vault } from '../kernel/crypto.ts';
import { isBlocked } from '../portcullis/blocked-users/blocked-users.ts';
import type { ApplicationState, SessionState } from '../protocol/state.ts';
import type { Control } from '../removal/act.ts';
import { findOwnState } from './callback.ts';
import { isWithin, type Limit } from './counts.ts';
import type { Directory, Team } from './directory.ts';
import type { Mailer } from './mailer.ts';
import { pinPlace } from './pin.ts';
import { pinMail } from './pin-mail.ts';
import { findPin, lockState, prolongState, putPin } from './pin-store.ts';
import { SignInRefused } from './refused.ts';

const PIN_FOR = 10 * MINUTE;

/** Codes of one sign-in: with five tries each, this bounds what can be guessed in it. */
const MOST_CODES = 3;

/** Codes asked for from one address, behind which a whole office may be. */
const ADDRESS_LIMIT = { name: 'address', most: 50, within: 15 * MINUTE } as const;

/** Mails to one e-mail that one network can have sent: others, and the owner, have some left when it has had its own. */
const PAIR_LIMITS = [
  { name: 'pair', most: 5, within: 15 * MINUTE },
  { name: 'pair-day', most: 20, within: DAY },
] as const;

/** Mails to one e-mail: what it can be bothered with, and, with the tries of a code, what can be guessed of it in a day. */
const EMAIL_LIMITS = [
  { name: 'email', most: 20, within: 15 * MINUTE },
  { name: 'email-day', most: 60, within: DAY },
] as const;

export interface PinSendingParts {
  readonly control: Control;
  readonly vault: Vault;
  readonly directory: Directory;
  readonly mailer: Mailer | null;
  readonly loadProvider: (accountId: string, id: string) => Promise<OpenedProvider>;
}

/** Somebody who says that this e-mail is theirs. */
export interface PinRequest {
  readonly state: SignInStateRow;
  /** The normalised e-mail. */
  readonly emailKey: string;
  readonly ip: string;
  readonly requestId: string;
}

/** The same for every e-mail: these limits are the sign-in's own, and that of the address which asks. */
export type Asked = 'asked' | 'too_many_codes' | 'too_many_here';

/** A sign-in that waits for its code; `pin` is null before the first was asked for. */
export interface WaitingSignIn {
  readonly state: SignInStateRow;
  readonly pin: SignInPinRow | null;
}

/** What the pages of the one-time PIN need. */
export function createPins(parts: PinSendingParts) {
  return {
    /** The sign-in of this state, if it is this browser's, open, and by one-time PIN; refuses any other. */
    async find({ accountId }: Team, held: { state: string; browser: string | null }): Promise<WaitingSignIn> {
      const state = await findOwnState(parts.control, { accountId, ...held });
      const { kind } = await parts.loadProvider(accountId, state.provider_id);
      if (kind !== 'pin') throw new SignInRefused('state_unknown');
      return { state, pin: await findPin(parts.control.database.reader, state.id) };
    },

    ask: (team: Team, request: PinRequest): Promise<Asked> => askForPin(parts, team, request),
  };
}

/**
 * Makes a code for an e-mail and, if that may sign in and has not had too many mails, hands it to the mailer, for
 * which nothing waits. Whoever asks learns nothing of the e-mail: what is read, written and answered is the same for
 * everybody, and a code that was not sent can be tried like any other and is never right.
 */
async function askForPin(parts: PinSendingParts, team: Team, request: PinRequest): Promise<Asked> {
  const { control, vault, directory, mailer } = parts;
  const { emailKey, ip, requestId } = request;
  const now = control.clock.now();
  const mayEnter = mightEnter(directory, team, request);
  const code = randomDigits(6);
  const { asked, isSent } = await control.database.write(async (tx) => {
    if (!(await lockState(tx, request.state.id))) throw new SignInRefused('state_unknown');
    const ofAddress = [[networkOf(ip), ADDRESS_LIMIT]] as const;
    if (!(await isWithin(tx, team, { now, limits: ofAddress })))
      return { asked: 'too_many_here' as const, isSent: false };
    const hasMails = await isWithin(tx, team, { now, limits: mailLimits(request) });
    const isExpected = await isExpectedHere(tx, team, { request, mayEnter });
    const isSent = isExpected && hasMails;
    const row = pinRow(vault, team, { request, now, code: isSent ? code : NEVER_RIGHT });
    if (!(await putPin(tx, row, MOST_CODES))) return { asked: 'too_many_codes' as const, isSent: false };
    await prolongState(tx, request.state.id, row.expires_at);
    return { asked: 'asked' as const, isSent };
  });
  const { name: organization } = team.organization;
  if (isSent) mailer?.send(pinMail({ to: emailKey, organization, code, ip, now }), requestId);
  return asked;
}

/** As long as a code, and none. */
const NEVER_RIGHT = '------';

function pinRow(
  vault: Vault,
  { accountId }: Team,
  { request: { state, emailKey }, now, code }: { request: PinRequest; now: number; code: string },
) {
  return {
    state_id: state.id,
    account_id: accountId,
    email_key: emailKey,
    pin: vault.seal(pinPlace(state.id), code),
    sent_at: timestamp(now),
    expires_at: timestamp(now + PIN_FOR),
  };
}

/** Those of the mails that it asks for, the asking network's own first. */
function mailLimits({ emailKey, ip }: PinRequest): (readonly [of: string, limit: Limit])[] {
  const pair = `${networkOf(ip)} ${emailKey}`;
  return [
    ...PAIR_LIMITS.map((limit) => [pair, limit] as const),
    ...EMAIL_LIMITS.map((limit) => [emailKey, limit] as const),
  ];
}

/** Whether this e-mail may be sent a code; both are asked, whatever the first says. */
async function isExpectedHere(
  tx: Tx,
  { accountId }: Team,
  { request: { state, emailKey }, mayEnter }: { request: PinRequest; mayEnter: boolean },
): Promise<boolean> {
  const isKnown = (await findUserIdByEmail(tx, accountId, emailKey)) !== null;
  const isRefused = await isBlocked(tx, accountId, emailKey);
  return !isRefused && (mayEnter || (isKnown && state.application_id === null));
}

/**
 * Whether current policy would let this e-mail in where the person wants to go; without a goal, into any application
 * of the launcher. What an external service still has to say is not waited for: it may.
 */
function mightEnter(directory: Directory, { accountId }: Team, { state, emailKey, ip }: PinRequest): boolean {
  const session = candidate(state, emailKey);
  const { application_id: goal } = state;
  const isWanted = ({ id, app_launcher_visible: isVisible }: ApplicationState) =>
    goal === null ? isVisible : id === goal;
  const mayEnter = (application: ApplicationState) => {
    const { verdict, questions } = directory.judge(accountId, session, { application, ip });
    return verdict === 'allow' || questions.length > 0;
  };
  // All of them, whatever the first says: how long it takes is no answer.
  return directory.applications(accountId).filter(isWanted).map(mayEnter).includes(true);
}

/** The session that the sign-in would end in, as policies see it. */
function candidate(state: SignInStateRow, emailKey: string): SessionState {
  return {
    nonce: '',
    user_id: '',
    email: emailKey,
    provider_id: state.provider_id,
    issuer: '',
    subject: emailKey,
    expires_at: 0,
    rev: [state.epoch, state.position],
    claims: {},
    amr: ['otp'],
  };
}
