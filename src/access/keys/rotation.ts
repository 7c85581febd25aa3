import type { Static } from 'typebox';
import type { Act } from '../../database/act.ts';
import type { Reader, Tx } from '../../database/database.ts';
import type { KeySettingsRow } from '../../database/tables.ts';
import { timestamp } from '../../kernel/clock.ts';
import type { Vault } from '../../kernel/crypto.ts';
import { refusal } from '../../kernel/errors.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import { type Change, type Control, commitAct } from '../../removal/act.ts';
import type { KeyConfiguration } from './contract.ts';
import { generateKey, type NewKey, storeKey } from './keys.ts';
import { daysUntilRotation, isFull, isUnderWay } from './schedule.ts';
import { changeInterval, findSettings, listKeys, lockSettings } from './store.ts';

export type PresentedConfiguration = Static<typeof KeyConfiguration>;

/** What is needed to make keys. */
export interface KeyMaker {
  readonly control: Control;
  readonly vault: Vault;
}

/** 404 for an account that has no keys. */
export async function getConfiguration(
  reader: Reader,
  { accountId, now }: { accountId: string; now: number },
): Promise<PresentedConfiguration> {
  const settings = await findSettings(reader, accountId);
  if (!settings) throw noKeys();
  return present(settings, now);
}

/** Changes the interval, which counts from the last rotation: where that is long enough ago, one is due. */
export async function updateConfiguration(
  tx: Tx,
  { accountId, days, now }: { accountId: string; days: number; now: number },
): Promise<Change<PresentedConfiguration>> {
  const settings = await lockSettings(tx, accountId);
  if (!settings) throw noKeys();
  await changeInterval(tx, accountId, days);
  return {
    result: present({ ...settings, rotation_interval_days: days }, now),
    audit: {
      action: 'keys.update',
      resource: { type: 'keys', id: accountId },
      metadata: { key_rotation_interval_days: days },
    },
  };
}

/**
 * Rotates the keys of both purposes by call. The new ones are published when this resolves, and sign when they
 * have been published for long enough (schedule.ts). While they wait, another call changes nothing and is told
 * of that rotation. 409 while too many former keys are still needed, 503 if a rotation ended in this moment.
 */
export async function rotateByCall(maker: KeyMaker, act: Act): Promise<PresentedConfiguration> {
  const { control } = maker;
  const { accountId } = act;
  const seen = await listKeys(control.database.reader, accountId);
  const pairs = isUnderWay(seen) || isFull(seen) ? [] : await newPairs();
  return await commitAct(control, act, async (tx) => {
    await lockSettings(tx, accountId);
    const keys = await listKeys(tx, accountId);
    const now = control.clock.now();
    if (!isUnderWay(keys) && isFull(keys)) throw tooMany();
    const items = isUnderWay(keys) ? [] : await publish(tx, { ...maker, accountId, pairs, now });
    const result = await getConfiguration(tx, { accountId, now });
    return { result, items, audit: rotated(accountId, items) };
  });
}

/** A pair for each purpose. Takes a while: before the transaction. */
export async function newPairs(): Promise<NewKey[]> {
  return await Promise.all([generateKey('session'), generateKey('gate')]);
}

/** Stores pairs made before; there are none if it looked as if they were not needed, and the caller may retry. */
export async function publish(
  tx: Tx,
  {
    accountId,
    pairs,
    vault,
    now,
  }: { accountId: string; pairs: readonly NewKey[]; vault: Vault; now: number },
): Promise<FeedItem[]> {
  if (pairs.length === 0) throw refusal('unavailable');
  const items: FeedItem[] = [];
  for (const key of pairs) items.push(await storeKey(tx, { key, accountId, vault, now: timestamp(now) }));
  return items;
}

/** The audit entry of a rotation, with the ids of the keys that it published. */
export function rotated(accountId: string, items: readonly FeedItem[]) {
  const published = items.flatMap((item) => (item.kind === 'key' ? [item.id] : []));
  return {
    action: 'keys.rotate',
    resource: { type: 'keys', id: accountId },
    metadata: { published },
  };
}

function present(settings: KeySettingsRow, now: number): PresentedConfiguration {
  return {
    days_until_next_rotation: daysUntilRotation(settings, now),
    key_rotation_interval_days: settings.rotation_interval_days,
    last_key_rotation_at: settings.last_rotated_at,
  };
}

function noKeys() {
  return refusal('notFoundAccess', { detail: 'the account has no keys' });
}

function tooMany() {
  const detail = 'the keys of the last ten rotations are still needed for what they have signed';
  return refusal('conflictAccess', { detail });
}
