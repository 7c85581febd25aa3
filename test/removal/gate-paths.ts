import type { App } from '../../src/app.ts';
import { findGateBySecret, publishGateKey } from '../../src/portcullis/gates/gates.ts';
import type { TestApp } from '../support/app.ts';
import { createGateByApi, madeUpKey, type NewGate } from '../support/gate-keys.ts';
import { publishedKids } from '../support/key-timer.ts';

/* How the access of a gate ends, for completeness.test.ts. */

type Ending = 'ends' | 'stays';

/** What a gate holds: the right to attach, and applications that believe what it signs. */
export const GATE_CHANNELS = ['credential', 'published key', 'other gate'] as const;
type GateChannel = (typeof GATE_CHANNELS)[number];

interface GatePath {
  readonly operations: readonly string[];
  readonly does: (held: HeldByGate) => Promise<unknown>;
  readonly cells: Readonly<Record<GateChannel, Ending>>;
}

export const GATE_PATHS: Readonly<Record<string, GatePath>> = {
  'the gate is deleted': {
    operations: ['portcullis-gates-delete-a-gate'],
    does: ({ app, gate: { id, accountId } }) =>
      app.api('DELETE', `/accounts/${accountId}/portcullis/gates/${id}`),
    cells: { credential: 'ends', 'published key': 'ends', 'other gate': 'stays' },
  },
};

/** A gate that has everything. */
export interface HeldByGate {
  readonly app: TestApp;
  readonly gate: NewGate;
  readonly alive: Readonly<Record<GateChannel, () => Promise<boolean>>>;
}

export async function holdAsGate(app: TestApp, name: string): Promise<HeldByGate> {
  const { control }: App = app.app;
  const [gate, other] = [await createGateByApi(app, name), await createGateByApi(app, `not ${name}`)];
  const [key, otherKey] = [madeUpKey(), madeUpKey()];
  await publishGateKey(control, gate, key);
  await publishGateKey(control, other, otherKey);
  const isKnown = async (token: string) => (await findGateBySecret(control.database.reader, token)) !== null;
  const isPublished = async (kid: string) => (await publishedKids(app)).includes(kid);
  return {
    app,
    gate,
    alive: {
      credential: () => isKnown(gate.token),
      'published key': () => isPublished(key.kid),
      'other gate': async () => (await isKnown(other.token)) && (await isPublished(otherKey.kid)),
    },
  };
}
