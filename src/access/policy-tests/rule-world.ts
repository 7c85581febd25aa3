import type { Snapshot } from '../../database/database.ts';
import { postureRuleStates } from '../../devices/posture/posture.ts';
import { listStates } from '../../gateway/lists/lists.ts';
import { toNamedList } from '../../policy/named-sets.ts';
import { createRuleIndexes, type RuleIndexes } from '../../policy/rule-index.ts';
import type { NamedSets } from '../../policy/rules.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import type { GroupState, ListState, PolicyState, PostureRuleState } from '../../protocol/state.ts';
import { groupStates } from '../groups/groups.ts';
import { policyStates } from '../policies/policies.ts';

/** What rules name, as it is now. */
export interface RuleWorld {
  readonly sets: NamedSets;
  readonly indexes: RuleIndexes;
}

/** The groups, lists and posture rules of an account, read once. */
export async function readRuleWorld(snapshot: Snapshot, accountId: string): Promise<RuleWorld> {
  const groups = byId<GroupState>(await groupStates(snapshot, accountId));
  const states = byId<ListState>(await listStates(snapshot, accountId));
  const lists = new Map([...states].map(([id, list]) => [id, toNamedList(list)]));
  const postures = byId<PostureRuleState>(await postureRuleStates(snapshot, accountId));
  const sets = {
    group: (id: string) => groups.get(id),
    list: (id: string) => lists.get(id),
    posture: (id: string) => postures.get(id),
  };
  return { sets, indexes: createRuleIndexes() };
}

/** The reusable policies of an account, as gates evaluate them. */
export async function reusablePolicies(
  snapshot: Snapshot,
  accountId: string,
): Promise<ReadonlyMap<string, PolicyState>> {
  return byId<PolicyState>(await policyStates(snapshot, accountId));
}

/** What gates are told of objects, read where gates are not. */
function byId<T>(items: readonly FeedItem[]): Map<string, T> {
  return new Map(
    items.flatMap((item) => (item.kind === 'revocation' ? [] : [[item.id, item.state as unknown as T]])),
  );
}
