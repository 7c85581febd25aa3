import { setTimeout } from 'node:timers/promises';
import type { Database, Tx } from '../../database/database.ts';
import { addToTotal } from '../../database/paging.ts';
import type { AccessRequestRow } from '../../database/tables.ts';
import { markSeen } from '../../devices/registrations/registrations.ts';
import { timestamp } from '../../kernel/clock.ts';
import type { RequestLine } from '../../protocol/request-line.ts';
import { deleteOldest, insertRequests, type Lane, listTotals, lockAccounts, updateCounts } from './store.ts';

/** Totals of an account's lines: of visitors who proved to be somebody, and of all others. */
const KNOWN = 'access_requests_known';
const UNKNOWN = 'access_requests_unknown';

/** Hosts and methods are bounded where they are read; this is for whoever forgets it. */
const LONGEST = 320;

/**
 * Writes lines, new ones and counts that are final. Written twice they are there once; those of an account that
 * is gone are left out.
 */
export async function writeRequestLines(tx: Tx, lines: readonly RequestLine[]): Promise<void> {
  const accounts = await lockAccounts(tx, [...new Set(lines.map(({ accountId }) => accountId))]);
  for (const accountId of accounts) {
    const own = lines.filter((line) => line.accountId === accountId);
    await updateCounts(
      tx,
      own.filter(({ isNew }) => !isNew),
    );
    for (const isKnown of [true, false]) {
      const fresh = own.filter((line) => line.isNew && line.isKnown === isKnown);
      await insertLines(tx, { accountId, known: isKnown ? 1 : 0 }, fresh);
    }
    await noteDevices(tx, accountId, own);
  }
}

/** The devices that were let in were seen. */
async function noteDevices(tx: Tx, accountId: string, lines: readonly RequestLine[]): Promise<void> {
  const seen = lines.filter(({ verdict, registrationId }) => verdict === 'allow' && registrationId !== null);
  if (seen.length === 0) return;
  const now = timestamp(Math.max(...seen.map(({ at }) => at)));
  const registrationIds = seen.flatMap(({ registrationId }) => registrationId ?? []);
  await markSeen(tx, { accountId, registrationIds, now });
}

async function insertLines(tx: Tx, lane: Lane, lines: readonly RequestLine[]): Promise<void> {
  const rows = lines.map((line) => toRow(line, lane));
  const inserted = await insertRequests(tx, rows);
  if (inserted > 0) await addToTotal(tx, lane.accountId, kindOf(lane), inserted);
}

function toRow(line: RequestLine, { accountId, known }: Lane): AccessRequestRow {
  const { id, action, verdict, reason, via, count } = line;
  return {
    ...{ id, action, verdict, reason, via, count, known },
    account_id: accountId,
    at: timestamp(line.at),
    method: short(line.method),
    host: short(line.host),
    ip: short(line.ip),
    request_id: line.requestId,
    application_id: line.applicationId,
    user_id: line.userId,
    email: line.email,
    connection: line.connection,
    provider_id: line.providerId,
    service_token_id: line.serviceTokenId,
    registration_id: line.registrationId,
  };
}

function short(text: string | null): string | null {
  return text?.slice(0, LONGEST) ?? null;
}

function kindOf({ known }: Lane): string {
  return known === 1 ? KNOWN : UNKNOWN;
}

/** What of the request log is kept: what is not older, and of each account at most so many of either sort. */
export interface Kept {
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly lines: number;
}

/** Small enough to hold nobody up. */
const BATCH = 50;
const PAUSE = 25;

/** Drops what is not kept, oldest first, in small transactions with room between them. */
export async function dropOldRequests(database: Database, kept: Kept, signal?: AbortSignal): Promise<void> {
  for (const { account_id: accountId, kind, total } of await listTotals(database.reader, [KNOWN, UNKNOWN])) {
    const lane = { accountId, known: kind === KNOWN ? 1 : 0 };
    let left = total;
    for (let dropped = BATCH; dropped > 0 && !signal?.aborted; left -= dropped) {
      dropped = await dropSome(database, lane, { before: timestamp(kept.from), excess: left - kept.lines });
      if (dropped > 0) await setTimeout(PAUSE);
    }
  }
}

/** Beyond the number that is kept the oldest go whatever their age. */
async function dropSome(
  database: Database,
  lane: Lane,
  { before, excess }: { before: string; excess: number },
): Promise<number> {
  return await database.write(async (tx) => {
    const which = excess > 0 ? { most: Math.min(excess, BATCH) } : { most: BATCH, before };
    const dropped = await deleteOldest(tx, lane, which);
    if (dropped > 0) await addToTotal(tx, lane.accountId, kindOf(lane), -dropped);
    return dropped;
  });
}
