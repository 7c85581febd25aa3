import type { Reader } from '../../database/database.ts';
import { DAY, HOUR } from '../../kernel/clock.ts';
import { parseDuration } from '../../kernel/duration.ts';
import { refusal } from '../../kernel/errors.ts';
import { settingsOf } from './organization-settings.ts';
import { findOrganization, listOrganizationSettings } from './store.ts';

const SHORTEST = 730 * HOUR;
const LONGEST = 365 * DAY;

/** After how many milliseconds the unused seats of an account are given back. */
export interface SeatExpiration {
  readonly accountId: string;
  readonly inactiveTime: number;
}

/** Refuses what is neither off (`0`, empty, null) nor a duration from 730h to 8760h (reference §4.4). */
export function refuseSeatExpiration(text: string | null | undefined): void {
  const time = text ? parseDuration(text) : 0;
  if (time === 0 || (time !== null && time >= SHORTEST && time <= LONGEST)) return;
  throw refusal('seatExpiration', {
    detail: 'it must be a duration from 730h to 8760h; 0 turns it off',
    pointer: '/user_seat_expiration_inactive_time',
  });
}

/** After how many milliseconds the unused seats of this account are given back; null: never. */
export async function inactiveTimeOf(reader: Reader, accountId: string): Promise<number | null> {
  const row = await findOrganization(reader, accountId);
  return row && readInactiveTime(row);
}

/** The accounts whose unused seats are given back. */
export async function listSeatExpirations(reader: Reader): Promise<SeatExpiration[]> {
  const rows = await listOrganizationSettings(reader);
  return rows.flatMap((row) => {
    const inactiveTime = readInactiveTime(row);
    return inactiveTime === null ? [] : [{ accountId: row.account_id, inactiveTime }];
  });
}

function readInactiveTime(row: { settings: string }): number | null {
  const { user_seat_expiration_inactive_time: text } = settingsOf(row);
  const time = text === undefined ? null : parseDuration(text);
  // Whatever is stored, nobody loses a seat before the shortest time is over.
  return time === null ? null : Math.max(time, SHORTEST);
}
