import type { Snapshot } from '../../database/database.ts';
import type { RegistrationRow } from '../../database/tables.ts';
import type { JsonObject } from '../../kernel/json.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import { toClaim } from '../../protocol/rev.ts';
import type { DeviceFacts, RegistrationState } from '../../protocol/state.ts';
import type { StateSource } from '../../removal/feed.ts';
import { listWithSession } from './store.ts';

/** The registrations of an account that have a device session, for gates. */
export function registrationStates(now: () => string): StateSource {
  return async (snapshot: Snapshot, accountId: string) =>
    (await listWithSession(snapshot, accountId, now())).map(registrationItem);
}

/** The newest state of a registration, for gates: null while it is revoked or has no device session. */
export function registrationItem(row: RegistrationRow): FeedItem {
  return { kind: 'registration', id: row.id, state: stateOf(row) as JsonObject | null };
}

function stateOf(row: RegistrationRow): RegistrationState | null {
  const {
    session_nonce: nonce,
    session_epoch: epoch,
    session_position: position,
    session_ends_at: end,
  } = row;
  if (row.revoked_at !== null || nonce === null || epoch === null || position === null || end === null)
    return null;
  return {
    id: row.id,
    user_id: row.user_id,
    device_id: row.device_id,
    thumbprint: row.thumbprint,
    jwk: JSON.parse(row.public_jwk) as RegistrationState['jwk'],
    rev: toClaim({ epoch, position }),
    session_ends_at: Date.parse(end),
    session_nonce: nonce,
    facts: JSON.parse(row.facts) as DeviceFacts,
  };
}
