import { randomBytes } from 'node:crypto';
import type { GateRow } from '../../src/database/tables.ts';
import { timestamp } from '../../src/kernel/clock.ts';
import { sha256 } from '../../src/kernel/crypto.ts';
import { newSecret, newTag, newUuid } from '../../src/kernel/ids.ts';
import { createGate } from '../../src/portcullis/gates/gate-credentials.ts';
import { type GateCredential, noteProcess } from '../../src/portcullis/gates/gates.ts';
import type { GateKey } from '../../src/protocol/gate-messages.ts';
import type { Control } from '../../src/removal/act.ts';
import type { TestApp } from './app.ts';

/** A gate as the API made it, with the secret that was shown once. */
export interface NewGate extends GateCredential {
  readonly token: string;
}

/** A new gate of the first account, by the API. */
export async function createGateByApi({ api, credentials }: TestApp, name: string): Promise<NewGate> {
  const accountId = credentials.account_id;
  const { status, body } = await api('POST', `/accounts/${accountId}/portcullis/gates`, { body: { name } });
  if (status !== 201) throw new Error(JSON.stringify(body));
  return { id: body.result.id, accountId, name, token: body.result.token };
}

/** A new gate below the API. */
export async function insertNewGate(
  { database, clock }: Control,
  accountId: string,
): Promise<GateCredential> {
  const name = newTag();
  const now = timestamp(clock.now());
  const { result } = await database.write((tx) => createGate(tx, { accountId, name, now }));
  return { id: result.id, accountId, name };
}

/** A key of that form which nobody has the private half of: making a real one takes a while. */
export function madeUpKey(bits = 2048): GateKey {
  const modulus = randomBytes(bits / 8);
  modulus[0] = (modulus[0] ?? 0) | 0x80;
  modulus[modulus.length - 1] = (modulus.at(-1) ?? 0) | 1;
  return namedKey(modulus);
}

/** The key of that modulus, under its right name. */
export function namedKey(modulus: Uint8Array): GateKey {
  const n = Buffer.from(modulus).toString('base64url');
  return { kid: sha256(n), kty: 'RSA', n, e: 'AQAB' };
}

/** The row of a node, as if another server ran there. */
export async function insertNode({ database }: Control, name: string): Promise<string> {
  const id = newTag();
  const row = { id, name, version: '0', renewals: 1, lease_ms: 5000 };
  await database.write((tx) => tx.query.insertInto('node_leases').values(row).execute());
  return id;
}

/** Attaches a process of the gate to that node; answers its row. */
export async function attach(
  control: Control,
  { gate, key, nodeId }: { gate: GateCredential; key: GateKey; nodeId: string },
) {
  const row = {
    id: newTag(),
    gate_id: gate.id,
    kid: key.kid,
    account_id: gate.accountId,
    node_id: nodeId,
    host: 'gate.example.com:8443',
    version: '0.1.0',
    attached_at: timestamp(control.clock.now()),
  };
  await control.database.write((tx) => noteProcess(tx, row));
  return row;
}

/** Rows of so many gates, beside the API. */
export function gateRows(accountId: string, many: number): GateRow[] {
  return Array.from({ length: many }, (_, index) => ({
    id: newUuid(),
    account_id: accountId,
    name: `row ${index}`,
    name_key: `row ${index}`,
    secret_hash: sha256(newSecret('pcg')),
    created_at: timestamp(0),
  }));
}
