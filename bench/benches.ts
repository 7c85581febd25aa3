import type { Benches } from './harness/call.ts';

/** Every bench by its name, which is also its folder. */
export const benches: Benches = {
  gate: async () => (await import('./gate/gate.ts')).gate,
  api: async () => (await import('./api/api.ts')).api,
  cluster: async () => (await import('./cluster/cluster.ts')).cluster,
};
