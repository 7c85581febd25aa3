import type { Static } from 'typebox';
import type { AuditFacts } from '../../audit/audit.ts';
import type { Reader, Tx } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import type { GateRow } from '../../database/tables.ts';
import { sha256 } from '../../kernel/crypto.ts';
import { refusal } from '../../kernel/errors.ts';
import { newSecret, newUuid } from '../../kernel/ids.ts';
import { foldCase } from '../../kernel/text.ts';
import { revocation } from '../../protocol/feed.ts';
import type { Change } from '../../removal/act.ts';
import type { DeletedGate, Gate, NewGate } from './contract.ts';
import { goneKeys } from './gates.ts';
import { listKeysOf } from './key-store.ts';
import {
  type AttachedProcess,
  countGates,
  deleteGateRow,
  findGate,
  insertGate,
  listGates,
  listProcesses,
  lockGates,
} from './store.ts';

export type PresentedGate = Static<typeof Gate>;

/** Their keys are in the key set that applications fetch, and every gate holds them. */
const MOST_GATES = 100;

/** Gates of one account as the API answers them, with the processes that are attached. */
export async function presentGates(
  reader: Reader,
  accountId: string,
  gates: readonly GateRow[],
): Promise<PresentedGate[]> {
  const ids = gates.map(({ id }) => id);
  const processes = Map.groupBy(await listProcesses(reader, accountId, ids), ({ gate_id }) => gate_id);
  return gates.map((gate) => present(gate, processes.get(gate.id) ?? []));
}

function present({ id, name, created_at }: GateRow, processes: readonly AttachedProcess[]): PresentedGate {
  return { id, name, created_at, processes: processes.map(({ gate_id: _, ...shown }) => shown) };
}

/** The gate of that id as the API answers it; a 404 for one that is not of that account. */
export async function getGate(reader: Reader, accountId: string, id: string): Promise<PresentedGate> {
  const row = await findGate(reader, accountId, id);
  if (!row) throw unknownGate();
  return present(row, await listProcesses(reader, accountId, [id]));
}

/** The gates of an account, oldest first, as a list to be paged. */
export function gateList(
  reader: Reader,
  { accountId, name, search }: { accountId: string; name?: string; search?: string },
): KeyedList<GateRow> {
  const filter = {
    ...(name === undefined ? {} : { nameKey: foldCase(name) }),
    ...(search ? { search: foldCase(search) } : {}),
  };
  return {
    fetch: (start) => listGates(reader, accountId, { filter, start }),
    keyOf: (row) => [row.created_at, row.id],
    total: () => countGates(reader, accountId, filter),
  };
}

/** A new gate, its secret in `token` and nowhere else. The database refuses a name that another of the account has. */
export async function createGate(
  tx: Tx,
  { accountId, name, now }: { accountId: string; name: string; now: string },
): Promise<Change<Static<typeof NewGate>>> {
  if ((await countGates(tx, accountId)) >= MOST_GATES) throw tooMany();
  const token = newSecret('pcg');
  const nfc = name.normalize('NFC');
  const row: GateRow = {
    id: newUuid(),
    account_id: accountId,
    name: nfc,
    name_key: foldCase(nfc),
    secret_hash: sha256(token),
    created_at: now,
  };
  await insertGate(tx, row);
  return { result: { ...present(row, []), token }, audit: factsOf(row, 'create') };
}

/** Ends the gate with the call: its credential, the keys of its processes, and what is open through them. */
export async function deleteGate(
  tx: Tx,
  { accountId, id }: { accountId: string; id: string },
): Promise<Change<Static<typeof DeletedGate>>> {
  const row = (await lockGates(tx, accountId)).find((gate) => gate.id === id);
  if (!row) throw unknownGate();
  const kids = (await listKeysOf(tx, id)).map(({ kid }) => kid);
  await deleteGateRow(tx, row);
  return {
    result: { id },
    items: [revocation({ type: 'gate', id }), ...(await goneKeys(tx, accountId, kids))],
    audit: factsOf(row, 'delete'),
  };
}

function factsOf({ id, name }: GateRow, verb: 'create' | 'delete'): AuditFacts {
  return { action: `gate.${verb}`, resource: { type: 'gate', id }, metadata: { name } };
}

function unknownGate() {
  return refusal('notFound', { detail: 'gate not found' });
}

function tooMany() {
  return refusal('invalid', { detail: `an account has at most ${MOST_GATES} gates` });
}
