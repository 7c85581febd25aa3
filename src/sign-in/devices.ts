import { SeatRefused } from '../access/users/seats.ts';
import type { Reader } from '../database/database.ts';
import { failureOf } from '../database/failures.ts';
import type { DeviceEnrolmentRow } from '../database/tables.ts';
import { DeviceRefused } from '../devices/registrations/registrations.ts';
import { networkOf } from '../kernel/address.ts';
import { MINUTE, timestamp } from '../kernel/clock.ts';
import type { Vault } from '../kernel/crypto.ts';
import type { DeviceProof } from '../protocol/device-proof.ts';
import type { DeviceFacts, SessionState } from '../protocol/state.ts';
import { type Control, commitAct, settle } from '../removal/act.ts';
import { signingIn } from './callback.ts';
import { isWithin } from './counts.ts';
import { type Approval, type Approved, approveEnrolment, refuseEnrolment } from './device-approval.ts';
import { type Begun, beginEnrolment, pollEnrolment } from './device-enrolments.ts';
import type { AskedEnrolment, DeviceReport } from './device-input.ts';
import { DeviceProblem } from './device-problem.ts';
import { type ProvingRequest, proofOf } from './device-proofs.ts';
import { ApprovalRefused } from './device-refused.ts';
import { type KnownDevice, knownDevice, noteReport } from './device-reports.ts';
import { type EnrolledDevice, findEnrolled, findWaiting } from './device-store.ts';
import type { Team } from './directory.ts';

/** Codes that one person, and one network, can try: of a thousand that wait, with twenty-five thousand million others. */
const PERSON_LIMIT = { name: 'device-code', most: 30, within: 15 * MINUTE } as const;
const NETWORK_LIMIT = { name: 'device-codes', most: 200, within: 15 * MINUTE } as const;

/** A device that waits for its person, as they are shown it. */
export interface WaitingDevice {
  readonly userCode: string;
  readonly name: string;
  readonly facts: DeviceFacts;
  /** From where it asks. */
  readonly ip: string;
  /** Whether it was enrolled by this person before, and they sign in on it again. */
  readonly isKnown: boolean;
}

/** What the pages and endpoints of devices need. */
export type Devices = ReturnType<typeof createDevices>;

