import { CLUSTER_VARIABLE, type Cluster, startPostgres } from './postgres.ts';

const run: { cluster?: Cluster } = {};

/** Before the first test file: one PostgreSQL cluster for all of them, which inherit this environment. */
export async function globalSetup(): Promise<void> {
  run.cluster = await startPostgres();
  process.env[CLUSTER_VARIABLE] = run.cluster.url;
}

/** After the last test file, also when the run was interrupted. */
export async function globalTeardown(): Promise<void> {
  await run.cluster?.stop();
}
