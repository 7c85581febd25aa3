import type { Static } from 'typebox';
import type { AuditFacts } from '../../audit/audit.ts';
import type { Tx } from '../../database/database.ts';
import type { ServiceTokenRow } from '../../database/tables.ts';
import { timestamp } from '../../kernel/clock.ts';
import { sha256 } from '../../kernel/crypto.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newClientId, newSecret, newUuid } from '../../kernel/ids.ts';
import type { JsonObject } from '../../kernel/json.ts';
import { foldCase } from '../../kernel/text.ts';
import { type FeedItem, revocation } from '../../protocol/feed.ts';
import type { Change } from '../../removal/act.ts';
import type { CreateServiceToken, UpdateServiceToken } from './contract.ts';
import {
  hasPrevious,
  type PresentedServiceToken,
  presentServiceToken,
  serviceTokenItem,
  unknownServiceToken,
} from './service-tokens.ts';
import {
  countServiceTokens,
  deleteServiceTokenRow,
  insertServiceToken,
  lockServiceToken,
  updateServiceTokenRow,
} from './store.ts';
import { endOfDuration, invalidGrace, prolonged, readGrace, USUAL_DURATION } from './token-times.ts';

/** A gate holds them all. */
const MOST_SERVICE_TOKENS = 1000;

interface Place {
  readonly accountId: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

type One = Place & { readonly id: string };
type WithSecret = PresentedServiceToken & { client_secret: string };

/** A new service token, its secret in `client_secret` and nowhere else. */
export async function createServiceToken(
  tx: Tx,
  { accountId, now, input }: Place & { input: Static<typeof CreateServiceToken> },
): Promise<Change<WithSecret>> {
  const { duration = USUAL_DURATION, enabled = true, client_secret_version: version = 1 } = input;
  const grace = readGrace(input.previous_client_secret_expires_at, now);
  if (grace !== null && grace > now) throw noPrevious();
  if ((await countServiceTokens(tx, accountId)) >= MOST_SERVICE_TOKENS) throw tooMany();
  const secret = newSecret('cfast');
  const row: ServiceTokenRow = {
    id: newUuid(),
    account_id: accountId,
    ...named(input.name),
    client_id: newClientId(),
    secret_hash: sha256(secret),
    secret_version: version,
    previous_secret_hash: null,
    previous_expires_at: null,
    duration,
    expires_at: endOfDuration(duration, now),
    enabled: enabled ? 1 : 0,
    created_at: timestamp(now),
    updated_at: timestamp(now),
  };
  await insertServiceToken(tx, row);
  return {
    result: { ...presentServiceToken(row, timestamp(now)), client_secret: secret },
    items: [serviceTokenItem(row)],
    audit: factsOf(row, 'create', { enabled, expires_at: row.expires_at }),
  };
}

/**
 * Changes what is given. Another duration counts from now; a higher version of the secret rotates, and the answer
 * has the new one.
 */
export async function updateServiceToken(
  tx: Tx,
  { accountId, id, now, input }: One & { input: Static<typeof UpdateServiceToken> },
): Promise<Change<PresentedServiceToken & { client_secret?: string }>> {
  const before = await hold(tx, accountId, id);
  const { name, duration = before.duration, enabled = before.enabled === 1 } = input;
  const grace = readGrace(input.previous_client_secret_expires_at, now);
  const version = readVersion(before, input.client_secret_version);
  const secret = version > before.secret_version ? newSecret('cfast') : null;
  const change = {
    ...(name === undefined ? {} : named(name)),
    ...(duration === before.duration ? {} : { duration, expires_at: endOfDuration(duration, now) }),
    ...(secret === null ? regraced(before, grace, now) : replaced(before, { secret, version, grace, now })),
    enabled: enabled ? 1 : 0,
  };
  const { row, ...done } = await changed(tx, { before, change, action: 'update', now });
  const shown = presentServiceToken(row, timestamp(now));
  return { ...done, result: secret === null ? shown : { ...shown, client_secret: secret } };
}

/** A new secret. The old one ends with the call, unless it was given until when it is accepted beside the new one. */
export async function rotateServiceToken(
  tx: Tx,
  { accountId, id, now, until }: One & { until: string | null | undefined },
): Promise<Change<WithSecret>> {
  const before = await hold(tx, accountId, id);
  const secret = newSecret('cfast');
  const grace = readGrace(until, now);
  const change = replaced(before, { secret, version: before.secret_version + 1, grace, now });
  const { row, ...done } = await changed(tx, { before, change, action: 'rotate', now });
  return { ...done, result: { ...presentServiceToken(row, timestamp(now)), client_secret: secret } };
}

/** A further year. */
export async function refreshServiceToken(
  tx: Tx,
  { accountId, id, now }: One,
): Promise<Change<PresentedServiceToken>> {
  const before = await hold(tx, accountId, id);
  const change = { expires_at: prolonged(before.expires_at, now) };
  const { row, ...done } = await changed(tx, { before, change, action: 'refresh', now });
  return { ...done, result: presentServiceToken(row, timestamp(now)) };
}

/**
 * Ends the token with the call, whoever names it: a rule that does matches nobody from then on. A removal must not
 * wait for policies to be mended.
 */
export async function deleteServiceToken(
  tx: Tx,
  { accountId, id, now }: One,
): Promise<Change<PresentedServiceToken>> {
  const row = await hold(tx, accountId, id);
  await deleteServiceTokenRow(tx, row);
  return {
    result: presentServiceToken(row, timestamp(now)),
    items: [revocation({ type: 'service_token', id }), { kind: 'service_token', id, state: null }],
    audit: factsOf(row, 'delete', {}),
  };
}

async function hold(tx: Tx, accountId: string, id: string): Promise<ServiceTokenRow> {
  const row = await lockServiceToken(tx, accountId, id);
  if (!row) throw unknownServiceToken();
  return row;
}

/** Writes the change, and says what of it gates and the audit log are told. */
async function changed(
  tx: Tx,
  { before, change, action, now }: Written,
): Promise<{ row: ServiceTokenRow; items: FeedItem[]; audit: AuditFacts }> {
  const row = { ...before, ...change, updated_at: timestamp(now) };
  await updateServiceTokenRow(tx, before, { ...change, updated_at: row.updated_at });
  const isDisabled = before.enabled === 1 && row.enabled !== 1;
  const ended = isDisabled ? [revocation({ type: 'service_token', id: row.id })] : [];
  return {
    row,
    items: [...ended, serviceTokenItem(row)],
    audit: factsOf(row, action, {
      enabled: { from: before.enabled === 1, to: row.enabled === 1 },
      expires_at: { from: before.expires_at, to: row.expires_at },
      new_secret: row.secret_hash !== before.secret_hash,
      previous_secret_until: row.previous_expires_at,
    }),
  };
}

interface Written {
  readonly before: ServiceTokenRow;
  readonly change: Partial<ServiceTokenRow>;
  readonly action: string;
  readonly now: number;
}

/** The version asked for; one below the current would name a secret that nobody has any more. */
function readVersion({ secret_version: current }: ServiceTokenRow, asked = current): number {
  if (asked >= current) return asked;
  const message = `is below the current version, which is ${current}`;
  throw invalidInput([{ pointer: '/client_secret_version', message }], 'invalidAccess');
}

/** The new secret, and the one that it replaces; what was before that one ends. */
function replaced(
  before: ServiceTokenRow,
  { secret, version, grace, now }: { secret: string; version: number; grace: number | null; now: number },
): Partial<ServiceTokenRow> {
  const until = grace !== null && grace > now ? timestamp(grace) : null;
  return {
    secret_hash: sha256(secret),
    secret_version: version,
    previous_secret_hash: until === null ? null : before.secret_hash,
    previous_expires_at: until,
  };
}

/** Another end for the former secret. One that has ended is forgotten, so that no time brings it back. */
function regraced(before: ServiceTokenRow, grace: number | null, now: number): Partial<ServiceTokenRow> {
  const lives = hasPrevious(before, timestamp(now));
  if (grace !== null && grace > now) {
    if (!lives) throw noPrevious();
    return { previous_expires_at: timestamp(grace) };
  }
  if (lives && grace === null) return {};
  return { previous_secret_hash: null, previous_expires_at: null };
}

function named(name: string) {
  const nfc = name.normalize('NFC');
  return { name: nfc, name_key: foldCase(nfc) };
}

function factsOf(row: ServiceTokenRow, verb: string, metadata: JsonObject): AuditFacts {
  return {
    action: `service_token.${verb}`,
    resource: { type: 'service_token', id: row.id },
    metadata: { name: row.name, client_id: row.client_id, ...metadata },
  };
}

function noPrevious() {
  return invalidGrace('there is no former secret that is still accepted');
}

function tooMany() {
  return refusal('invalidAccess', { detail: `an account has at most ${MOST_SERVICE_TOKENS} service tokens` });
}
