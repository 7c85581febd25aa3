import type { Random } from '../../cluster/random.ts';
import type { Operation } from './document.ts';
import { SHARED } from './requests.ts';
import type { Inhabited } from './tenants.ts';
import { hostileText } from './values.ts';

/** Ids by shape: of the account, some of them made on the way; of the other account; of nobody. */
export interface Pool {
  readonly id: (random: Random, shape: string) => string;
  readonly learn: (operation: Operation, result: unknown) => void;
  readonly hints: readonly string[];
}

const DEAD = ['0'.repeat(32), '00000000-0000-4000-8000-000000000000', 'f'.repeat(32), 'x', '-', '~'];

/** What two accounts are made of at first; it learns what is made on the way. */
export function createPool(own: Inhabited, other: Inhabited): Pool {
  // Whoever leaves the account cannot ask on.
  const { 'memberships/*': _own, ...objects } = own.objects;
  const live = new Map(Object.entries(objects).map(([shape, id]) => [shape, [id]]));
  const hints = [...Object.values(own.objects), ...Object.values(other.objects).slice(0, 5), ...HINTS];
  return {
    hints: [...hints, `user@${own.mark}.test`, `a.${own.mark}.test`, own.accountId, own.zoneId],
    id: (random, shape) => {
      const ids = live.get(shape) ?? [SHARED[shape] ?? 'x'];
      const usual = random.chance(0.75);
      if (usual) return random.pick(ids.slice(-5));
      return random.pick([
        random.pick(ids).toUpperCase(),
        other.objects[shape] ?? 'x',
        random.pick(DEAD),
        hostileText(random).slice(0, 300),
      ]);
    },
    learn: ({ method, shape }, result) => {
      if (method !== 'POST' || typeof result !== 'object' || result === null) return;
      const { id, uid, name } = result as Record<string, unknown>;
      const made = id ?? uid ?? name;
      // Its own token must not be at hand.
      if (typeof made !== 'string' || made === own.tokenId) return;
      live.set(`${shape}/*`, [...(live.get(`${shape}/*`) ?? []), made].slice(-20));
    },
  };
}

const HINTS = [
  '24h',
  '30m',
  'allow',
  'deny',
  'EMAIL',
  'IP',
  '192.0.2.0/24',
  'self_hosted',
  'github',
  'name',
  'asc',
];
