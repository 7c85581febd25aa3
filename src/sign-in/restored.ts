import type { Snapshot } from '../database/database.ts';
import { closedSince } from '../removal/epochs.ts';
import { SignInRefused } from './refused.ts';

/**
 * Refuses while an older state of the database is in its place and no administrator has approved what is different
 * (removal-protocol, schedule 21): its memberships and policies may give what was taken away since.
 */
export async function refuseRestored(snapshot: Snapshot): Promise<void> {
  if ((await closedSince(snapshot)) !== null) throw new SignInRefused('restored_database');
}
