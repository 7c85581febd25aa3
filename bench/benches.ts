import type { Benches } from './harness/call.ts';

/** Every bench by its name, which is also its folder. */
export const benches: Benches = {
  gate: async () => (await import('./gate/gate.ts')).gate,
  cluster: async () => (await import('./cluster/cluster.ts')).cluster,
};
