import type { Bench } from '../harness/bench.ts';
import { packageVersion } from '../harness/machine.ts';
import { measureForwardAuth } from './forward-auth.ts';
import { measureGrowth } from './growth.ts';
import { nginxVersion } from './peers/nginx.ts';
import { measurePolicies } from './policies.ts';
import { measureProxy } from './proxy.ts';
import { measureStarts } from './starts.ts';
import { prepareWorld } from './world.ts';

/** The gate: forward-auth, the built-in proxy, and what the server needs of time and memory to be there. */
export const gate: Bench = {
  versions: async () => ({
    'better-auth': packageVersion('better-auth'),
    'oidc-provider': packageVersion('oidc-provider'),
    nginx: nginxVersion(),
  }),
  run: async (context) => {
    const world = await prepareWorld(context);
    await measureForwardAuth(context, world);
    // To fill its world takes longer than a quick run has.
    if (!context.quick) await measurePolicies(context, world);
    await measureProxy(context, world);
    const small = await world.fill('small', world.sizes.small);
    const large = await world.fill('large', world.sizes.large);
    await measureGrowth(context, world, { small, large });
    const revoked = await world.fill('revoked', world.sizes.revoked);
    await measureStarts(context, world, { small, revoked, large });
  },
};