export function createDevices({ control, vault }: { control: Control; vault: Vault }) {
  const { database, clock } = control;
  const now = () => clock.now();
  return {
    /** The proof of a request; throws the DeviceProblem that says what is wrong with it. */
    prove: (request: ProvingRequest): DeviceProof => proofOf(request, now()),

    /** A device asks to be enrolled; throws a DeviceProblem. */
    begin: ({ accountId }: Team, of: { proof: DeviceProof; asked: AskedEnrolment; ip: string }) =>
      database.write((tx): Promise<Begun> => beginEnrolment(tx, { accountId, ...of, now: now() })),

    /** It asks whether somebody said yes: the device once they did, in force at every gate. Throws a DeviceProblem. */
    async poll({ accountId }: Team, of: { proof: DeviceProof; deviceCode: string }): Promise<EnrolledDevice> {
      const told = await database.write((tx) => pollEnrolment(tx, { accountId, ...of, now: now() }));
      if (typeof told === 'string') throw new DeviceProblem(told);
      await settle(control, accountId);
      return told;
    },

    /** Who the device of this proof is; throws a DeviceProblem if it has no device session. */
    identify: ({ accountId }: Team, proof: DeviceProof): Promise<KnownDevice> =>
      database.snapshot((snapshot) => knownDevice(snapshot, { accountId, proof, now: now() })),

    /** What the device says of itself anew; in force when this resolves. Throws a DeviceProblem. */
    async report(team: Team, of: { proof: DeviceProof; report: DeviceReport; ip: string }): Promise<void> {
      const { accountId } = team;
      const asking = { accountId, proof: of.proof, now: now() };
      const { device } = await database.snapshot((snapshot) => knownDevice(snapshot, asking));
      const actor = { ...signingIn(device.email, of.ip), id: device.user_id };
      const act = { accountId, actor, authorize: async () => {} };
      await commitAct(control, act, (tx) => noteReport(tx, { ...of, accountId, now: now() }));
    },

    /** The device that waits under a code; throws an ApprovalRefused. Each call is one try, right or wrong. */
    async find(
      team: Team,
      of: { session: SessionState; userCode: string; ip: string },
    ): Promise<WaitingDevice> {
      const { accountId } = team;
      const limits = [
        [of.session.user_id, PERSON_LIMIT],
        [networkOf(of.ip, 48), NETWORK_LIMIT],
      ] as const;
      const mayTry = await database.write((tx) => isWithin(tx, { accountId }, { now: now(), limits }));
      if (!mayTry) throw new ApprovalRefused('too_many_codes');
      const asked = { accountId, userCode: of.userCode, now: timestamp(now()) };
      const row = await findWaiting(database.reader, asked);
      if (!row) throw new ApprovalRefused('code_unknown');
      return await shown(database.reader, row, of.session);
    },

    /** Enrols the device that waits under this code; in force when this resolves. Throws an ApprovalRefused. */
    approve: (team: Team, of: Answering): Promise<Approved> => approve(control, team, of),

    /** Refuses it; its name. Throws an ApprovalRefused. */
    refuse: (team: Team, of: Answering): Promise<{ name: string }> =>
      commitAct(control, actOf(team, of), (tx) => refuseEnrolment(tx, approvalOf(team, of, now()))),

    /** What the form of one device in one session carries, so that no other page can send it. */
    formToken: (team: Team, session: SessionState, userCode: string): string =>
      vault.seal(placeOf(team, session, userCode), ''),

    isFormToken(team: Team, of: { session: SessionState; userCode: string; token: string }): boolean {
      try {
        return vault.open(placeOf(team, of.session, of.userCode), of.token) === '';
      } catch {
        return false;
      }
    },
  };
}

/** A person who answers a device. */
export interface Answering {
  readonly session: SessionState;
  readonly userCode: string;
  readonly ip: string;
}

function placeOf({ accountId }: Team, { nonce }: SessionState, userCode: string): string {
  return `device/${accountId}/${nonce}/${userCode}`;
}

async function shown(reader: Reader, row: DeviceEnrolmentRow, session: SessionState): Promise<WaitingDevice> {
  const known = await findEnrolled(reader, row.account_id, { thumbprint: row.thumbprint });
  if (known && known.user_id !== session.user_id) throw new ApprovalRefused('device_of_another');
  if (known && known.revoked_at !== null) throw new ApprovalRefused('device_revoked');
  const { user_code: userCode, name, ip } = row;
  return { userCode, name, ip, facts: JSON.parse(row.facts) as DeviceFacts, isKnown: known !== null };
}

async function approve(control: Control, team: Team, of: Answering): Promise<Approved> {
  for (let left = 3; ; left--) {
    try {
      const approval = approvalOf(team, of, control.clock.now());
      return await commitAct(control, actOf(team, of), (tx) => approveEnrolment(tx, approval));
    } catch (error) {
      if (error instanceof SeatRefused) throw new ApprovalRefused('seat_limit', error);
      if (error instanceof DeviceRefused) throw new ApprovalRefused(error.reason, error);
      // The person went while this one was minting, or somebody enrolled the key meanwhile: look again.
      const failure = failureOf(error);
      if (left <= 1 || (failure !== 'unique' && failure !== 'foreign_key')) throw error;
    }
  }
}

function approvalOf({ accountId }: Team, { session, userCode }: Answering, now: number): Approval {
  return { accountId, userCode, nonce: session.nonce, now };
}

function actOf({ accountId }: Team, { session, ip }: Answering) {
  const actor = { ...signingIn(session.email, ip), id: session.user_id };
  return { accountId, actor, authorize: async () => {} };
}
