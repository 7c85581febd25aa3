import type { Snapshot, Tx } from '../database/database.ts';
import { reportDevice } from '../devices/registrations/registrations.ts';
import { MINUTE, timestamp } from '../kernel/clock.ts';
import type { DeviceProof } from '../protocol/device-proof.ts';
import type { Change } from '../removal/act.ts';
import { beginMint, parentStands } from '../removal/mint.ts';
import { isWithin } from './counts.ts';
import { sessionProblem } from './device-enrolments.ts';
import type { DeviceReport } from './device-input.ts';
import { DeviceProblem } from './device-problem.ts';
import { refuseUsed } from './device-proofs.ts';
import { type EnrolledDevice, findEnrolled } from './device-store.ts';
import { revOf, subjectsOf } from './lineage.ts';
import { findLineage } from './store.ts';

/** An enrolled device with a device session. */
export interface KnownDevice {
  readonly device: EnrolledDevice;
  /** Whether the sign-in on it still stands: where an application takes it, the device signs the person in. */
  readonly isSignedIn: boolean;
}

interface Asking {
  readonly accountId: string;
  readonly proof: DeviceProof;
  readonly now: number;
}

/** Who the device of this proof is; throws the DeviceProblem if it has no device session. */
export async function knownDevice(snapshot: Snapshot, asking: Asking): Promise<KnownDevice> {
  const device = await enrolledDevice(snapshot, asking);
  return { device, isSignedIn: await isSignedIn(snapshot, asking, device) };
}

async function enrolledDevice(
  snapshot: Snapshot,
  { accountId, proof, now }: Asking,
): Promise<EnrolledDevice> {
  const device = await findEnrolled(snapshot, accountId, { thumbprint: proof.thumbprint });
  if (!device) throw new DeviceProblem('device_unknown');
  const problem = await sessionProblem(snapshot, { accountId, device, now });
  if (problem) throw new DeviceProblem(problem);
  return device;
}

async function isSignedIn(
  snapshot: Snapshot,
  { accountId, now }: Asking,
  { session_nonce: nonce }: EnrolledDevice,
): Promise<boolean> {
  const head = await beginMint(snapshot, accountId);
  const session = nonce === null ? null : await findLineage(snapshot, accountId, nonce);
  if (!session || session.expires_at <= timestamp(now)) return false;
  return await parentStands(snapshot, {
    accountId,
    rev: revOf(session),
    head,
    subjects: subjectsOf(session),
  });
}

const REPORT_LIMIT = { name: 'report', most: 60, within: 15 * MINUTE } as const;

/** What a device says of itself anew; the policies that ask for it are evaluated on that from now on. */
export async function noteReport(
  tx: Tx,
  asking: Asking & { readonly report: DeviceReport; readonly ip: string },
): Promise<Change<EnrolledDevice>> {
  const { accountId, proof, now, report, ip } = asking;
  await refuseUsed(tx, { accountId, proof, now });
  const device = await enrolledDevice(tx, asking);
  const limits = [[device.id, REPORT_LIMIT]] as const;
  if (!(await isWithin(tx, { accountId }, { now, limits }))) throw new DeviceProblem('too_many');
  const items = await reportDevice(tx, {
    accountId,
    registrationId: device.id,
    facts: report.facts,
    ...(report.name === null ? {} : { name: report.name }),
    ip,
    now: timestamp(now),
  });
  return {
    result: device,
    items,
    audit: {
      action: 'device.report',
      resource: { type: 'registration', id: device.id },
      metadata: { device_id: device.device_id, ip },
    },
    // Once more: whoever was revoking the device may have done so meanwhile.
    guard: async (later) => void (await enrolledDevice(later, asking)),
  };
}
